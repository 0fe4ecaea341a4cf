//! The checkout this program was built from: where its files are, and which of them count.
//!
//! A file counts if git knows it or would add it; what git ignores belongs to nobody.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::program;

/// How far git, too, looks for a zero byte before it calls a file text.
const SNIFFED_BYTES: usize = 8_000;

/// The checkout.
#[derive(Debug)]
pub(crate) struct Repository {
    root: PathBuf,
}

impl Repository {
    /// The checkout that holds this crate.
    pub(crate) fn of_this_crate() -> Self {
        let crate_directory = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = crate_directory.parent().expect("the crate lies in the repository");
        Self { root: root.to_path_buf() }
    }

    /// Its top directory.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where `tools` installs.
    pub(crate) fn tools(&self) -> PathBuf {
        self.root.join("target/tools")
    }

    /// Where the requirements of the tests are written.
    pub(crate) fn requirements(&self) -> PathBuf {
        self.root.join("tests/tools")
    }

    /// The Python package's crate.
    pub(crate) fn package(&self) -> PathBuf {
        self.root.join("crates/meshmemo-python")
    }

    /// Where the Python package is installed.
    pub(crate) fn package_venv(&self) -> PathBuf {
        self.tools().join("package")
    }

    /// All text files that count, in the order of their paths.
    pub(crate) fn text_files(&self) -> Result<Vec<TextFile>> {
        let mut files = Vec::new();
        for path in self.paths()? {
            match fs::read(self.root.join(&path)) {
                Ok(bytes) => files.extend(TextFile::new(path, &bytes)),
                // Deleted and not yet committed, or a link to nowhere or to a directory.
                Err(error)
                    if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory) => {}
                Err(error) => return Err(error).with_context(|| format!("cannot read {path}")),
            }
        }
        Ok(files)
    }

    fn paths(&self) -> Result<Vec<String>> {
        // In a container the checkout often belongs to another user, which git refuses otherwise.
        let safe = format!("safe.directory={}", self.root.display());
        let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let printed = program::run(
            Command::new("git").current_dir(&self.root).args(["-c", &safe]).args(list),
        )?;
        let printed = String::from_utf8(printed).context("a path is not UTF-8")?;
        let mut paths: Vec<_> =
            printed.split('\0').filter(|path| !path.is_empty()).map(String::from).collect();
        paths.sort();
        paths.dedup();
        Ok(paths)
    }
}

/// A file of words, with its path from the top directory.
#[derive(Debug)]
pub(crate) struct TextFile {
    /// Separated by `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl TextFile {
    fn new(path: String, bytes: &[u8]) -> Option<Self> {
        let sniffed = &bytes[..bytes.len().min(SNIFFED_BYTES)];
        let is_text = !sniffed.contains(&0);
        is_text.then(|| Self { path, text: String::from_utf8_lossy(bytes).into_owned() })
    }

    /// Whether people write it in a programming language.
    pub(crate) fn is_source(&self) -> bool {
        ["rs", "py", "ts", "tsx"].contains(&self.extension())
    }

    /// What follows the last dot of its name.
    pub(crate) fn extension(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(_, extension)| extension)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_with_a_zero_are_no_text() {
        assert!(TextFile::new(String::from("a.glb"), b"glTF\0").is_none());
        assert!(TextFile::new(String::from("a.rs"), b"//! A.").is_some());
    }

    #[test]
    fn this_file_counts_and_what_is_built_does_not() {
        let files = Repository::of_this_crate().text_files().unwrap();
        assert!(files.iter().any(|file| file.path == "xtask/src/repository.rs"));
        assert!(!files.iter().any(|file| file.path.starts_with("target/")));
    }
}
