//! Keeping an entry:
//!
//! 1. its bytes, in chunks that nobody sees yet and that end by themselves;
//! 2. under the digest of its bytes, its key;
//! 3. its manifest, in one step: from then on it is there;
//! 4. the ticket once more, when all removals hold here that other gateways have told of: one that came in
//!    between wins.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ::redis::{Cmd, cmd};
use bytes::Bytes;
use futures_util::future::try_join;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use meshmemo::{Entry, Meta, Put, Stored, Ticket};

use super::condition::Use;
use super::failure::Failure;
use super::manifest::{self, Line, Upload};
use super::peers::catch_up;
use super::removal::{forget_bytes, retract};
use super::scripts::PUBLISH;
use super::{Inner, ms, unique};
use crate::envelope::{self, CHUNK_BYTES};
use crate::limits::{
    REDIS_CHUNK_MAX, REDIS_CHUNKS_AHEAD, REDIS_LINGER, REDIS_MARKER_TTL, REDIS_UPLOAD_MAX,
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
        replace(redis, meta, (marker, ms(REDIS_MARKER_TTL)), &[]).await?;
        return Ok(Put::TooLarge);
    }
    let footer = sealed(&entry).await?;
    let upload = Upload {
        id: unique()?,
        chunk_count: meta.size_bytes.div_ceil(u64::from(CHUNK_BYTES)),
        size_bytes: meta.size_bytes,
        digest: meta.digest,
    };
    let chunks = redis.keys.chunks(&meta.key, &upload.id);
    let names: Vec<String> =
        (0..upload.chunk_count).map(|number| format!("{chunks}{number}")).collect();
    try_join(write_chunks(redis, entry.body(), &names), remember_bytes(redis, meta)).await?;
    if !ticket.is_valid() {
        return Ok(Put::Invalidated);
    }
    let lives = meta.ttl(redis.clock.wall()).map_or(0, |ttl| ms(ttl).max(1));
    replace(redis, meta, (upload.manifest(&footer), lives), &names).await?;
    redis.traffic.written_bytes.fetch_add(meta.size_bytes, Ordering::Relaxed);
    let caught_up = catch_up(redis).await;
    if !ticket.is_valid() {
        retract(redis, &meta.key, &upload.id).await?;
        return Ok(Put::Invalidated);
    }
    caught_up.map(|()| Put::Stored)
}

/// Seals an entry; summing up many bytes would keep others waiting.
async fn sealed(entry: &Arc<Entry>) -> Result<Vec<u8>, Failure> {
    let entry = Arc::clone(entry);
    let seal = move || envelope::seal(entry.meta(), entry.body());
    tokio::task::spawn_blocking(seal)
        .await
        .map_err(|panic| Failure::garbled(format!("an entry could not be sealed: {panic}")))
}

async fn write_chunks(redis: &Inner, body: &Bytes, names: &[String]) -> Result<(), Failure> {
    let link = redis.bulk();
    let write = |(chunk, name): (&[u8], &String)| {
        let set = set_chunk(name, chunk);
        async move {
            let _place = redis.transfers.acquire().await.expect("the places are never closed");
            link.query::<()>(REDIS_CHUNK_MAX, &set).await
        }
    };
    let chunks = body.chunks(CHUNK_BYTES as usize).zip(names);
    let written = stream::iter(chunks.map(write)).buffered(REDIS_CHUNKS_AHEAD);
    let written = written.try_for_each(|()| async { Ok(()) }).await;
    redis.note(Use::Write, &written);
    if written.is_err() && !names.is_empty() {
        // They end by themselves, but where memory is short every bit of it counts.
        let mut unlink = cmd("UNLINK");
        unlink.arg(names);
        if let Err(failure) = link.query::<()>(REDIS_CHUNK_MAX, &unlink).await {
            tracing::debug!(%failure, "the chunks of an entry that was not kept end by themselves");
        }
    }
    written
}

fn set_chunk(name: &str, chunk: &[u8]) -> Cmd {
    cmd("SET").arg(name).arg(chunk).arg("PX").arg(ms(REDIS_UPLOAD_MAX)).to_owned()
}

/// Notes the key under the digest of the bytes. One that leads nowhere does no harm.
async fn remember_bytes(redis: &Inner, meta: &Meta) -> Result<(), Failure> {
    let same_bytes = redis.keys.same_bytes(&meta.digest);
    redis.change(cmd("SADD").arg(same_bytes).arg(meta.key.to_string())).await
}

/// Puts a manifest in the place of the one that is there, in one step.
async fn replace(
    redis: &Inner,
    meta: &Meta,
    (manifest, lives_ms): (Vec<u8>, u64),
    chunks: &[String],
) -> Result<(), Failure> {
    let mut publish = PUBLISH.prepare_invoke();
    publish.key(redis.keys.manifest(&meta.key));
    for chunk in chunks {
        publish.key(chunk);
    }
    publish.arg(manifest).arg(lives_ms).arg(ms(REDIS_LINGER)).arg(redis.keys.chunks_of(&meta.key));
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
