//! No source file is too long to be read at once.
//!
//! A file's own tests, at its end, do not count towards the first limit. Clippy sees to it that
//! nothing follows them (`items_after_test_module`).

use crate::repository::TextFile;
use crate::violation::Violation;

const LINES_MAX: usize = 400;
const LINES_WITH_TESTS_MAX: usize = 800;

/// Files that may exceed `LINES_MAX`, each with the reason why it is better in one piece.
const LISTED: &[(&str, &str)] = &[];

/// Finds files that are too long, and listed ones that need not be listed any more.
pub(crate) fn check(files: &[TextFile]) -> Vec<Violation> {
    let mut violations: Vec<_> = files
        .iter()
        .filter(|file| file.is_source())
        .filter_map(|file| {
            let listing = listing(&file.path, LISTED);
            complaint(file, listing).map(|reason| Violation::new(&file.path, reason))
        })
        .collect();
    violations.extend(missing(files, LISTED));
    violations
}

/// Whether a file is in the list of long files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listing {
    Listed,
    Unlisted,
}

fn listing(path: &str, listed: &[(&str, &str)]) -> Listing {
    let is_listed = listed.iter().any(|(listed, _)| *listed == path);
    if is_listed { Listing::Listed } else { Listing::Unlisted }
}

fn complaint(file: &TextFile, listing: Listing) -> Option<String> {
    let all = file.text.lines().count();
    if all > LINES_WITH_TESTS_MAX {
        return Some(format!("{all} lines with tests: the limit is {LINES_WITH_TESTS_MAX}"));
    }
    let own = if is_test(&file.path) { 0 } else { lines_before_tests(&file.text) };
    match (own > LINES_MAX, listing) {
        (true, Listing::Unlisted) => Some(format!(
            "{own} lines without tests: the limit is {LINES_MAX}; split it, or list it in \
             lengths.rs with the reason"
        )),
        (false, Listing::Listed) => {
            Some(String::from("is short enough again: remove it from the list in lengths.rs"))
        }
        _ => None,
    }
}

fn missing(files: &[TextFile], listed: &[(&str, &str)]) -> Vec<Violation> {
    let exists = |path: &str| files.iter().any(|file| file.path == path);
    listed
        .iter()
        .filter(|(path, _)| !exists(path))
        .map(|(path, _)| Violation::new(*path, "does not exist, but is listed in lengths.rs"))
        .collect()
}

/// Whether the whole file is tests.
fn is_test(path: &str) -> bool {
    let (directories, name) = path.rsplit_once('/').unwrap_or(("", path));
    directories.split('/').any(|directory| directory == "tests")
        || name == "tests.rs"
        || name.starts_with("test_")
        || name.contains(".test.")
}

fn lines_before_tests(text: &str) -> usize {
    let lines: Vec<_> = text.lines().collect();
    let opens_tests = |at: &usize| {
        let after = lines[at + 1..].iter().find(|line| !line.starts_with("#["));
        lines[*at] == "#[cfg(test)]" && after.is_some_and(|line| line.starts_with("mod tests {"))
    };
    (0..lines.len()).find(opens_tests).unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, own: usize, tests: usize) -> TextFile {
        let own = "x();\n".repeat(own);
        let tests = "#[cfg(test)]\n#[rustfmt::skip]\nmod tests {\n".to_owned()
            + &"x();\n".repeat(tests)
            + "}\n";
        TextFile { path: path.to_owned(), text: own + &tests }
    }

    #[test]
    fn only_lines_before_the_tests_count() {
        assert_eq!(complaint(&source("src/a.rs", 400, 300), Listing::Unlisted), None);
        let reason = complaint(&source("src/a.rs", 401, 300), Listing::Unlisted).unwrap();
        assert!(reason.starts_with("401 lines without tests"), "{reason}");
    }

    #[test]
    fn a_listed_file_may_be_long_but_not_endless() {
        assert_eq!(complaint(&source("src/a.rs", 401, 300), Listing::Listed), None);
        let reason = complaint(&source("src/a.rs", 401, 400), Listing::Listed).unwrap();
        assert!(reason.starts_with("805 lines with tests"), "{reason}");
    }

    #[test]
    fn a_listed_file_that_is_short_again_or_gone_is_reported() {
        assert!(complaint(&source("src/a.rs", 400, 0), Listing::Listed).is_some());
        assert_eq!(missing(&[], &[("src/a.rs", "a table")]).len(), 1);
        assert!(missing(&[source("src/a.rs", 1, 0)], &[("src/a.rs", "a table")]).is_empty());
    }

    #[test]
    fn a_file_that_is_all_tests_has_the_second_limit_only() {
        assert_eq!(complaint(&source("crates/a/tests/it/b.rs", 700, 0), Listing::Unlisted), None);
        assert!(complaint(&source("crates/a/tests/it/b.rs", 800, 0), Listing::Unlisted).is_some());
        for path in ["crates/a/src/b/tests.rs", "web/src/a.test.ts", "python/tests/test_a.py"] {
            assert!(is_test(path), "{path}");
        }
        assert!(!is_test("crates/a/src/testing/model_cache.rs"));
    }
}
