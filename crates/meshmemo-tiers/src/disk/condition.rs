//! What is wrong with a disk: noted where a call fails, forgotten where one goes well again.

use std::io;

use meshmemo::{Error, ErrorKind, Health, Trouble};

/// What is wrong, by what it keeps from being done.
#[derive(Debug, Default)]
pub(super) struct Condition {
    /// Why the directory is not to be had at all.
    pub(super) closed: Option<Trouble>,
    /// Why entries can not be written, and how many bytes the last one had that could not.
    pub(super) write: Option<(Trouble, u64)>,
    /// Why entries may be there that were not found.
    pub(super) scan: Option<Trouble>,
    /// Why entries can not be read.
    pub(super) read: Option<Trouble>,
    /// Why there is less room than the budget says.
    pub(super) room: Option<Trouble>,
}

impl Condition {
    /// Notes why an entry of so many bytes could not be written.
    pub(super) fn note_write(&mut self, what: &str, error: &io::Error, bytes: u64) {
        let new = trouble(what, error);
        if self.write.as_ref().map(|(old, _)| old.reason) != Some(new.reason) {
            tracing::warn!(reason = new.reason, %error, "{what}");
        }
        self.write = Some((new, bytes));
    }

    /// Notes why an entry could not be read.
    pub(super) fn note_read(&mut self, what: &str, error: &io::Error) {
        let new = trouble(what, error);
        if self.read.as_ref().map(|old| old.reason) != Some(new.reason) {
            tracing::warn!(reason = new.reason, %error, "{what}");
        }
        self.read = Some(new);
    }

    pub(super) fn health(&self) -> Health {
        let write = self.write.as_ref().map(|(trouble, _)| trouble);
        let degraded = [write, self.scan.as_ref(), self.read.as_ref(), self.room.as_ref()];
        match (&self.closed, degraded.into_iter().flatten().next()) {
            (Some(trouble), _) => Health::Down(trouble.clone()),
            (None, Some(trouble)) => Health::Degraded(trouble.clone()),
            (None, None) => Health::Ok,
        }
    }
}

/// Says what an error of the operating system means for the disk.
pub(super) fn trouble(what: &str, error: &io::Error) -> Trouble {
    let reason = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "full",
        io::ErrorKind::ResourceBusy => "busy",
        io::ErrorKind::FileTooLarge => "file-too-large",
        io::ErrorKind::ReadOnlyFilesystem => "read-only",
        io::ErrorKind::PermissionDenied => "permission",
        io::ErrorKind::NotFound => "missing",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => "not-a-directory",
        _ => "io",
    };
    Trouble { reason, detail: format!("{what}: {error}") }
}

/// Makes the engine's error of one of the operating system.
pub(super) fn failed(what: &str, error: io::Error) -> Error {
    Error::with_source(ErrorKind::Storage, format!("{what}: {error}"), error)
}
