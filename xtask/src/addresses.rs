//! No file holds the address of a package registry: where packages come from is the machine's own
//! setting, and a lock file that pins an address does not install behind a mirror.
//!
//! The addresses are put together here so that this file passes its own rule.

use crate::repository::TextFile;
use crate::violation::Violation;

const FORBIDDEN: &[&str] = &[
    concat!("registry", ".npmjs.org"),
    concat!("registry", ".yarnpkg.com"),
    concat!("py", "pi.org"),
    concat!("files", ".pythonhosted.org"),
    CARGO_INDEX,
    concat!("index", ".crates.io"),
    concat!("static", ".crates.io"),
    concat!("deb", ".debian.org"),
    concat!("security", ".debian.org"),
    concat!("archive", ".ubuntu.com"),
];

const CARGO_INDEX: &str = concat!("github.com/rust-lang/", "crates.io-index");

/// Finds lines with such an address.
pub(crate) fn check(files: &[TextFile]) -> Vec<Violation> {
    files.iter().flat_map(check_file).collect()
}

fn check_file(file: &TextFile) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        if let Some(address) = address_in(line).filter(|_| !is_lock_line(&file.path, line)) {
            let place = format!("{}:{}", file.path, index + 1);
            violations.push(Violation::new(place, format!("holds the address {address}")));
        }
    }
    violations
}

fn address_in(line: &str) -> Option<&'static str> {
    let line = line.to_ascii_lowercase();
    FORBIDDEN.iter().copied().find(|address| line.contains(address))
}

/// Whether cargo wrote the line: it names the registry in this one form, whatever the mirror.
fn is_lock_line(path: &str, line: &str) -> bool {
    let is_lock = path.rsplit('/').next() == Some("Cargo.lock");
    is_lock && line == format!("source = \"registry+https://{CARGO_INDEX}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: String) -> Vec<String> {
        let file = TextFile { path: path.to_owned(), text };
        check(&[file]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_address_is_reported_with_its_line() {
        let text = format!("{{\n  \"resolved\": \"https://{}/a.tgz\"\n}}\n", FORBIDDEN[0]);
        assert_eq!(
            found("web/package-lock.json", text),
            [format!("web/package-lock.json:2: holds the address {}", FORBIDDEN[0])]
        );
    }

    #[test]
    fn case_does_not_hide_an_address() {
        assert_eq!(found("a.md", FORBIDDEN[2].to_uppercase()).len(), 1);
    }

    #[test]
    fn only_a_cargo_lock_may_name_its_registry() {
        let line = format!("source = \"registry+https://{CARGO_INDEX}\"\n");
        assert_eq!(found("fuzz/Cargo.lock", line.clone()), Vec::<String>::new());
        assert_eq!(found("deny.toml", line).len(), 1);
    }

    #[test]
    fn a_page_about_a_crate_is_no_registry() {
        assert_eq!(found("a.md", "https://crates.io/crates/bytes".to_owned()).len(), 0);
    }
}
