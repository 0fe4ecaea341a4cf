//! A tier behind its timeout and its circuit breaker: for the flow, it can not fail.

use std::fmt::Debug;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, select};

use crate::breaker::Breaker;
use crate::cache::Removed;
use crate::clock::Clock;
use crate::entry::{Entry, Stored, read_body};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{TIER_OPEN_MAX, TIER_READ_MAX, TIER_WRITE_MAX};
use crate::spawn::Spawn;
use crate::sync::Mutex;
use crate::ticket::Ticket;
use crate::tier::{Address, Health, MissReason, Opened, Put, Selector, Tier, Writing};

/// The counters of one lower tier.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TierStats {
    /// Look-ups that found a living entry.
    pub hits: u64,
    /// Look-ups that did not, for whatever reason.
    pub misses: u64,
    /// Look-ups that found an entry whose bytes had changed; they are among the misses.
    pub corrupt: u64,
    /// Look-ups that failed or took too long; they are among the misses.
    pub open_errors: u64,
    /// Look-ups kept away by the open breaker; they are among the misses.
    pub kept_away: u64,
    /// Entries kept.
    pub puts: u64,
    /// Writes that failed, took too long or were kept away by the open breaker.
    pub put_errors: u64,
    /// Removals that failed or took too long.
    pub remove_errors: u64,
}

#[derive(Debug)]
pub(crate) struct GuardedTier {
    tier: Arc<dyn Tier>,
    pub(crate) writing: Writing,
    breaker: Breaker,
    stats: Mutex<TierStats>,
    clock: Arc<dyn Clock>,
    spawn: Arc<dyn Spawn>,
}

impl GuardedTier {
    pub(crate) fn new(
        tier: Arc<dyn Tier>,
        writing: Writing,
        clock: Arc<dyn Clock>,
        spawn: Arc<dyn Spawn>,
    ) -> Self {
        let (breaker, stats) = (Breaker::default(), Mutex::new(TierStats::default()));
        Self { tier, writing, breaker, stats, clock, spawn }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.tier.name()
    }

    pub(crate) fn stats(&self) -> TierStats {
        *self.stats.lock()
    }

    pub(crate) fn reset_stats(&self) {
        *self.stats.lock() = TierStats::default();
    }

    pub(crate) fn health(&self) -> Health {
        match self.tier.health() {
            Health::Ok if self.breaker.is_open() => {
                Health::Down("it failed repeatedly and is tried again shortly".to_owned())
            }
            health => health,
        }
    }

    /// Looks an entry up; every failure is a counted miss. What is found is counted when it is
    /// [used](Self::count_hit).
    pub(crate) async fn open(&self, address: Address) -> Result<Arc<dyn Stored>, MissReason> {
        let opened = if self.breaker.admits(self.clock.now()) {
            match self.bounded(TIER_OPEN_MAX, self.tier.open(address)).await {
                Ok(opened) => opened,
                Err(_) => Opened::Miss(MissReason::Failed),
            }
        } else {
            Opened::Miss(MissReason::BreakerOpen)
        };
        match opened {
            Opened::Hit(stored) => Ok(stored),
            Opened::Miss(reason) => {
                self.count_miss(reason);
                Err(reason)
            }
        }
    }

    /// Reads an entry that was found into memory; every failure is a counted miss.
    pub(crate) async fn read(&self, stored: &dyn Stored) -> Option<Entry> {
        let Ok(body) = self.bounded(TIER_READ_MAX, read_body(stored).boxed()).await else {
            self.count_miss(MissReason::Failed);
            return None;
        };
        let entry = Entry::verified(stored.meta().clone(), body).ok();
        match entry {
            Some(_) => self.count_hit(),
            None => self.count_miss(MissReason::Corrupt),
        }
        entry
    }

    pub(crate) fn count_hit(&self) {
        self.stats.lock().hits += 1;
    }

    pub(crate) fn count_miss(&self, reason: MissReason) {
        let mut stats = self.stats.lock();
        stats.misses += 1;
        match reason {
            MissReason::Corrupt => stats.corrupt += 1,
            MissReason::Failed => stats.open_errors += 1,
            MissReason::BreakerOpen => stats.kept_away += 1,
            MissReason::Absent | MissReason::Expired | MissReason::Unreadable => {}
        }
    }

    /// Writes an entry; returns whether it is kept.
    pub(crate) async fn put(&self, entry: Arc<Entry>, ticket: Ticket) -> bool {
        let put = if self.breaker.admits(self.clock.now()) {
            self.bounded(TIER_WRITE_MAX, self.tier.put(entry, ticket)).await.ok()
        } else {
            None
        };
        let mut stats = self.stats.lock();
        match put {
            Some(Put::Stored) => stats.puts += 1,
            Some(_) => {}
            None => stats.put_errors += 1,
        }
        put == Some(Put::Stored)
    }

    /// Removes entries. An open breaker keeps no removal away: one that is lost would bring back
    /// what was removed.
    pub(crate) async fn remove(&self, selector: Selector) -> Result<Removed> {
        let removed = self.bounded(TIER_WRITE_MAX, self.tier.remove(selector)).await;
        if removed.is_err() {
            self.stats.lock().remove_errors += 1;
        }
        removed
    }

    /// Runs one operation under its timeout, and tells the breaker how it ended.
    async fn bounded<T: Debug>(
        &self,
        limit: Duration,
        operation: BoxFuture<'_, Result<T>>,
    ) -> Result<T> {
        let failed =
            |how: &str| Error::new(ErrorKind::Storage, format!("the tier `{}` {how}", self.name()));
        let operation = AssertUnwindSafe(operation).catch_unwind();
        let result = match select(operation, self.spawn.sleep(limit)).await {
            Either::Left((Ok(result), _)) => result,
            Either::Left((Err(_panic), _)) => Err(failed("ended in a panic")),
            Either::Right(((), _)) => Err(failed(&format!("took more than {limit:?}"))),
        };
        self.breaker.report(result.is_ok(), self.clock.now());
        result
    }
}
