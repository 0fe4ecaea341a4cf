//! The memory engine: entries in a slab, found by hash, ordered by use, bounded exactly.
//!
//! Pure data: it takes no lock, reads no clock, compares no key and drops no value. Whoever owns it
//! ([`Cache`](crate::Cache)) compares keys outside its lock and receives every departed item to drop
//! it there too.

mod expiry;
mod lru;

use std::time::Duration;

use hashbrown::HashTable;
use slab::Slab;

use crate::limits::{ENTRIES_ADDRESSABLE, Limits};
use crate::stats::{Cause, Stats};
use expiry::Expiry;
use lru::Lru;

/// The place of an entry; valid until the entry leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Index(u32);

impl Index {
    fn from_slab(key: usize) -> Self {
        Self(u32::try_from(key).expect("the limit on entries keeps every index below 2^32"))
    }

    fn to_slab(self) -> usize {
        self.0 as usize
    }
}

/// An item with what the cache knows of it.
#[derive(Debug)]
pub(crate) struct Slot<T> {
    pub(crate) item: T,
    pub(crate) charge: Charge,
    pub(crate) inserted_at: Duration,
    pub(crate) access_count: u64,
    hash: u64,
}

/// What an item costs to keep and to make again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Charge {
    pub(crate) bytes: u64,
    pub(crate) cost_seconds: f64,
    pub(crate) deadline: Option<Duration>,
}

/// Items that have left, with their causes, in the order in which they left.
pub(crate) type Departed<T> = Vec<(T, Cause)>;

/// Why an item can not come in, whatever leaves for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoRoom {
    Bytes { max_bytes: u64 },
    Entries,
}

#[derive(Debug)]
pub(crate) struct Memory<T> {
    slots: Slab<Slot<T>>,
    table: HashTable<Index>,
    lru: Lru,
    expiry: Expiry,
    limits: Limits,
    bytes: u64,
    pub(crate) stats: Stats,
}

impl<T> Memory<T> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            slots: Slab::new(),
            table: HashTable::new(),
            lru: Lru::default(),
            expiry: Expiry::default(),
            limits: addressable(limits),
            bytes: 0,
            stats: Stats::default(),
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Lists the entries whose hash is `hash`: mostly one, none or, by collision, several.
    pub(crate) fn candidates(&self, hash: u64) -> impl Iterator<Item = (Index, &T)> {
        self.table
            .iter_hash(hash)
            .map(|&index| (index, self.slot(index)))
            .filter(move |(_, slot)| slot.hash == hash)
            .map(|(index, slot)| (index, &slot.item))
    }

    /// Lists all entries, the most recently used first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Slot<T>> {
        self.lru.iter().map(|index| self.slot(index))
    }

    pub(crate) fn slot(&self, index: Index) -> &Slot<T> {
        &self.slots[index.to_slab()]
    }

    /// Makes the entry the most recently used, and returns its item.
    pub(crate) fn touch(&mut self, index: Index) -> &T {
        self.lru.touch(index);
        let slot = &mut self.slots[index.to_slab()];
        slot.access_count += 1;
        &slot.item
    }

    /// Inserts an item whose key is not in, after evicting what must leave for it.
    pub(crate) fn insert(
        &mut self,
        hash: u64,
        item: T,
        charge: Charge,
        now: Duration,
        departed: &mut Departed<T>,
    ) -> Result<Index, (T, NoRoom)> {
        if let Err(reason) = self.fits(charge.bytes) {
            self.stats.rejections += 1;
            return Err((item, reason));
        }
        self.make_room(charge.bytes, departed);
        let slot = Slot { item, charge, inserted_at: now, access_count: 0, hash };
        let index = Index::from_slab(self.slots.insert(slot));
        let slots = &self.slots;
        self.table.insert_unique(hash, index, |index| slots[index.to_slab()].hash);
        self.lru.push(index);
        self.expiry.push(index, charge.deadline);
        self.bytes += charge.bytes;
        self.stats.inserts += 1;
        self.stats.max_bytes_seen = self.stats.max_bytes_seen.max(self.bytes);
        debug_assert!(self.bytes <= self.limits.max_bytes, "eviction comes before the insert");
        debug_assert!(self.len() <= self.limits.max_entries, "eviction comes before the insert");
        Ok(index)
    }

    pub(crate) fn remove(&mut self, index: Index, cause: Cause, departed: &mut Departed<T>) {
        let slot = self.slots.remove(index.to_slab());
        self.table
            .find_entry(slot.hash, |&other| other == index)
            .expect("every entry in the slab stands in the table")
            .remove();
        self.lru.remove(index);
        self.expiry.remove(index, slot.charge.deadline);
        self.bytes -= slot.charge.bytes;
        self.stats.removals.count(cause);
        departed.push((slot.item, cause));
    }

    /// Removes every entry whose time is over.
    pub(crate) fn expire(&mut self, now: Duration, departed: &mut Departed<T>) {
        while let Some(index) = self.expiry.due(now) {
            self.remove(index, Cause::Expired, departed);
        }
    }

    /// Sets the limits and evicts, least recently used first, until they hold.
    pub(crate) fn set_limits(&mut self, limits: Limits, departed: &mut Departed<T>) {
        self.limits = addressable(limits);
        while self.bytes > self.limits.max_bytes {
            self.evict(Cause::SizeBytes, departed);
        }
        while self.len() > self.limits.max_entries {
            self.evict(Cause::SizeCount, departed);
        }
    }

    /// Removes every entry, least recently used first.
    pub(crate) fn clear(&mut self, departed: &mut Departed<T>) {
        while !self.slots.is_empty() {
            self.evict(Cause::Cleared, departed);
        }
    }

    pub(crate) fn reset_stats(&mut self) {
        self.stats =
            Stats { entries_at_reset: self.len(), max_bytes_seen: self.bytes, ..Stats::default() };
    }

    /// Returns all counters in one cut.
    pub(crate) fn stats(&self) -> Stats {
        Stats { entries: self.len(), bytes: self.bytes, ..self.stats }
    }

    fn fits(&self, bytes: u64) -> Result<(), NoRoom> {
        if self.limits.max_entries == 0 {
            return Err(NoRoom::Entries);
        }
        if bytes > self.limits.max_bytes {
            return Err(NoRoom::Bytes { max_bytes: self.limits.max_bytes });
        }
        Ok(())
    }

    /// Evicts until an item of `bytes` fits; that it fits at all has been checked.
    fn make_room(&mut self, bytes: u64, departed: &mut Departed<T>) {
        while bytes > self.limits.max_bytes - self.bytes {
            self.evict(Cause::SizeBytes, departed);
        }
        while self.len() >= self.limits.max_entries {
            self.evict(Cause::SizeCount, departed);
        }
    }

    fn evict(&mut self, cause: Cause, departed: &mut Departed<T>) {
        let victim = self.lru.victim().expect("an empty cache exceeds no limit");
        self.remove(victim, cause, departed);
    }

    /// Recounts everything; panics where two books disagree.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn validate(&self) {
        assert_eq!(self.table.len(), self.slots.len());
        assert_eq!(self.lru.iter().count(), self.slots.len());
        assert_eq!(self.bytes, self.iter().map(|slot| slot.charge.bytes).sum::<u64>());
        let mortal = self.iter().filter(|slot| slot.charge.deadline.is_some()).count();
        assert_eq!(self.expiry.len(), mortal);
        let stats = self.stats();
        let came = stats.entries_at_reset as u64 + stats.inserts;
        assert_eq!(came - stats.removals.total(), stats.entries as u64);
    }
}

fn addressable(limits: Limits) -> Limits {
    Limits { max_entries: limits.max_entries.min(ENTRIES_ADDRESSABLE), ..limits }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charge(bytes: u64) -> Charge {
        Charge { bytes, cost_seconds: 0.0, deadline: None }
    }

    #[test]
    fn equal_hashes_do_not_confuse_entries() {
        let mut memory = Memory::new(Limits::UNLIMITED);
        let mut departed = Vec::new();
        let first = memory.insert(7, "a", charge(1), Duration::ZERO, &mut departed).unwrap();
        memory.insert(7, "b", charge(2), Duration::ZERO, &mut departed).unwrap();
        assert_eq!(memory.candidates(7).count(), 2);
        memory.remove(first, Cause::Removed, &mut departed);
        memory.validate();
        assert_eq!(memory.candidates(7).map(|(_, item)| *item).collect::<Vec<_>>(), ["b"]);
        assert_eq!(memory.bytes(), 2);
    }

    #[test]
    fn weights_near_the_end_of_the_range_do_not_overflow() {
        let mut memory = Memory::new(Limits::UNLIMITED);
        let mut departed = Vec::new();
        memory.insert(1, "a", charge(u64::MAX), Duration::ZERO, &mut departed).unwrap();
        memory.insert(2, "b", charge(u64::MAX), Duration::ZERO, &mut departed).unwrap();
        memory.validate();
        assert_eq!(departed, [("a", Cause::SizeBytes)]);
    }
}
