//! One entry's file, open and with its footer read: what a look-up finds, and how it is read.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

use super::fs::Files;
use super::name::Name;
use crate::envelope::{Broken, Footer, TAIL_BYTES, footer_bytes, read};

/// What is read at once from the end of a file: most footers fit.
const END_BYTES: u64 = 4096;

/// An entry's file that is what its name says, as far as its footer tells.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) file: File,
    pub(super) footer: Footer,
}

/// Why a file is not to be served.
#[derive(Debug)]
pub(super) enum Unsealed {
    /// There is none.
    Missing,
    /// A newer version wrote it.
    Newer,
    /// It is not what was written.
    Corrupt(String),
    /// It can not be read now.
    Failed(io::Error),
}

impl Sealed {
    pub(super) fn open(files: &Files, path: &Path, name: &Name) -> Result<Self, Unsealed> {
        let file = files.open(path)?;
        let file_bytes = file.metadata()?.len();
        let footer = read_footer(files, &file, file_bytes)?;
        let meta = &footer.meta;
        let said = (meta.key, meta.digest, meta.size_bytes);
        if said != (name.key, name.digest, name.payload_bytes) {
            return Err(Unsealed::Corrupt("it is another entry than its name says".to_owned()));
        }
        Ok(Self { file, footer })
    }
}

fn read_footer(files: &Files, file: &File, file_bytes: u64) -> Result<Footer, Unsealed> {
    let end = file_bytes.min(END_BYTES);
    let end = read_at(files, file, file_bytes - end, usize::try_from(end).unwrap_or(0))?;
    let tail = end.last_chunk::<TAIL_BYTES>();
    let tail = tail.ok_or_else(|| Unsealed::Corrupt("it is shorter than any entry".to_owned()))?;
    let length = footer_bytes(tail, file_bytes)?;
    let footer = match end.len().checked_sub(length) {
        Some(start) => read(&end[start..])?,
        None => {
            let start = file_bytes - length as u64;
            read(&read_at(files, file, start, length)?)?
        }
    };
    if file_bytes.checked_sub(length as u64) != Some(footer.meta.size_bytes) {
        return Err(Unsealed::Corrupt("it has another length than it says".to_owned()));
    }
    Ok(footer)
}

fn read_at(files: &Files, file: &File, start: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    files.fill(file, start, &mut bytes)?;
    Ok(bytes)
}

impl Sealed {
    /// Reads whole chunks of the payload, and verifies each while it is at hand.
    pub(super) fn read_chunks(
        &self,
        files: &Files,
        chunks: &Range<u64>,
    ) -> Result<Vec<u8>, Unsealed> {
        let length = usize::try_from(chunks.end - chunks.start).expect("a piece fits memory");
        let mut bytes = vec![0; length];
        let mut start = chunks.start;
        for chunk in bytes.chunks_mut(self.footer.chunk_bytes()) {
            files.fill(&self.file, start, chunk)?;
            self.footer.verify(start, chunk)?;
            start += chunk.len() as u64;
        }
        Ok(bytes)
    }
}

impl From<Broken> for Unsealed {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Newer => Self::Newer,
            Broken::Corrupt(what) => Self::Corrupt(what),
        }
    }
}

impl From<io::Error> for Unsealed {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::Missing,
            io::ErrorKind::UnexpectedEof => Self::Corrupt("it became shorter".to_owned()),
            _ => Self::Failed(error),
        }
    }
}
