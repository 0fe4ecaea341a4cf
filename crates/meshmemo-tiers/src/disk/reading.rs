//! An entry that was found, while it is read: in pieces, each of which is verified before it is
//! handed out.

use std::ops::Range;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use meshmemo::{Error, ErrorKind, Meta, Result, Stored};

use super::condition::failed;
use super::name::Name;
use super::sealed::{Sealed, Unsealed};
use super::{Inner, blocking};
use crate::limits::PIECE_BYTES;

/// An open entry. The file stays readable if it is replaced or evicted meanwhile.
#[derive(Debug)]
pub(super) struct Reading {
    open: Arc<Open>,
    /// What was read of it when it was opened: nothing, or its first piece.
    beginning: Bytes,
}

#[derive(Debug)]
struct Open {
    /// The disk, if it still is: an entry that is read keeps nobody's directory.
    disk: Weak<Inner>,
    name: Name,
    sealed: Sealed,
}

impl Reading {
    pub(super) fn new(disk: &Arc<Inner>, name: Name, sealed: Sealed, beginning: Bytes) -> Self {
        Self { open: Arc::new(Open { disk: Arc::downgrade(disk), name, sealed }), beginning }
    }

    /// Returns the part of a range that was read already.
    fn ready(&self, range: &Range<u64>) -> Option<Bytes> {
        let at = |position: u64| usize::try_from(position).unwrap_or(usize::MAX);
        let end = at(range.end).min(self.beginning.len());
        (at(range.start) < end).then(|| self.beginning.slice(at(range.start)..end))
    }
}

impl Stored for Reading {
    fn meta(&self) -> &Meta {
        &self.open.sealed.footer.meta
    }

    fn piece_bytes(&self) -> Option<u64> {
        Some(PIECE_BYTES)
    }

    fn read(&self, range: Range<u64>) -> BoxStream<'static, Result<Bytes>> {
        let end = range.end.min(self.meta().size_bytes);
        let ready = self.ready(&(range.start..end));
        let start = range.start + ready.as_ref().map_or(0, |bytes| bytes.len() as u64);
        let open = Arc::clone(&self.open);
        let rest = stream::try_unfold(start, move |start| {
            let open = Arc::clone(&open);
            async move {
                if start >= end {
                    return Ok(None);
                }
                // Pieces end where chunks do, so that no chunk is read twice.
                let piece_end = (start / PIECE_BYTES + 1) * PIECE_BYTES;
                let piece = start..piece_end.min(end);
                let next = piece.end;
                let bytes = read_piece(open, piece).await?;
                Ok(Some((bytes, next)))
            }
        });
        stream::iter(ready.map(Ok)).chain(rest).boxed()
    }
}

async fn read_piece(open: Arc<Open>, piece: Range<u64>) -> Result<Bytes> {
    let Some(disk) = open.disk.upgrade() else {
        return Err(Error::new(ErrorKind::Shutdown, "the disk is closed"));
    };
    let permit = Arc::clone(&disk.readers).acquire_owned().await;
    let permit = permit.expect("the readers' places are never closed");
    blocking(move || {
        let _permit = permit;
        open.read(&disk, &piece)
    })
    .await
}

impl Open {
    /// Reads the chunks that a range touches, verifies them, and returns the range.
    fn read(&self, disk: &Inner, range: &Range<u64>) -> Result<Bytes> {
        let footer = &self.sealed.footer;
        let chunks = footer.verifiable(range);
        let bytes = match self.sealed.read_chunks(&disk.files, &chunks) {
            Ok(bytes) => bytes,
            Err(Unsealed::Failed(error)) => {
                let what = "an entry can not be read to its end";
                disk.condition.lock().note_read(what, &error);
                return Err(failed(what, error));
            }
            Err(Unsealed::Corrupt(what)) => return Err(self.corrupt(disk, &what)),
            Err(Unsealed::Missing | Unsealed::Newer) => {
                return Err(self.corrupt(disk, "it became another file"));
            }
        };
        disk.condition.lock().read = None;
        let at = |position: u64| usize::try_from(position - chunks.start).expect("within a piece");
        Ok(Bytes::from(bytes).slice(at(range.start)..at(range.end)))
    }

    fn corrupt(&self, disk: &Inner, what: &str) -> Error {
        disk.set_aside(&self.name, what);
        let message =
            format!("the stored model {} is not what was written: {what}", self.name.digest);
        Error::new(ErrorKind::Corrupt, message)
    }
}
