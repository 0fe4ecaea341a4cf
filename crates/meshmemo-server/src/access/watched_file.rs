//! A file that is looked at again and again for changes.
//!
//! By its metadata and not by a watch on its directory: that sees what is behind links and mounts, as
//! they are used for keys and certificates, and loses nothing.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// A file that is looked at again and again for changes.
#[derive(Debug)]
pub(crate) struct WatchedFile {
    path: PathBuf,
    seen: Mutex<Option<State>>,
}

/// What changes when a file does.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    modified: Option<SystemTime>,
    bytes: u64,
    inode_and_mode: (u64, u32),
}

impl WatchedFile {
    /// Takes the file as it is now for seen. To be called before it is read: what comes in between
    /// is then seen as a change.
    pub(crate) fn new(path: PathBuf) -> Self {
        let seen = Mutex::new(State::of(&path));
        Self { path, seen }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns whether the file has changed since this was last asked.
    pub(crate) fn has_changed(&self) -> bool {
        let now = State::of(&self.path);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let has_changed = *seen != now;
        *seen = now;
        has_changed
    }
}

impl State {
    fn of(path: &Path) -> Option<Self> {
        let metadata = path.metadata().ok()?;
        Some(Self {
            modified: metadata.modified().ok(),
            bytes: metadata.len(),
            inode_and_mode: inode_and_mode(&metadata),
        })
    }
}

#[cfg(unix)]
fn inode_and_mode(metadata: &std::fs::Metadata) -> (u64, u32) {
    use std::os::unix::fs::MetadataExt;
    (metadata.ino(), metadata.mode())
}

#[cfg(not(unix))]
fn inode_and_mode(_: &std::fs::Metadata) -> (u64, u32) {
    (0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_seen_once_whatever_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        let file = WatchedFile::new(path.clone());
        assert!(!file.has_changed(), "it is still not there");
        std::fs::write(&path, "a").unwrap();
        assert!(file.has_changed() && !file.has_changed());
        std::fs::write(dir.path().join("new"), "b").unwrap();
        std::fs::rename(dir.path().join("new"), &path).unwrap();
        assert!(file.has_changed() && !file.has_changed(), "another file under its name");
        std::fs::remove_file(&path).unwrap();
        assert!(file.has_changed() && !file.has_changed());
    }
}
