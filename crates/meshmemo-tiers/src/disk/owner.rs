//! One owner to a directory: a lock on `LOCK`, which says who holds it.
//!
//! Two processes that write to one directory would evict each other's entries. The lock is the
//! operating system's and goes with its process; what stands in the file is for people, and tells
//! `meshmemo generate` which server to ask instead.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;

use parking_lot::Mutex;

use super::fs::identity;
use crate::limits::{TAKE_PAUSE, TAKES_MAX};

const FILE: &str = "LOCK";

/// The right to write to a directory.
#[derive(Debug)]
pub(super) struct Owner {
    path: PathBuf,
    file: Mutex<File>,
}

/// Who holds a directory, as it says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holder {
    /// Its process.
    pub pid: Option<u32>,
    /// What it does: the command.
    pub role: String,
    /// Where it listens, if it is a server.
    pub url: Option<String>,
    /// The user whose lock it is, where users have numbers.
    pub uid: Option<u32>,
}

/// Why a directory can not be taken.
#[derive(Debug)]
pub(super) enum TakeError {
    Held(Holder),
    Failed(io::Error),
}

impl Owner {
    /// Takes a directory, and says for whom.
    pub(super) fn take(root: &Path, holder: &Holder) -> Result<Self, TakeError> {
        let path = root.join(FILE);
        for _ in 0..TAKES_MAX {
            let file = open(&path).map_err(TakeError::Failed)?;
            match file.try_lock() {
                Ok(()) => {
                    let owner = Self { path: path.clone(), file: Mutex::new(file) };
                    // The file may have been removed, and another one locked, in between.
                    if owner.is_intact() {
                        owner.announce(holder);
                        return Ok(owner);
                    }
                }
                Err(TryLockError::WouldBlock) => thread::sleep(TAKE_PAUSE),
                Err(TryLockError::Error(error)) => return Err(TakeError::Failed(error)),
            }
        }
        Err(TakeError::Held(read(&path)))
    }

    /// Says who holds the directory. On a read-only one it remains unsaid.
    pub(super) fn announce(&self, holder: &Holder) {
        let mut file = self.file.lock();
        let text = holder.to_text();
        // Written before the rest is cut off: whoever reads meanwhile finds a holder.
        let written = file
            .rewind()
            .and_then(|()| file.write_all(&text))
            .and_then(|()| file.set_len(text.len() as u64));
        if let Err(error) = written {
            tracing::debug!(%error, "the lock does not say who holds it");
        }
    }

    /// Returns whether the lock is still the one in the directory, which may have been removed.
    pub(super) fn is_intact(&self) -> bool {
        let (held, there) = (self.file.lock().metadata(), self.path.metadata());
        matches!((held, there), (Ok(held), Ok(there)) if identity(&held) == identity(&there))
    }
}

/// Opens the lock's file for reading if it can not be written: that is enough to hold it.
fn open(path: &Path) -> io::Result<File> {
    // A link would have its target written to.
    let no_link = nix::fcntl::OFlag::O_NOFOLLOW.bits();
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(no_link)
        .open(path);
    match opened {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
            ) =>
        {
            File::open(path).map_err(|_| error)
        }
        opened => opened,
    }
}

/// Returns who holds a directory, if anybody does.
pub fn holder(root: &Path) -> Option<Holder> {
    let path = root.join(FILE);
    let file = File::open(&path).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(read(&path)),
        _ => None,
    }
}

#[cfg(unix)]
fn uid(path: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    path.metadata().ok().map(|metadata| metadata.uid())
}

#[cfg(not(unix))]
fn uid(_: &Path) -> Option<u32> {
    None
}

/// Reads who holds the lock; nothing is known where it does not say.
fn read(path: &Path) -> Holder {
    const TEXT_MAX_BYTES: u64 = 4096;
    let mut text = String::new();
    let read =
        File::open(path).and_then(|file| file.take(TEXT_MAX_BYTES).read_to_string(&mut text));
    if read.is_err() {
        return Holder::default();
    }
    let value = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        lines.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    };
    Holder {
        uid: uid(path),
        pid: value("pid").and_then(|pid| pid.parse().ok()),
        role: value("role").unwrap_or_default(),
        url: value("url"),
    }
}

impl Holder {
    /// Describes this process.
    pub fn this(role: &str, url: Option<String>) -> Self {
        Self {
            pid: Some(std::process::id()),
            role: role.to_owned(),
            url,
            uid: Some(nix::unistd::geteuid().as_raw()),
        }
    }

    fn to_text(&self) -> Vec<u8> {
        let pid = self.pid.map(|pid| format!("pid={pid}\n"));
        let url = self.url.as_ref().map(|url| format!("url={url}\n"));
        let role = format!("role={}\n", self.role);
        [pid.unwrap_or_default(), role, url.unwrap_or_default()].concat().into_bytes()
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&*self.role, self.pid) {
            ("", None) => f.write_str("another process")?,
            (role, None) => write!(f, "a `meshmemo {role}`")?,
            (role, Some(pid)) => write!(f, "`meshmemo {role}` (process {pid})")?,
        }
        self.url.iter().try_for_each(|url| write!(f, " at {url}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_one_learns_who_the_first_one_is() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(holder(dir.path()), None);
        let first = Holder::this("serve", None);
        let owner = Owner::take(dir.path(), &first).unwrap();
        let announced =
            Holder { url: Some("http://127.0.0.1:8080".to_owned()), ..Holder::this("serve", None) };
        owner.announce(&announced);
        assert_eq!(holder(dir.path()), Some(announced.clone()));
        let second = Owner::take(dir.path(), &Holder::this("generate", None));
        assert!(matches!(second, Err(TakeError::Held(holder)) if holder == announced));
        assert!(owner.is_intact());
        drop(owner);
        assert_eq!(holder(dir.path()), None, "the lock is gone with its owner");
        Owner::take(dir.path(), &first).unwrap();
    }

    #[test]
    fn a_lock_that_was_removed_is_no_longer_intact() {
        let dir = tempfile::tempdir().unwrap();
        let owner = Owner::take(dir.path(), &Holder::default()).unwrap();
        std::fs::remove_file(dir.path().join(FILE)).unwrap();
        assert!(!owner.is_intact());
        let other = Owner::take(dir.path(), &Holder::default()).unwrap();
        assert!(!owner.is_intact() && other.is_intact());
    }
}
