//! Files and crates are named for what they are: a name that could hold anything soon does.

use crate::layers::Member;
use crate::repository::TextFile;
use crate::violation::Violation;

const FORBIDDEN_CRATES: &[&str] = &["common", "util", "utils", "core", "types"];
const FORBIDDEN_FILES: &[&str] = &["utils", "helpers", "common", "base", "manager", "raw", "inner"];

/// Finds crates and source files with names that say nothing.
pub(crate) fn check(members: &[Member], files: &[TextFile]) -> Vec<Violation> {
    let crates = members.iter().filter(|member| is_forbidden_crate(&member.name)).map(|member| {
        let reason = format!("`{}` says nothing about what the crate is", member.name);
        Violation::new(&member.manifest, reason)
    });
    let modules = files.iter().filter(|file| file.is_source()).filter_map(|file| {
        let module = module(&file.path);
        let reason = format!("`{module}` says nothing about what the module is");
        FORBIDDEN_FILES.contains(&module).then(|| Violation::new(&file.path, reason))
    });
    crates.chain(modules).collect()
}

fn is_forbidden_crate(name: &str) -> bool {
    FORBIDDEN_CRATES.contains(&name.strip_prefix("meshmemo-").unwrap_or(name))
}

/// The name a module goes by: its file's, or its directory's where the file is an index.
fn module(path: &str) -> &str {
    let mut parts = path.rsplit('/');
    let name = parts.next().unwrap_or_default();
    match name.split('.').next().unwrap_or_default() {
        "mod" | "index" | "__init__" => parts.next().unwrap_or_default(),
        stem => stem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_are_compared_without_the_common_prefix() {
        assert!(is_forbidden_crate("meshmemo-core"));
        assert!(is_forbidden_crate("util"));
        assert!(!is_forbidden_crate("meshmemo"));
        assert!(!is_forbidden_crate("meshmemo-gen"));
    }

    #[test]
    fn an_index_goes_by_the_name_of_its_directory() {
        assert_eq!(module("crates/a/src/flight.rs"), "flight");
        assert_eq!(module("crates/a/tests/common/mod.rs"), "common");
        assert_eq!(module("web/src/utils/index.test.ts"), "utils");
        assert_eq!(module("mod.rs"), "");
    }

    #[test]
    fn only_source_files_are_looked_at() {
        let file = |path: &str| TextFile { path: path.to_owned(), text: String::new() };
        let files = [file("crates/a/src/utils.rs"), file("docs/raw.md"), file("docs/base.py")];
        let found: Vec<_> = check(&[], &files).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 2, "{found:?}");
    }
}
