//! Keeping an entry:
//!
//! 1. its bytes, in chunks, where nobody sees them yet and where they end by themselves;
//! 2. under the digest of its bytes, its key;
//! 3. its manifest, and all of it in the place of what was there, in one step;
//! 4. the ticket once more, when all removals hold here that other gateways have told of: one that came in
//!    between wins.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ::redis::{cmd, pipe};
use futures_util::future::try_join;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use meshmemo::{Entry, Filter, Meta, Put, Selector, Stored, Ticket};

use tokio::task::JoinHandle;

use super::condition::Use;
use super::failure::Failure;
use super::link::Ask;
use super::manifest::{self, Line, Upload};
use super::peers::{catch_up, repeat_later};
use super::removal::{forget_bytes, retract};
use super::scripts::{PUBLISH, REMEMBER};
use super::{Inner, ms, unique};
use crate::envelope;
use crate::limits::{
    REDIS_ATTEMPTS_MAX, REDIS_CHUNK_BYTES, REDIS_CHUNK_MAX, REDIS_CHUNKS_AHEAD, REDIS_CONTROL_MAX,
    REDIS_LINGER, REDIS_MARKER_TTL, REDIS_SAME_BYTES_TTL, REDIS_UPLOAD_MAX,
};

/// Keeps an entry.
pub(super) async fn put(
    redis: &Arc<Inner>,
    entry: Arc<Entry>,
    ticket: Ticket,
) -> Result<Put, Failure> {
    let meta = entry.meta();
    if meta.is_expired(redis.clock.wall()) {
        return Ok(Put::Expired);
    }
    if !ticket.is_valid() {
        return Ok(Put::Invalidated);
    }
    if meta.size_bytes > redis.max_value_bytes {
        redis.traffic.oversized.fetch_add(1, Ordering::Relaxed);
        let marker = manifest::marker(meta.size_bytes).into_bytes();
        publish(redis, meta, (&unique()?, 0), (marker, ms(REDIS_MARKER_TTL))).await?;
        return Ok(Put::TooLarge);
    }
    let mut sealing = Sealing::Begun(seal(&entry));
    for attempt in 1.. {
        let upload = Upload {
            id: unique()?,
            chunk_count: meta.size_bytes.div_ceil(u64::from(REDIS_CHUNK_BYTES)),
            size_bytes: meta.size_bytes,
            digest: meta.digest,
        };
        let writing = write_chunks(redis, &entry, &upload);
        try_join(writing, remember_bytes(redis, meta)).await?;
        if !ticket.is_valid() {
            discard(redis, meta, &upload).await;
            return Ok(Put::Invalidated);
        }
        let footer = sealing.end().await?;
        let lives = meta.ttl(redis.clock.wall()).map_or(0, |ttl| ms(ttl).max(1));
        let parts = (upload.id.as_str(), upload.chunk_count);
        match publish(redis, meta, parts, (upload.manifest(footer), lives)).await {
            // A full Redis may have chosen just this one to evict.
            Err(failure) if failure == Failure::evicting() && attempt < REDIS_ATTEMPTS_MAX => {
                unpublish(redis, meta, &upload).await;
                continue;
            }
            Err(failure) => {
                unpublish(redis, meta, &upload).await;
                return Err(failure);
            }
            Ok(()) => {}
        }
        redis.traffic.written_bytes.fetch_add(meta.size_bytes, Ordering::Relaxed);
        let caught_up = catch_up(redis).await;
        if caught_up.is_err() || !ticket.is_valid() {
            // What may have been removed meanwhile is not there.
            unpublish(redis, meta, &upload).await;
            return caught_up.map(|()| Put::Invalidated);
        }
        return Ok(Put::Stored);
    }
    Err(Failure::evicting())
}

/// The footer of an entry, on its way while its bytes are on theirs.
enum Sealing {
    Begun(JoinHandle<Vec<u8>>),
    Ended(Vec<u8>),
}

impl Sealing {
    async fn end(&mut self) -> Result<&[u8], Failure> {
        if let Self::Begun(task) = self {
            let panicked = |panic| Failure::garbled(format!("an entry can not be sealed: {panic}"));
            *self = Self::Ended(task.await.map_err(panicked)?);
        }
        match self {
            Self::Ended(footer) => Ok(footer),
            Self::Begun(_) => Ok(&[]),
        }
    }
}

/// Seals an entry; summing up many bytes would keep others waiting.
fn seal(entry: &Arc<Entry>) -> JoinHandle<Vec<u8>> {
    let entry = Arc::clone(entry);
    tokio::task::spawn_blocking(move || {
        envelope::seal_in(REDIS_CHUNK_BYTES, entry.meta(), entry.body())
    })
}

/// Writes the chunks, where nobody sees them yet.
async fn write_chunks(redis: &Inner, entry: &Entry, upload: &Upload) -> Result<(), Failure> {
    let (meta, link) = (entry.meta(), redis.bulk());
    let name = redis.keys.upload(&meta.key, &upload.id);
    let write = |(number, chunk): (u64, &[u8])| {
        let mut write = pipe();
        write.atomic().hset(&name, upload.chunk(number), chunk).ignore();
        write.cmd("PEXPIRE").arg(&name).arg(ms(REDIS_UPLOAD_MAX)).ignore();
        async move {
            let _place = redis.transfer().await?;
            link.ask::<()>(REDIS_CHUNK_MAX, Ask::Together(&write)).await
        }
    };
    let chunks = (0..).zip(entry.body().chunks(REDIS_CHUNK_BYTES as usize));
    let written = stream::iter(chunks.map(write)).buffered(REDIS_CHUNKS_AHEAD);
    let written = written.try_for_each(|()| async { Ok(()) }).await;
    redis.note(Use::Write, &written);
    if written.is_err() {
        discard(redis, meta, upload).await;
    }
    written
}

/// Takes an upload away that comes to nothing. It ends by itself, but where memory is short every bit counts.
async fn discard(redis: &Inner, meta: &Meta, upload: &Upload) {
    let name = redis.keys.upload(&meta.key, &upload.id);
    if let Err(failure) = unlink(redis, &name).await {
        tracing::debug!(%failure, "an upload that came to nothing ends by itself");
    }
}

/// Sees to it that an upload is not there whose publication may have come to pass, or may yet: first so that it
/// can not any more. What can not be done now is done when Redis takes it.
async fn unpublish(redis: &Inner, meta: &Meta, upload: &Upload) {
    let name = redis.keys.upload(&meta.key, &upload.id);
    let gone = match unlink(redis, &name).await {
        Ok(()) => retract(redis, &meta.key, &upload.id).await,
        Err(failure) => Err(failure),
    };
    if gone.is_err() {
        repeat_later(redis, &Selector::Matching(Filter::replaced_by(meta)));
    }
}

/// Unlinks a name. That this succeeds says nothing of whether anything can be kept.
async fn unlink(redis: &Inner, name: &str) -> Result<(), Failure> {
    let unlink = cmd("UNLINK").arg(name).to_owned();
    redis.control.ask(REDIS_CONTROL_MAX, Ask::Command(&unlink)).await
}

/// Notes the key under the digest of the bytes, for as long as the entry lives. One that leads nowhere does no
/// harm.
pub(super) async fn remember_bytes(redis: &Inner, meta: &Meta) -> Result<(), Failure> {
    let lives = meta.ttl(redis.clock.wall()).unwrap_or(REDIS_SAME_BYTES_TTL);
    let mut remember = REMEMBER.prepare_invoke();
    remember
        .key(redis.keys.same_bytes(&meta.digest))
        .arg(meta.key.to_string())
        .arg(ms(lives).max(1));
    redis.step(&remember).await
}

/// Puts an upload of so many chunks in the place of what is there, in one step.
async fn publish(
    redis: &Inner,
    meta: &Meta,
    (upload, chunk_count): (&str, u64),
    (manifest, lives_ms): (Vec<u8>, u64),
) -> Result<(), Failure> {
    let mut publish = PUBLISH.prepare_invoke();
    publish.key(redis.keys.entry(&meta.key)).key(redis.keys.upload(&meta.key, upload));
    publish.arg(manifest).arg(chunk_count).arg(lives_ms);
    publish.arg(ms(REDIS_LINGER)).arg(redis.keys.retired(&meta.key));
    let replaced: String = redis.step(&publish).await?;
    if replaced == "incomplete" {
        let evicting = Err(Failure::evicting());
        redis.note::<()>(Use::Write, &evicting);
        return evicting;
    }
    match manifest::read_line(&replaced) {
        Some(Line::Entry(old)) if old.digest != meta.digest => {
            forget_bytes(redis, &old.digest, &meta.key).await
        }
        _ => Ok(()),
    }
}
