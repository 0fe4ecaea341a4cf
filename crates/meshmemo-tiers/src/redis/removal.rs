//! Taking entries away.

use std::sync::Arc;

use ::redis::cmd;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use meshmemo::{Digest, Filter, Gone, Key, Scope, Selector};

use super::failure::Failure;
use super::listing::Found;
use super::manifest::{self, Line};
use super::peers::repeat_later;
use super::scripts::REMOVE;
use super::{Inner, listing, ms};
use crate::limits::{REDIS_LINGER, REDIS_REMOVALS_AHEAD};

/// Removes what is selected, and lists it. What can not be removed now is when it can.
pub(super) async fn remove(redis: &Arc<Inner>, selector: Selector) -> Result<Vec<Gone>, Failure> {
    let removed = carry_out(redis, selector.clone()).await;
    if removed.is_err() {
        repeat_later(redis, &selector);
    }
    removed
}

pub(super) async fn carry_out(
    redis: &Arc<Inner>,
    selector: Selector,
) -> Result<Vec<Gone>, Failure> {
    match &selector {
        Selector::Key(key) => Ok(take(redis, key, "*").await?.into_iter().collect()),
        Selector::Matching(Filter { key: Some(key), .. }) => {
            let listed = listing::listed(redis, *key).await?;
            match listed.filter(|found| selector.selects(&found.listed.summary)) {
                Some(found) => Ok(take(redis, key, &found.upload).await?.into_iter().collect()),
                None => Ok(Vec::new()),
            }
        }
        _ => remove_all(redis, &selector).await,
    }
}

async fn remove_all(redis: &Arc<Inner>, selector: &Selector) -> Result<Vec<Gone>, Failure> {
    let (mut gone, mut cursor) = (Vec::new(), None);
    loop {
        let (found, next) = listing::page(redis, &Scope::All, cursor).await?;
        let selected: Vec<Found> =
            found.into_iter().filter(|found| selector.selects(&found.listed.summary)).collect();
        let taken = selected.into_iter().map(|found| take_found(redis, found));
        let taken = stream::iter(taken).buffer_unordered(REDIS_REMOVALS_AHEAD);
        let taken: Vec<Option<Gone>> = taken.try_collect().await?;
        gone.extend(taken.into_iter().flatten());
        match next {
            Some(next) => cursor = Some(next),
            None => return Ok(gone),
        }
    }
}

async fn take_found(redis: &Inner, found: Found) -> Result<Option<Gone>, Failure> {
    take(redis, &found.listed.summary.key, &found.upload).await
}

/// Tidies up after a look-up that found something of no use; the look-up is what it was if that fails.
pub(super) async fn tidy(redis: &Inner, tidying: impl Future<Output = Result<(), Failure>>) {
    if redis.is_written
        && let Err(failure) = tidying.await
    {
        tracing::debug!(%failure, "something of no use stays in the shared tier");
    }
}

/// Takes an upload away that should not be there.
pub(super) async fn retract(redis: &Inner, key: &Key, upload: &str) -> Result<(), Failure> {
    take(redis, key, upload).await.map(drop)
}

/// Takes an entry away, if it is this upload, or whatever it is.
async fn take(redis: &Inner, key: &Key, upload: &str) -> Result<Option<Gone>, Failure> {
    let mut remove = REMOVE.prepare_invoke();
    remove.key(redis.keys.entry(key));
    remove.arg(upload).arg(ms(REDIS_LINGER)).arg(redis.keys.retired(key));
    let line: String = redis.step(&remove).await?;
    let Some(Line::Entry(upload)) = manifest::read_line(&line) else { return Ok(None) };
    forget_bytes(redis, &upload.digest, key).await?;
    Ok(Some(Gone { key: *key, size_bytes: upload.size_bytes }))
}

/// Forgets that an entry has these bytes.
pub(super) async fn forget_bytes(redis: &Inner, digest: &Digest, key: &Key) -> Result<(), Failure> {
    redis.change(cmd("SREM").arg(redis.keys.same_bytes(digest)).arg(key.to_string())).await
}
