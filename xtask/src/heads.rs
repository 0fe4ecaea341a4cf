//! Each Rust file opens with `//!`: what it is, and what it must never do.

use crate::repository::TextFile;
use crate::violation::Violation;

/// Finds files that do not.
pub(crate) fn check(files: &[TextFile]) -> Vec<Violation> {
    files
        .iter()
        .filter(|file| file.extension() == "rs" && is_of_a_crate(&file.path))
        .filter(|file| !file.text.starts_with("//!"))
        .map(|file| Violation::new(&file.path, "does not open with `//!`: say what the file is"))
        .collect()
}

fn is_of_a_crate(path: &str) -> bool {
    let parts: Vec<_> = path.split('/').collect();
    matches!(
        parts.as_slice(),
        ["crates", _, "src" | "tests" | "examples" | "benches", ..] | ["xtask", "src", ..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_tests_examples_and_benches_need_a_head() {
        for path in [
            "crates/meshmemo/src/memory/lru.rs",
            "crates/meshmemo/tests/engine/main.rs",
            "crates/meshmemo/examples/quick.rs",
            "crates/meshmemo/benches/hit.rs",
            "xtask/src/main.rs",
        ] {
            assert!(is_of_a_crate(path), "{path}");
        }
        for path in ["crates/meshmemo/build.rs", "fuzz/key.rs"] {
            assert!(!is_of_a_crate(path), "{path}");
        }
    }

    #[test]
    fn a_file_without_a_head_is_reported() {
        let check = |name: &str, text: &str| {
            let path = format!("crates/meshmemo/src/{name}");
            check(&[TextFile { path, text: text.to_owned() }]).len()
        };
        assert_eq!(check("key.rs", "//! Keys.\n"), 0);
        assert_eq!(check("key.rs", "// Keys.\n"), 1);
        assert_eq!(check("key.rs", ""), 1);
        assert_eq!(check("page.html", "<html>"), 0);
    }
}
