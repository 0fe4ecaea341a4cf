//! A tier behind its timeouts and its circuit breakers: for the flow, it can not fail.
//!
//! Look-ups and writes have a breaker each: a disk that is full still serves what it has.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, select};
use futures_util::{FutureExt, StreamExt};

use crate::breaker::Breaker;
use crate::clock::Clock;
use crate::entry::{Entry, Stored, read_entry};
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::limits::{TIER_LIST_PAGES_MAX, TIER_OPEN_MAX, TIER_READ_MAX, TIER_WRITE_MAX};
use crate::scope::Scope;
use crate::selector::Selector;
use crate::spawn::Spawn;
use crate::summary::Listed;
use crate::sync::Mutex;
use crate::ticket::Ticket;
use crate::tier::{
    Address, Gone, Health, MissReason, Mode, Opened, Put, Tier, TierOptions, TierStatus, Trouble,
    Writing,
};

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
    /// Entries refused: larger than the tier, over before they were kept, or too early for it.
    pub refused: u64,
    /// Writes that failed, took too long or were kept away by the open breaker.
    pub put_errors: u64,
    /// Removals that failed or took too long.
    pub remove_errors: u64,
    /// Listings that failed or took too long.
    pub list_errors: u64,
}

#[derive(Debug)]
pub(crate) struct GuardedTier {
    name: &'static str,
    tier: Arc<dyn Tier>,
    pub(crate) writing: Writing,
    pub(crate) mode: Mode,
    look_ups: Breaker,
    writes: Breaker,
    stats: Mutex<TierStats>,
    clock: Arc<dyn Clock>,
    spawn: Arc<dyn Spawn>,
}

impl GuardedTier {
    pub(crate) fn new(
        name: &'static str,
        tier: Arc<dyn Tier>,
        TierOptions { writing, mode }: TierOptions,
        clock: Arc<dyn Clock>,
        spawn: Arc<dyn Spawn>,
    ) -> Self {
        let (look_ups, writes) = (Breaker::default(), Breaker::default());
        let stats = Mutex::new(TierStats::default());
        Self { name, tier, writing, mode, look_ups, writes, stats, clock, spawn }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn stats(&self) -> TierStats {
        *self.stats.lock()
    }

    pub(crate) fn reset_stats(&self) {
        *self.stats.lock() = TierStats::default();
    }

    /// Returns how the tier is; one that is kept away from can not be well.
    pub(crate) fn status(&self) -> TierStatus {
        let status = self.tier.status();
        let trouble = |what: &str| Trouble {
            reason: "breaker-open",
            detail: format!("{what} failed repeatedly and are tried again shortly"),
        };
        let health = match status.health {
            Health::Ok if self.keeps_away(&self.look_ups) => Health::Down(trouble("look-ups")),
            Health::Ok if self.keeps_away(&self.writes) => Health::Degraded(trouble("writes")),
            health => health,
        };
        TierStatus { health, ..status }
    }

    /// Returns whether any breaker keeps calls away.
    pub(crate) fn is_breaker_open(&self) -> bool {
        self.keeps_away(&self.look_ups) || self.keeps_away(&self.writes)
    }

    fn keeps_away(&self, breaker: &Breaker) -> bool {
        breaker.keeps_away(self.clock.now())
    }

    /// Returns whether entries are kept in it at all.
    pub(crate) fn is_written(&self) -> bool {
        self.mode != Mode::ReadOnly
    }

    fn is_read(&self) -> bool {
        self.mode != Mode::WriteOnly
    }

    pub(crate) fn touch(&self, key: Key) {
        self.tier.touch(key);
    }

    /// Looks an entry up; every failure is a counted miss. What is found is counted when it is
    /// [used](Self::count_hit).
    pub(crate) async fn open(&self, address: Address) -> Result<Arc<dyn Stored>, MissReason> {
        if !self.is_read() {
            return Err(MissReason::NotRead);
        }
        let opened = if self.look_ups.admits(self.clock.now()) {
            match self.bounded(&self.look_ups, TIER_OPEN_MAX, self.tier.open(address)).await {
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
        let read = self.limited(TIER_READ_MAX, read_entry(stored).boxed()).await;
        self.judge(&read)?;
        read.ok()
    }

    /// Reads so much of an entry that is too large for memory that its first bytes are verified
    /// before any of them is promised; every failure is a counted miss.
    pub(crate) async fn verify_beginning(&self, stored: &dyn Stored) -> Option<()> {
        let mut chunks = stored.read(0..1);
        let first = async { chunks.next().await.transpose() }.boxed();
        let read = self.limited(TIER_READ_MAX, first).await;
        self.judge(&read)
    }

    /// Counts what a read came to, and tells the breaker; corrupt bytes are no failure of the tier.
    fn judge<T>(&self, read: &Result<T>) -> Option<()> {
        let error = read.as_ref().err().map(Error::kind);
        self.look_ups.report(matches!(error, None | Some(ErrorKind::Corrupt)), self.clock.now());
        match error {
            None => self.count_hit(),
            Some(ErrorKind::Corrupt) => self.count_miss(MissReason::Corrupt),
            Some(_) => self.count_miss(MissReason::Failed),
        }
        error.is_none().then_some(())
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
            MissReason::Absent
            | MissReason::Expired
            | MissReason::Unreadable
            | MissReason::NotReady
            | MissReason::NotRead => {}
        }
    }

    /// Writes an entry; returns whether it is kept.
    pub(crate) async fn put(&self, entry: Arc<Entry>, ticket: Ticket) -> bool {
        let put = if self.writes.admits(self.clock.now()) {
            self.bounded(&self.writes, TIER_WRITE_MAX, self.tier.put(entry, ticket)).await.ok()
        } else {
            None
        };
        let mut stats = self.stats.lock();
        match put {
            Some(Put::Stored) => stats.puts += 1,
            Some(Put::Invalidated) => {}
            Some(_) => stats.refused += 1,
            None => stats.put_errors += 1,
        }
        put == Some(Put::Stored)
    }

    /// Removes entries. An open breaker keeps no removal away: one that is lost would bring back
    /// what was removed.
    pub(crate) async fn remove(&self, selector: Selector) -> Result<Vec<Gone>> {
        if !self.is_written() {
            let message = format!("the tier `{}` is read-only: what it has stays", self.name);
            return Err(Error::new(ErrorKind::Storage, message));
        }
        let removed = self.bounded(&self.writes, TIER_WRITE_MAX, self.tier.remove(selector)).await;
        if removed.is_err() {
            self.stats.lock().remove_errors += 1;
        }
        removed
    }

    /// Lists every entry of a scope; what a failing tier does not tell is left out, and counted.
    pub(crate) async fn list(&self, scope: &Scope) -> Vec<Listed> {
        let (mut entries, mut cursor) = (Vec::new(), None);
        if !self.is_read() {
            return entries;
        }
        for _ in 0..TIER_LIST_PAGES_MAX {
            let page = self.limited(TIER_READ_MAX, self.tier.list(scope.clone(), cursor)).await;
            let Ok(page) = page else {
                self.stats.lock().list_errors += 1;
                break;
            };
            entries.extend(page.entries);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        entries
    }

    /// Runs one operation under its timeout, and tells a breaker how it ended.
    async fn bounded<T>(
        &self,
        breaker: &Breaker,
        limit: Duration,
        operation: BoxFuture<'_, Result<T>>,
    ) -> Result<T> {
        let result = self.limited(limit, operation).await;
        breaker.report(result.is_ok(), self.clock.now());
        result
    }

    /// Runs one operation under its timeout; a panic is an error.
    async fn limited<T>(&self, limit: Duration, operation: BoxFuture<'_, Result<T>>) -> Result<T> {
        let failed =
            |how: &str| Error::new(ErrorKind::Storage, format!("the tier `{}` {how}", self.name));
        let operation = AssertUnwindSafe(operation).catch_unwind();
        match select(operation, self.spawn.sleep(limit)).await {
            Either::Left((Ok(result), _)) => result,
            Either::Left((Err(_panic), _)) => Err(failed("ended in a panic")),
            Either::Right(((), _)) => Err(failed(&format!("took more than {limit:?}"))),
        }
    }
}
