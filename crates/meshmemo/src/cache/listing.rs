//! What the cache tells of its entries, and of those it removed at once.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use super::{Cache, Pair};
use crate::memory::{Charge, ExactLru, Slot};

/// What the cache knows of one entry.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EntryInfo<K, V> {
    /// The entry's key.
    pub key: K,
    /// The entry's value.
    pub value: V,
    /// What it weighs.
    pub bytes: u64,
    /// What making it again would cost, in seconds.
    pub cost_seconds: f64,
    /// How long ago it came in.
    pub age: Duration,
    /// How long it still lives; `None` is for ever.
    pub ttl: Option<Duration>,
    /// How many look-ups it has answered.
    pub access_count: u64,
}

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    /// Lists all entries, the most recently used first.
    pub fn entries(&self) -> Vec<EntryInfo<K, V>> {
        self.list(|memory| memory.iter().map(|(_, slot)| slot.into()).collect())
    }

    /// Shows every key and value to `see`, under the lock; shows none and returns `false` where the
    /// lock is not free. For a garbage collector, which must not wait: `see` may neither run user
    /// code nor use the cache.
    pub fn try_each(&self, mut see: impl FnMut(&K, &V)) -> bool {
        let Some(memory) = self.inner.memory.try_lock() else { return false };
        memory.iter().for_each(|(_, slot)| see(&slot.item.key, &slot.item.value));
        true
    }

    /// Copies what is listed under the lock, and clones keys and values outside of it.
    pub(super) fn list(
        &self,
        copy: impl FnOnce(&ExactLru<Arc<Pair<K, V>>>) -> Vec<Copied<K, V>>,
    ) -> Vec<EntryInfo<K, V>> {
        let now = self.inner.clock.now();
        let copied = self.locked(|memory, _| copy(memory));
        copied.into_iter().map(|copied| copied.info(now)).collect()
    }
}

/// An entry as it is copied under the lock.
pub(super) struct Copied<K, V> {
    pair: Arc<Pair<K, V>>,
    charge: Charge,
    inserted_at: Duration,
    access_count: u64,
}

impl<K, V> From<&Slot<Arc<Pair<K, V>>>> for Copied<K, V> {
    fn from(slot: &Slot<Arc<Pair<K, V>>>) -> Self {
        Self {
            pair: Arc::clone(&slot.item),
            charge: slot.charge.clone(),
            inserted_at: slot.inserted_at,
            access_count: slot.access_count,
        }
    }
}

impl<K: Clone, V: Clone> Copied<K, V> {
    fn info(self, now: Duration) -> EntryInfo<K, V> {
        EntryInfo {
            key: self.pair.key.clone(),
            value: self.pair.value.clone(),
            bytes: self.charge.bytes,
            cost_seconds: self.charge.cost_seconds,
            age: now.saturating_sub(self.inserted_at),
            ttl: self.charge.deadline.map(|deadline| deadline.saturating_sub(now)),
            access_count: self.access_count,
        }
    }
}

/// What a removal of many entries removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// How many entries.
    pub entries: u64,
    /// What they weighed.
    pub bytes: u64,
}

impl Removed {
    /// Returns what has left, if this is what there was.
    pub(super) fn less(self, entries: usize, bytes: u64) -> Self {
        Self { entries: self.entries - entries as u64, bytes: self.bytes - bytes }
    }
}
