//! Verifies a whole data directory: every byte of every entry, against its footer and its name.

use std::io;
use std::path::{Path, PathBuf};

use super::fs::Files;
use super::name::{Name, directory};
use super::owner::{Holder, Owner, TakeError};
use super::scan::entry_name;
use super::sealed::{Sealed, Unsealed};
use super::{OpenError, directory_at, epoch};
use crate::limits::PIECE_BYTES;

/// What is verified, and what is done about what is found.
#[derive(Debug, Clone)]
pub struct FsckOptions {
    /// The data directory.
    pub root: PathBuf,
    /// Whether corrupt entries go to the quarantine.
    pub repair: bool,
}

/// How far a verification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FsckProgress {
    /// Bytes that were verified.
    pub bytes: u64,
    /// Bytes that are to be.
    pub total_bytes: u64,
}

/// What a verification found.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct FsckReport {
    /// Entries that are what was written.
    pub entries: u64,
    /// Bytes of their files.
    pub bytes: u64,
    /// Files that are not, with what is wrong.
    pub corrupt: Vec<(PathBuf, String)>,
    /// Files that could not be read, with why.
    pub unreadable: Vec<(PathBuf, String)>,
    /// Files of a newer version's format; they are left alone.
    pub newer: u64,
    /// Files below `obj` that are no entries; they are left alone.
    pub foreign: u64,
    /// Files of entries that were replaced or cleared; the next start removes them.
    pub superseded: u64,
    /// Files that were on their way when their process ended; the next start removes them.
    pub left_over: u64,
    /// Files in the quarantine.
    pub quarantined: u64,
    /// Whether what was found was dealt with.
    pub is_repaired: bool,
}

impl FsckReport {
    /// Returns whether every entry is what was written.
    pub fn is_clean(&self) -> bool {
        self.corrupt.is_empty() && self.unreadable.is_empty()
    }
}

/// Verifies a data directory that nobody uses.
///
/// # Errors
/// Another process owns the directory, or it can not be read, or not be repaired.
pub fn fsck(
    options: &FsckOptions,
    mut on_progress: impl FnMut(FsckProgress),
) -> Result<FsckReport, OpenError> {
    let root = &options.root;
    let failed = |source| OpenError::Failed { root: root.clone(), source };
    root.join("obj").read_dir().map_err(failed)?;
    let _owner = match Owner::take(root, &Holder::this("fsck", None)) {
        Ok(owner) => owner,
        Err(TakeError::Held(holder)) => {
            return Err(OpenError::Held { root: root.clone(), holder });
        }
        Err(TakeError::Failed(source)) => return Err(failed(source)),
    };
    let mut check = Check { files: Files::default(), root, report: FsckReport::default() };
    check.run(&mut on_progress).map_err(failed)?;
    if options.repair {
        check.repair().map_err(failed)?;
    }
    Ok(check.report)
}

struct Check<'a> {
    files: Files,
    root: &'a Path,
    report: FsckReport,
}

impl Check<'_> {
    fn run(&mut self, on_progress: &mut dyn FnMut(FsckProgress)) -> io::Result<()> {
        let mut names = self.list()?;
        let total_bytes = names.iter().fold(0, |sum: u64, (_, bytes)| sum.saturating_add(*bytes));
        let cleared_before = match epoch::read(self.root) {
            Ok(epoch) => epoch,
            Err(error) => {
                self.report.corrupt.push((self.root.join("epoch"), error.to_string()));
                0
            }
        };
        // The highest generation of a key first: it holds if it is what was written.
        names.sort_by_key(|(name, _)| (name.key, std::cmp::Reverse(name.generation)));
        let (mut bytes, mut last_good) = (0, None);
        for (name, file_bytes) in names {
            if name.generation < cleared_before || last_good == Some(name.key) {
                self.report.superseded += 1;
            } else if self.verify(&name, file_bytes, bytes, total_bytes, on_progress) {
                last_good = Some(name.key);
            }
            bytes = file_bytes.saturating_add(bytes);
            on_progress(FsckProgress { bytes, total_bytes });
        }
        self.report.left_over = self.count("tmp")?;
        self.report.quarantined = self.count("quarantine")?;
        Ok(())
    }

    /// Lists every entry's file with its bytes, and counts what is none.
    fn list(&mut self) -> io::Result<Vec<(Name, u64)>> {
        let mut names = Vec::new();
        for directory in 0..=u8::MAX {
            let files = match self.files.list(&directory_at(self.root, directory)) {
                Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                    self.report.foreign += 1;
                    continue;
                }
                files => files?,
            };
            for file in files.into_iter().flatten() {
                let file = file?;
                let metadata = file.metadata()?;
                match entry_name(&file.file_name(), directory).filter(|_| metadata.is_file()) {
                    Some(name) => names.push((name, metadata.len())),
                    None => self.report.foreign += 1,
                }
            }
        }
        Ok(names)
    }

    fn count(&self, directory: &str) -> io::Result<u64> {
        let files = self.files.list(&self.root.join(directory))?;
        Ok(files.into_iter().flatten().count() as u64)
    }

    /// Verifies one file; returns whether it is what was written.
    fn verify(
        &mut self,
        name: &Name,
        file_bytes: u64,
        bytes_before: u64,
        total_bytes: u64,
        on_progress: &mut dyn FnMut(FsckProgress),
    ) -> bool {
        let path = self.path(name);
        let mut tell = |read| on_progress(FsckProgress { bytes: bytes_before + read, total_bytes });
        let verified = Sealed::open(&self.files, &path, name)
            .and_then(|sealed| verify_payload(&self.files, &sealed, &mut tell));
        match verified {
            Ok(()) => {
                self.report.entries += 1;
                self.report.bytes += file_bytes;
                return true;
            }
            Err(Unsealed::Newer) => self.report.newer += 1,
            Err(Unsealed::Missing) => {}
            Err(Unsealed::Corrupt(what)) => self.report.corrupt.push((path, what)),
            Err(Unsealed::Failed(error)) => self.report.unreadable.push((path, error.to_string())),
        }
        false
    }

    fn path(&self, name: &Name) -> PathBuf {
        directory_at(self.root, directory(&name.key)).join(name.to_string())
    }

    /// Puts corrupt entries aside. What the next start removes by itself is left to it.
    fn repair(&mut self) -> io::Result<()> {
        let aside = self.root.join("quarantine");
        self.files.create_dir(&aside)?;
        for (path, _) in &self.report.corrupt {
            let name = path.file_name().unwrap_or_default();
            self.files.rename(path, &aside.join(name))?;
        }
        self.report.is_repaired = true;
        Ok(())
    }
}

/// Reads a payload whole, against the sum of each chunk and the digest of all.
fn verify_payload(
    files: &Files,
    sealed: &Sealed,
    tell: &mut dyn FnMut(u64),
) -> Result<(), Unsealed> {
    let meta = &sealed.footer.meta;
    let mut digest = blake3::Hasher::new();
    let mut start = 0;
    while start < meta.size_bytes {
        let piece = sealed.footer.verifiable(&(start..meta.size_bytes.min(start + PIECE_BYTES)));
        digest.update(&sealed.read_chunks(files, &piece)?);
        start = piece.end;
        tell(start);
    }
    if digest.finalize().as_bytes() != meta.digest.as_bytes() {
        return Err(Unsealed::Corrupt("it has another digest than it says".to_owned()));
    }
    Ok(())
}
