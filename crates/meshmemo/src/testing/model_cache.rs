//! The oracle of [`Cache`](crate::Cache): the same promises in the plainest sequential code.
//!
//! One list in the order of use, searched from end to end. Slow on purpose: nothing here is shared
//! with the engine but the types in which it answers.

use std::time::Duration;

use crate::cache::{InsertOutcome, Removed};
use crate::limits::Limits;
use crate::stats::{Cause, Stats};

/// One entry of the oracle.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelEntry {
    /// Its key.
    pub key: u32,
    /// Its value.
    pub value: u64,
    /// What it weighs.
    pub bytes: u64,
    /// When it is over, in monotonic time.
    pub deadline: Option<Duration>,
    /// How many look-ups it has answered.
    pub access_count: u64,
}

/// A sequential cache that is obviously right.
#[derive(Debug)]
pub struct ModelCache {
    /// The entries, the most recently used first.
    pub entries: Vec<ModelEntry>,
    /// What has left since it was last looked at, in order.
    pub departed: Vec<(u32, Cause)>,
    limits: Limits,
    stats: Stats,
}

impl ModelCache {
    /// Makes an empty one.
    pub fn new(limits: Limits) -> Self {
        let stats = Stats::default();
        Self { entries: Vec::new(), departed: Vec::new(), limits, stats }
    }

    /// Looks a key up.
    pub fn get(&mut self, key: u32, now: Duration) -> Option<u64> {
        let value = self.touch(key, now);
        match value {
            Some(_) => self.stats.hits += 1,
            None => self.stats.misses += 1,
        }
        value
    }

    /// Looks a key up without a trace.
    pub fn peek(&mut self, key: u32, now: Duration) -> Option<u64> {
        self.expire(now);
        self.entries.iter().find(|entry| entry.key == key).map(|entry| entry.value)
    }

    /// Inserts a value; `ttl` takes the place of the default.
    pub fn insert(
        &mut self,
        key: u32,
        value: u64,
        bytes: u64,
        ttl: Option<Duration>,
        now: Duration,
    ) -> InsertOutcome {
        self.expire(now);
        let is_replacement = self.take(key, Cause::Replaced).is_some();
        let ttl = ttl.or(self.limits.ttl);
        if ttl == Some(Duration::ZERO) {
            return InsertOutcome::AlreadyExpired;
        }
        if self.limits.max_entries == 0 {
            self.stats.rejections += 1;
            return InsertOutcome::NoEntries;
        }
        if bytes > self.limits.max_bytes {
            self.stats.rejections += 1;
            return InsertOutcome::TooLarge { bytes, max_bytes: self.limits.max_bytes };
        }
        while self.bytes() + bytes > self.limits.max_bytes {
            self.evict(Cause::SizeBytes);
        }
        while self.entries.len() + 1 > self.limits.max_entries {
            self.evict(Cause::SizeCount);
        }
        let deadline = ttl.map(|ttl| now + ttl);
        self.entries.insert(0, ModelEntry { key, value, bytes, deadline, access_count: 0 });
        self.stats.inserts += 1;
        self.stats.max_bytes_seen = self.stats.max_bytes_seen.max(self.bytes());
        if is_replacement { InsertOutcome::Replaced } else { InsertOutcome::Inserted }
    }

    /// Looks a key up, and inserts `value` if it is not in.
    pub fn get_or_insert(&mut self, key: u32, value: u64, bytes: u64, now: Duration) -> u64 {
        if let Some(found) = self.touch(key, now) {
            self.stats.hits += 1;
            return found;
        }
        self.stats.misses += 1;
        let _outcome = self.insert(key, value, bytes, None, now);
        value
    }

    /// Removes a key.
    pub fn remove(&mut self, key: u32, now: Duration) -> Option<u64> {
        self.expire(now);
        self.take(key, Cause::Removed)
    }

    /// Removes everything, least recently used first.
    pub fn clear(&mut self, now: Duration) -> Removed {
        self.expire(now);
        let removed = Removed { entries: self.entries.len() as u64, bytes: self.bytes() };
        while !self.entries.is_empty() {
            self.evict(Cause::Cleared);
        }
        removed
    }

    /// Sets the limits and evicts until they hold.
    pub fn reconfigure(&mut self, limits: Limits, now: Duration) -> Removed {
        self.expire(now);
        let before = Removed { entries: self.entries.len() as u64, bytes: self.bytes() };
        self.limits = limits;
        while self.bytes() > limits.max_bytes {
            self.evict(Cause::SizeBytes);
        }
        while self.entries.len() > limits.max_entries {
            self.evict(Cause::SizeCount);
        }
        let entries = before.entries - self.entries.len() as u64;
        Removed { entries, bytes: before.bytes - self.bytes() }
    }

    /// Sets the counters to zero.
    pub fn reset_stats(&mut self, now: Duration) {
        self.expire(now);
        let (max_bytes_seen, entries_at_reset) = (self.bytes(), self.entries.len());
        self.stats = Stats { max_bytes_seen, entries_at_reset, ..Stats::default() };
    }

    /// Returns the counters.
    pub fn stats(&mut self, now: Duration) -> Stats {
        self.expire(now);
        Stats { entries: self.entries.len(), bytes: self.bytes(), ..self.stats }
    }

    fn bytes(&self) -> u64 {
        self.entries.iter().map(|entry| entry.bytes).sum()
    }

    fn touch(&mut self, key: u32, now: Duration) -> Option<u64> {
        self.expire(now);
        let place = self.entries.iter().position(|entry| entry.key == key)?;
        let mut entry = self.entries.remove(place);
        entry.access_count += 1;
        let value = entry.value;
        self.entries.insert(0, entry);
        Some(value)
    }

    fn expire(&mut self, now: Duration) {
        let is_over = |entry: &ModelEntry| entry.deadline.is_some_and(|deadline| deadline <= now);
        let mut over: Vec<_> =
            self.entries.iter().filter(|entry| is_over(entry)).cloned().collect();
        over.sort_by_key(|entry| entry.deadline);
        for entry in over {
            self.take(entry.key, Cause::Expired);
        }
    }

    fn take(&mut self, key: u32, cause: Cause) -> Option<u64> {
        let place = self.entries.iter().position(|entry| entry.key == key)?;
        self.departed.push((key, cause));
        self.stats.removals.count(cause);
        Some(self.entries.remove(place).value)
    }

    fn evict(&mut self, cause: Cause) {
        let oldest = self.entries.last().expect("an empty cache exceeds no limit").key;
        self.take(oldest, cause);
    }
}
