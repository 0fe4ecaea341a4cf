//! What a tool was installed from: a copy of the files that ask for it, kept beside the tool.
//!
//! A change to one of them makes the stamp stale. It is written last, and goes with the directory.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The stamp a tool would have, were it installed from the files as they are now.
#[derive(Debug)]
pub(super) struct Stamp {
    path: PathBuf,
    text: String,
}

impl Stamp {
    /// Reads the files that ask for the tool in `directory`.
    pub(super) fn of(directory: &Path, files: &[PathBuf]) -> Result<Self> {
        let mut text = String::new();
        for file in files {
            let content = fs::read_to_string(file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            text.push_str(&format_part(&name, &content));
        }
        Ok(Self { path: directory.join("installed-from"), text })
    }

    /// Whether the tool was installed from these very files.
    pub(super) fn is_current(&self) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|text| text == self.text)
    }

    /// Declares the tool installed.
    pub(super) fn write(&self) -> Result<()> {
        fs::write(&self.path, &self.text)
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// The length keeps lines from wandering between two files unnoticed.
fn format_part(name: &str, content: &str) -> String {
    format!("{name} {}\n{content}\n", content.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_current_until_a_file_changes() {
        let directory = std::env::temp_dir().join(format!("xtask-stamp-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let requirements = directory.join("requirements.txt");
        fs::write(&requirements, "ruff==1\n").unwrap();
        let files = [requirements.clone()];

        let stamp = Stamp::of(&directory, &files).unwrap();
        assert!(!stamp.is_current());
        stamp.write().unwrap();
        assert!(Stamp::of(&directory, &files).unwrap().is_current());
        fs::write(&requirements, "ruff==2\n").unwrap();
        assert!(!Stamp::of(&directory, &files).unwrap().is_current());

        fs::remove_dir_all(&directory).unwrap();
    }
}
