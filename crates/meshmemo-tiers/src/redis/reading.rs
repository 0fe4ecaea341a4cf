//! An entry that was found in Redis, while it is read: chunk by chunk, some of them on their way at a
//! time, each verified before it is handed out.

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use ::redis::cmd;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use meshmemo::{Error, ErrorKind, Meta, Result, Stored};
use tokio_util::task::AbortOnDropHandle;

use super::Inner;
use super::condition::Use;
use super::link::Ask;
use super::manifest::Upload;
use super::removal::{retract, tidy};
use crate::envelope::Footer;
use crate::limits::{REDIS_CHUNK_MAX, REDIS_CHUNKS_AHEAD};

/// An open entry. It stays for a while, elsewhere, if it is replaced or removed meanwhile.
#[derive(Debug)]
pub(super) struct Reading {
    open: Arc<Open>,
}

#[derive(Debug)]
struct Open {
    redis: Weak<Inner>,
    footer: Footer,
    upload: Upload,
}

impl Reading {
    pub(super) fn new(redis: &Arc<Inner>, footer: Footer, upload: Upload) -> Self {
        Self { open: Arc::new(Open { redis: Arc::downgrade(redis), footer, upload }) }
    }
}

impl Stored for Reading {
    fn meta(&self) -> &Meta {
        &self.open.footer.meta
    }

    fn piece_bytes(&self) -> Option<u64> {
        Some(self.open.footer.chunk_bytes() as u64 * REDIS_CHUNKS_AHEAD as u64)
    }

    fn read(&self, range: Range<u64>) -> BoxStream<'static, Result<Bytes>> {
        let chunk_bytes = self.open.footer.chunk_bytes() as u64;
        let (start, end) = (range.start, range.end.min(self.meta().size_bytes));
        let numbers =
            if start < end { start / chunk_bytes..end.div_ceil(chunk_bytes) } else { 0..0 };
        let open = Arc::clone(&self.open);
        let pieces = numbers.map(move |number| {
            let open = Arc::clone(&open);
            async move {
                let chunk_start = number * chunk_bytes;
                let chunk = fetch(open, number).await?;
                let at = |position: u64| {
                    let within = position.saturating_sub(chunk_start).min(chunk_bytes);
                    usize::try_from(within).expect("a chunk is small").min(chunk.len())
                };
                Ok(chunk.slice(at(start)..at(end)))
            }
        });
        stream::iter(pieces).buffered(REDIS_CHUNKS_AHEAD).boxed()
    }
}

/// Fetches a chunk, whether or not somebody looks for it meanwhile: who reads slowly takes up nothing.
#[expect(clippy::disallowed_methods, reason = "its handle ends it")]
async fn fetch(open: Arc<Open>, number: u64) -> Result<Bytes> {
    let fetching = AbortOnDropHandle::new(tokio::spawn(async move { open.chunk(number).await }));
    let failed =
        |panic| Error::new(ErrorKind::Storage, format!("a chunk can not be read: {panic}"));
    fetching.await.map_err(failed)?
}

impl Open {
    async fn chunk(&self, number: u64) -> Result<Bytes> {
        let Some(redis) = self.redis.upgrade() else {
            return Err(Error::new(ErrorKind::Shutdown, "the shared tier is closed"));
        };
        let _place = redis.transfer().await?;
        let (key, field) = (&self.footer.meta.key, self.upload.chunk(number));
        let retired = format!("{}{}", redis.keys.retired(key), self.upload.id);
        let mut found = None;
        for place in [redis.keys.entry(key), retired] {
            let get = cmd("HGET").arg(place).arg(&field).to_owned();
            let chunk =
                redis.bulk().ask::<Option<Vec<u8>>>(REDIS_CHUNK_MAX, Ask::Command(&get)).await;
            redis.note(Use::Read, &chunk);
            found = chunk?;
            if found.is_some() {
                break;
            }
        }
        let Some(chunk) = found else {
            return Err(self.corrupt(&redis, "a part of it is gone").await);
        };
        let start = number * self.footer.chunk_bytes() as u64;
        if let Err(broken) = self.footer.verify(start, &chunk) {
            return Err(self.corrupt(&redis, &broken.to_string()).await);
        }
        redis.traffic.read_bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        Ok(Bytes::from(chunk))
    }

    /// Takes the entry away that is not what was written, so that it is a miss for the next one who asks.
    async fn corrupt(&self, redis: &Arc<Inner>, what: &str) -> Error {
        let meta = &self.footer.meta;
        tidy(redis, retract(redis, &meta.key, &self.upload.id)).await;
        let message = format!("the shared model {} is not what was written: {what}", meta.digest);
        Error::new(ErrorKind::Corrupt, message)
    }
}
