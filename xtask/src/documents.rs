//! The documents a newcomer looks for are at the top, and the picture of the house stays one.

use crate::repository::TextFile;
use crate::violation::Violation;

const NEEDED: &[&str] = &["README.md", PICTURE, "CONTRIBUTING.md", "CHANGELOG.md"];

const PICTURE: &str = "ARCHITECTURE.md";
const PICTURE_LINES_MAX: usize = 250;

/// Finds those that are missing, empty or too long.
pub(crate) fn check(files: &[TextFile]) -> Vec<Violation> {
    [missing(files), too_long(files)].concat()
}

fn missing(files: &[TextFile]) -> Vec<Violation> {
    let is_there =
        |path: &str| files.iter().any(|file| file.path == path && !file.text.trim().is_empty());
    NEEDED
        .iter()
        .filter(|path| !is_there(path))
        .map(|path| Violation::new(*path, "is missing"))
        .collect()
}

fn too_long(files: &[TextFile]) -> Vec<Violation> {
    let picture = files.iter().find(|file| file.path == PICTURE);
    let lines = picture.map_or(0, |file| file.text.lines().count());
    let reason = format!("has {lines} lines, the limit is {PICTURE_LINES_MAX}");
    if lines > PICTURE_LINES_MAX { vec![Violation::new(PICTURE, reason)] } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_document_is_a_missing_one() {
        let file =
            |path: &str, text: &str| TextFile { path: path.to_owned(), text: text.to_owned() };
        let mut files: Vec<_> = NEEDED.iter().map(|path| file(path, "# Words\n")).collect();
        assert!(check(&files).is_empty());
        files[0].text.clear();
        assert_eq!(check(&files), [Violation::new("README.md", "is missing")]);
    }

    #[test]
    fn the_picture_of_the_house_stays_short() {
        let picture =
            |lines: usize| TextFile { path: PICTURE.to_owned(), text: "x\n".repeat(lines) };
        assert!(too_long(&[picture(250)]).is_empty());
        assert_eq!(too_long(&[picture(251)]).len(), 1);
    }
}
