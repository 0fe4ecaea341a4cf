//! A file that is looked at again and again for changes.
//!
//! By its metadata and not by a watch on its directory: that sees what is behind links and mounts, as
//! they are used for keys and certificates, and loses nothing.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How old the last change must be before another one is told from it by its time: on some file
/// systems times have seconds only.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// A file that is looked at again and again for changes.
#[derive(Debug)]
pub(crate) struct WatchedFile {
    path: PathBuf,
    read: Mutex<Option<Look>>,
}

/// A look at a file: what changes when the file does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Look {
    /// When it last changed, since the Unix epoch.
    changed: Duration,
    bytes: u64,
    /// What else tells one file from another: device, inode, mode and owner.
    identity: [u64; 4],
}

impl WatchedFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, read: Mutex::new(None) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Looks at the file; to be called before it is read, so that a change in between is seen later.
    pub(crate) fn look(&self) -> Option<Look> {
        Look::of(&self.path)
    }

    /// Returns whether the file is another one than was last read, or may be at this wall time.
    pub(crate) fn is_unread(&self, look: Option<&Look>, wall: Duration) -> bool {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let is_settled = |look: &Look| look.changed + SETTLED_AFTER < wall;
        read.as_ref() != look || !look.is_some_and(is_settled)
    }

    /// Notes that the file was read well after this look at it.
    pub(crate) fn note_read(&self, look: Option<Look>) {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = look;
    }
}

impl Look {
    #[cfg(unix)]
    fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let metadata = path.metadata().ok()?;
        // The time of its inode's change: that of its content can be set.
        let seconds = u64::try_from(metadata.ctime()).unwrap_or(0);
        let nanoseconds = u32::try_from(metadata.ctime_nsec()).unwrap_or(0);
        Some(Self {
            changed: Duration::new(seconds, nanoseconds),
            bytes: metadata.len(),
            identity: [
                metadata.dev(),
                metadata.ino(),
                metadata.mode().into(),
                metadata.uid().into(),
            ],
        })
    }

    #[cfg(not(unix))]
    fn of(path: &Path) -> Option<Self> {
        let metadata = path.metadata().ok()?;
        let modified = metadata.modified().ok()?;
        let changed = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(Self { changed, bytes: metadata.len(), identity: [0; 4] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Duration = Duration::from_secs(1 << 40);

    #[test]
    fn a_change_is_unread_until_it_was_read_well() {
        let dir = tempfile::tempdir().unwrap();
        let file = WatchedFile::new(dir.path().join("keys"));
        let is_unread = || file.is_unread(file.look().as_ref(), LATER);
        let write = |text: &str| {
            std::fs::write(dir.path().join("new"), text).unwrap();
            std::fs::rename(dir.path().join("new"), file.path()).unwrap();
        };
        write("a");
        assert!(is_unread() && is_unread(), "looking is not reading");
        file.note_read(file.look());
        assert!(!is_unread());
        write("b");
        assert!(is_unread(), "another file of its length under its name");
        file.note_read(file.look());
        std::fs::remove_file(file.path()).unwrap();
        assert!(is_unread());
    }

    #[test]
    fn a_file_that_has_just_changed_may_have_changed_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = WatchedFile::new(dir.path().join("keys"));
        std::fs::write(file.path(), "a").unwrap();
        let look = file.look().unwrap();
        file.note_read(Some(look.clone()));
        assert!(file.is_unread(Some(&look), look.changed + SETTLED_AFTER));
        assert!(!file.is_unread(Some(&look), look.changed + 2 * SETTLED_AFTER));
    }
}
