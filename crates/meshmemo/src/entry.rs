//! What is kept: the exact bytes that are sent, and what is known of them.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use crate::error::{Error, ErrorKind, Result};
use crate::key::{Digest, GenerationKey, Identity, Key};

/// What is known of an entry besides its bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Meta {
    /// The entry's key.
    pub key: Key,
    /// The generation it is a variant of.
    pub generation_key: GenerationKey,
    /// All that the generation key covers.
    pub identity: Arc<Identity>,
    /// Which variant it is: the output format.
    pub variant: String,
    /// A name for people; not part of the key.
    pub label: String,
    /// The media type that the bytes are sent with.
    pub media_type: String,
    /// What the backend sent before the bytes; `None` if it was no server.
    pub head: Option<Arc<Head>>,
    /// The digest of the bytes.
    pub digest: Digest,
    /// How many bytes.
    pub size_bytes: u64,
    /// What the generation took; for a derived variant, what its source took.
    pub cost: Duration,
    /// When it was made, since the Unix epoch.
    pub created: Duration,
    /// When it is over, since the Unix epoch; the same in every tier. `None` is never.
    pub expires: Option<Duration>,
}

/// What a backend's answer had before its bytes, besides the media type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// The HTTP status.
    pub status: u16,
    /// The headers that an answer from the cache replays, in their order.
    pub headers: Vec<(String, String)>,
}

impl Meta {
    /// Returns how long the entry still lives at a wall time; `None` is for ever.
    pub fn ttl(&self, wall: Duration) -> Option<Duration> {
        self.expires.map(|expires| expires.saturating_sub(wall))
    }

    /// Returns whether the entry is over at a wall time.
    pub fn is_expired(&self, wall: Duration) -> bool {
        self.ttl(wall) == Some(Duration::ZERO)
    }
}

/// An entry in memory.
#[derive(Debug, Clone)]
pub struct Entry {
    meta: Meta,
    body: Bytes,
}

impl Entry {
    /// Binds bytes that were read from a tier, which has verified them, to what is known of them.
    ///
    /// # Errors
    /// `Corrupt` if there are fewer bytes, or more, than the entry has.
    pub fn whole(meta: Meta, body: Bytes) -> Result<Self> {
        if meta.size_bytes != body.len() as u64 {
            let message = format!(
                "entry {} has {} bytes, but was stored with {}",
                meta.key,
                body.len(),
                meta.size_bytes
            );
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        Ok(Self { meta, body })
    }

    /// Binds bytes whose digest and size were just taken for `meta`.
    pub(crate) fn new(meta: Meta, body: Bytes) -> Self {
        debug_assert_eq!(meta.size_bytes, body.len() as u64);
        Self { meta, body }
    }

    /// Returns the bytes.
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}

/// An entry wherever it lies, open for reading; it stays readable when it is evicted meanwhile.
pub trait Stored: Debug + Send + Sync {
    /// Returns what is known of the entry.
    fn meta(&self) -> &Meta;

    /// Returns how many bytes each reader holds at a time; `None` for an entry in memory, whose bytes
    /// all readers share.
    fn piece_bytes(&self) -> Option<u64>;

    /// Reads a range of the bytes; one beyond the end ends with the bytes.
    ///
    /// Every chunk was verified before it comes; where that fails, the stream ends with `Corrupt`.
    fn read(&self, range: Range<u64>) -> BoxStream<'static, Result<Bytes>>;
}

impl Stored for Entry {
    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn piece_bytes(&self) -> Option<u64> {
        None
    }

    fn read(&self, range: Range<u64>) -> BoxStream<'static, Result<Bytes>> {
        let at = |position: u64| {
            usize::try_from(position).map_or(self.body.len(), |at| at.min(self.body.len()))
        };
        let (start, end) = (at(range.start), at(range.end));
        let chunk = self.body.slice(start..end.max(start));
        stream::iter((!chunk.is_empty()).then_some(Ok(chunk))).boxed()
    }
}

/// Reads a whole entry into memory.
///
/// # Errors
/// `Storage` if it can not be read, `Corrupt` if it is not what it was stored as.
pub async fn read_entry(stored: &dyn Stored) -> Result<Entry> {
    let body = read_body(stored).await?;
    Entry::whole(stored.meta().clone(), body)
}

/// What is reserved at once for an entry on the word of its meta alone.
const BODY_CAPACITY_MAX: usize = 1 << 30;

/// Reads all bytes of an entry, and no more than it is said to have.
async fn read_body(stored: &dyn Stored) -> Result<Bytes> {
    let size_bytes = stored.meta().size_bytes;
    let mut chunks = stored.read(0..size_bytes);
    let first = chunks.next().await.transpose()?.unwrap_or_default();
    if first.len() as u64 == size_bytes {
        return Ok(first);
    }
    let capacity = usize::try_from(size_bytes).unwrap_or(0).min(BODY_CAPACITY_MAX);
    let mut body = BytesMut::with_capacity(capacity);
    body.extend_from_slice(&first);
    while let Some(chunk) = chunks.next().await.transpose()? {
        if body.len() as u64 + chunk.len() as u64 > size_bytes {
            break;
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
