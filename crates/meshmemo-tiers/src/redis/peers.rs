//! Telling other gateways of removals: a log in Redis, bounded, that each of them follows.
//!
//! A removal that Redis did not take is told when it takes it, from a bounded list.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::redis::cmd;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use meshmemo::{Error, ErrorKind, Peers, Result, Selector, Trouble};
use tokio::sync::watch;

use super::failure::Failure;
use super::notice::{self, Notice};
use super::scripts::{ANNOUNCE, BURY};
use super::{Inner, Redis, ms, removal, unique};
use crate::limits::{
    REDIS_CATCH_UP_MAX, REDIS_LOG_MAX, REDIS_NOTICES_WAITING_MAX, REDIS_SHAPES_MAX,
    REDIS_TOMBSTONE_TTL,
};

/// What this gateway has to do with the log.
#[derive(Debug)]
pub(super) struct Removals {
    /// Removals that Redis did not take.
    waiting: Mutex<VecDeque<Notice>>,
    /// How far the log is followed.
    pub(super) followed: watch::Sender<Followed>,
}

/// How far the log is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Followed {
    /// It is not: this process removes nothing that others have removed.
    Never,
    /// It should be, and is not now.
    NotNow,
    /// Up to the removal of this number.
    To(u64),
}

impl Default for Removals {
    fn default() -> Self {
        Self { waiting: Mutex::default(), followed: watch::Sender::new(Followed::Never) }
    }
}

impl Removals {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Notice>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Peers for Redis {
    fn announce(&self, selector: Selector) -> BoxFuture<'_, Result<()>> {
        announce(&self.inner, selector).boxed()
    }
}

async fn announce(redis: &Inner, selector: Selector) -> Result<()> {
    if !redis.is_written {
        let message = "this gateway only reads from Redis: others are not told of its removals";
        return Err(Error::new(ErrorKind::Storage, message));
    }
    let notice = Notice::new(&redis.node, &selector, redis.clock.wall());
    let told = tell(redis, &notice).await;
    if told.is_err() {
        repeat_later(redis, &selector);
    }
    Ok(told?)
}

/// Has a removal carried out in Redis, and told, when Redis takes it.
pub(super) fn repeat_later(redis: &Inner, selector: &Selector) {
    let notice = Notice::new(&redis.node, selector, redis.clock.wall());
    let mut waiting = redis.removals.waiting();
    if waiting.back().is_some_and(|last| last.is_same_as(&notice)) {
        waiting.pop_back();
    }
    if waiting.len() == REDIS_NOTICES_WAITING_MAX {
        waiting.pop_front();
    }
    waiting.push_back(notice);
    drop(waiting);
    note_waiting(redis);
}

/// Carries out and tells what could not be before. What was made since stays.
pub(super) async fn tell_waiting(redis: &Arc<Inner>) -> Result<(), Failure> {
    loop {
        let Some(notice) = redis.removals.waiting().front().cloned() else { return Ok(()) };
        tell(redis, &notice).await?;
        removal::carry_out(redis, notice.late_selector()).await?;
        tell(redis, &notice).await?;
        let mut waiting = redis.removals.waiting();
        if waiting.front() == Some(&notice) {
            waiting.pop_front();
        }
        drop(waiting);
        note_waiting(redis);
    }
}

fn note_waiting(redis: &Inner) {
    let count = redis.removals.waiting().len();
    let detail = match count {
        REDIS_NOTICES_WAITING_MAX.. => format!(
            "more than {count} removals did not reach other gateways: repeat them, or clear, when \
             Redis is back"
        ),
        _ => format!("{count} removals reach other gateways when Redis takes them"),
    };
    let trouble = (count > 0).then_some(Trouble { reason: "removals-waiting", detail });
    redis.condition().removals_waiting = trouble;
}

async fn tell(redis: &Inner, notice: &Notice) -> Result<(), Failure> {
    if let Some(key) = notice.key.as_ref().and_then(|key| key.parse().ok()) {
        let mut bury = BURY.prepare_invoke();
        bury.key(redis.keys.tombstone(&key))
            .arg(notice.reaches_ns().saturating_sub(1))
            .arg(ms(REDIS_TOMBSTONE_TTL));
        redis.step::<()>(&bury).await?;
    }
    let text =
        serde_json::to_string(notice).map_err(|error| Failure::garbled(error.to_string()))?;
    let (shape, reaches_ns) = notice.epoch().unwrap_or_default();
    let mut announce = ANNOUNCE.prepare_invoke();
    for what in ["log", "sequence", "identity", "epochs"] {
        announce.key(redis.keys.removals(what));
    }
    let sum = notice::sum(&text);
    announce.arg(text).arg(REDIS_LOG_MAX).arg(unique()?);
    announce.arg(shape).arg(reaches_ns).arg(REDIS_SHAPES_MAX).arg(sum);
    redis.step::<u64>(&announce).await.map(drop)
}

/// Waits until all removals hold here that are in the log now, where it is followed: who publishes
/// afterwards knows of them.
pub(super) async fn catch_up(redis: &Inner) -> Result<(), Failure> {
    let mut followed = redis.removals.followed.subscribe();
    if *followed.borrow_and_update() == Followed::Never {
        return Ok(());
    }
    let last: Option<u64> = redis.ask(cmd("GET").arg(redis.keys.removals("sequence"))).await?;
    let last = last.unwrap_or_default();
    let caught_up = followed.wait_for(|it| matches!(it, Followed::To(number) if *number >= last));
    match tokio::time::timeout(REDIS_CATCH_UP_MAX, caught_up).await {
        Ok(_) => Ok(()),
        Err(_elapsed) => Err(Failure::slow(REDIS_CATCH_UP_MAX)),
    }
}
