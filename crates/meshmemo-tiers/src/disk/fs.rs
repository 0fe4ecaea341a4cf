//! The operating system's part: every call that touches a file, and nothing else.
//!
//! Whatever differs between operating systems stands here. With the feature `testing`, each call can
//! be made to fail, and is written down in the order in which it came.

use std::fs::{File, OpenOptions, ReadDir};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

#[cfg(feature = "testing")]
use super::faults::Faults;

/// One kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "testing"), expect(unreachable_pub, reason = "only tests name them"))]
#[non_exhaustive]
pub enum Op {
    /// A file is made, which was not there.
    Create,
    /// Bytes are written.
    Write,
    /// The bytes of a file are made durable.
    SyncData,
    /// A file that was written is closed.
    Close,
    /// A file gets its name.
    Rename,
    /// The names in a directory are made durable.
    SyncDir,
    /// The index takes the entry in: from here on it is found.
    Index,
    /// A file is removed.
    Remove,
    /// A file is opened for reading.
    Open,
    /// Bytes are read.
    Read,
    /// A directory is made.
    CreateDir,
    /// A directory is listed.
    List,
}

/// The files below one directory.
#[derive(Debug, Clone, Default)]
pub(super) struct Files {
    #[cfg(feature = "testing")]
    faults: Faults,
}

impl Files {
    #[cfg(feature = "testing")]
    pub(super) fn with_faults(faults: Faults) -> Self {
        Self { faults }
    }

    /// Stands before every call.
    #[cfg_attr(
        not(feature = "testing"),
        expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "only tests let it fail")
    )]
    pub(super) fn before(&self, op: Op) -> io::Result<()> {
        #[cfg(feature = "testing")]
        return self.faults.before(op);
        #[cfg(not(feature = "testing"))]
        {
            let _ = op;
            Ok(())
        }
    }

    pub(super) fn create(&self, path: &Path) -> io::Result<File> {
        self.before(Op::Create)?;
        OpenOptions::new().write(true).create_new(true).open(path)
    }

    pub(super) fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        self.before(Op::Write)?;
        file.write_all(bytes)
    }

    pub(super) fn sync_data(&self, file: &File) -> io::Result<()> {
        self.before(Op::SyncData)?;
        file.sync_data()
    }

    /// Closes a file that was written: on some file systems only this tells that a write failed.
    pub(super) fn close(&self, file: File) -> io::Result<()> {
        self.before(Op::Close)?;
        Ok(nix::unistd::close(file)?)
    }

    pub(super) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.before(Op::Rename)?;
        std::fs::rename(from, to)
    }

    pub(super) fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.before(Op::SyncDir)?;
        File::open(path)?.sync_all()
    }

    /// Removes a file; one that is not there is removed already.
    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        self.before(Op::Remove)?;
        match std::fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Opens a file for reading; anything else under its name might never answer.
    pub(super) fn open(&self, path: &Path) -> io::Result<File> {
        self.before(Op::Open)?;
        if path.metadata()?.is_file() {
            return File::open(path);
        }
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"))
    }

    /// Fills a buffer; a file that ends before is `UnexpectedEof`.
    pub(super) fn fill(&self, file: &File, start: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.before(Op::Read)?;
        file.read_exact_at(buffer, start)
    }

    pub(super) fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.before(Op::CreateDir)?;
        match std::fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            created => created,
        }
    }

    /// Lists a directory; one that is not there has nothing in it.
    pub(super) fn list(&self, path: &Path) -> io::Result<Option<ReadDir>> {
        self.before(Op::List)?;
        match std::fs::read_dir(path) {
            Ok(entries) => Ok(Some(entries)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Returns what a file takes on the disk, whatever its length.
pub(super) fn taken(file: &std::fs::Metadata) -> u64 {
    const SECTOR_BYTES: u64 = 512;
    file.blocks().saturating_mul(SECTOR_BYTES)
}

/// Returns how many bytes the file system has left for us.
pub(super) fn available(path: &Path) -> io::Result<u64> {
    let there = nix::sys::statvfs::statvfs(path)?;
    Ok(there.blocks_available().saturating_mul(there.fragment_size()))
}

/// What tells one file from all others on this machine.
pub(super) fn identity(file: &std::fs::Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// Returns what a file takes on the disk: whole blocks of 4 KiB.
pub(super) fn allocated(file_bytes: u64) -> u64 {
    const BLOCK_BYTES: u64 = 4096;
    file_bytes.div_ceil(BLOCK_BYTES).max(1).saturating_mul(BLOCK_BYTES)
}
