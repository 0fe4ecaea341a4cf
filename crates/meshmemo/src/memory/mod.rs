//! The engine's exact LRU: entries in a slab, found by hash, ordered by use, bounded exactly.
//!
//! Pure data: it takes no lock, reads no clock, compares no key and drops no value. Whoever owns it
//! (the memory of a [`Cache`](crate::Cache), the index of a disk tier) compares keys, and receives
//! every departed item to drop it outside of its lock.

mod expiry;
mod lru;
mod namespaces;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashTable;
use slab::Slab;
use smallvec::SmallVec;

use crate::limits::{ENTRIES_ADDRESSABLE, Limits};
use crate::stats::{Cause, Stats};
use expiry::Expiry;
use lru::{Links, Lru};
pub use namespaces::Holding;
use namespaces::{Namespaces, Place};

/// The place of an entry; valid until the entry leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SlotIndex(u32);

impl SlotIndex {
    fn from_slab(key: usize) -> Self {
        Self(u32::try_from(key).expect("the limit on entries keeps every index below 2^32"))
    }

    fn to_slab(self) -> usize {
        self.0 as usize
    }
}

/// An item with what is known of it.
#[derive(Debug)]
#[repr(C)] // a look-up reads the first three: they stand in one cache line
pub struct Slot<T> {
    hash: u64,
    /// The item.
    pub item: T,
    /// How often it was used since.
    pub access_count: u64,
    /// What it costs to keep and to make again.
    pub charge: Charge,
    /// When it came in.
    pub inserted_at: Duration,
    namespace: Option<Place>,
}

/// What an item costs to keep and to make again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Charge {
    /// Whose it is; where this is nobody, no share is asked.
    pub namespace: Option<Arc<str>>,
    /// What it weighs.
    pub bytes: u64,
    /// What making it again would cost.
    pub cost_seconds: f64,
    /// From when on it is over; `None` is never.
    pub deadline: Option<Duration>,
}

/// Items that have left, with their causes, in the order in which they left.
///
/// An insertion makes one leave at most times, which takes no allocation.
pub type Departed<T> = SmallVec<[(T, Cause); 1]>;

/// Why an item can not come in, whatever leaves for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoom {
    /// It weighs more than all may together.
    Bytes {
        /// What all may weigh together, or all of its namespace.
        max_bytes: u64,
    },
    /// None may be kept.
    Entries,
}

/// Items in the exact order of their use, within [`Limits`] at every moment.
///
/// Times are on a scale of the owner's own: deadlines and what [`expire`](Self::expire) is given.
#[derive(Debug)]
pub struct ExactLru<T> {
    slots: Slab<Slot<T>>,
    table: HashTable<SlotIndex>,
    lru: Lru,
    links: Links,
    namespaces: Namespaces,
    expiry: Expiry,
    limits: Limits,
    bytes: u64,
    pub(crate) stats: Stats,
}

impl<T> ExactLru<T> {
    /// Starts without items.
    pub fn new(limits: Limits) -> Self {
        Self {
            slots: Slab::new(),
            table: HashTable::new(),
            lru: Lru::default(),
            links: Links::default(),
            namespaces: Namespaces::default(),
            expiry: Expiry::default(),
            limits: addressable(limits),
            bytes: 0,
            stats: Stats::default(),
        }
    }

    /// Returns the limits that hold now.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Returns how many items there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Returns what all items weigh together.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the first item whose hash is `hash` and that is meant; by collision several may be
    /// asked for.
    pub fn find(&self, hash: u64, mut is_meant: impl FnMut(&T) -> bool) -> Option<SlotIndex> {
        let found = self.table.find(hash, |&index| {
            let slot = self.slot(index);
            slot.hash == hash && is_meant(&slot.item)
        });
        found.copied()
    }

    /// Lists all items, the most recently used first.
    pub fn iter(&self) -> impl Iterator<Item = (SlotIndex, &Slot<T>)> {
        self.lru.iter(&self.links).map(|index| (index, self.slot(index)))
    }

    /// Lists the items of a namespace, the most recently used first; its time is that of its own
    /// items, whatever others there are.
    pub fn iter_of(&self, namespace: &str) -> impl Iterator<Item = (SlotIndex, &Slot<T>)> {
        self.namespaces.items(namespace).map(|index| (index, self.slot(index)))
    }

    /// Returns what a namespace has.
    pub fn holding(&self, namespace: &str) -> Holding {
        self.namespaces.holding(namespace)
    }

    /// Lists the namespaces that have items or a share.
    pub fn namespaces(&self) -> impl Iterator<Item = (&Arc<str>, Holding)> {
        self.namespaces.iter()
    }

    /// Returns an item with what is known of it. Panics if it has left.
    pub fn slot(&self, index: SlotIndex) -> &Slot<T> {
        &self.slots[index.to_slab()]
    }

    /// Makes the item the most recently used, and returns it.
    pub fn touch(&mut self, index: SlotIndex) -> &mut T {
        self.lru.touch(&mut self.links, index);
        let slot = &mut self.slots[index.to_slab()];
        if let Some(place) = slot.namespace {
            self.namespaces.touch(place, index);
        }
        slot.access_count += 1;
        &mut slot.item
    }

    /// Inserts an item whose key is not in, after evicting what must leave for it.
    ///
    /// # Errors
    /// The item itself, if it can not come in whatever leaves for it.
    pub fn insert(
        &mut self,
        hash: u64,
        item: T,
        charge: Charge,
        now: Duration,
        departed: &mut Departed<T>,
    ) -> Result<SlotIndex, (T, NoRoom)> {
        if let Err(reason) = self.fits(&charge) {
            self.stats.rejections += 1;
            return Err((item, reason));
        }
        self.make_room(&charge, departed);
        let (bytes, deadline) = (charge.bytes, charge.deadline);
        let index = SlotIndex::from_slab(self.slots.vacant_key());
        let owner = charge.namespace.as_ref();
        let namespace = owner.map(|name| self.namespaces.push(name, index, bytes));
        let slot = Slot { item, charge, inserted_at: now, access_count: 0, namespace, hash };
        self.slots.insert(slot);
        let slots = &self.slots;
        self.table.insert_unique(hash, index, |index| slots[index.to_slab()].hash);
        self.lru.push(&mut self.links, index);
        self.expiry.push(index, deadline);
        self.bytes += bytes;
        self.stats.inserts += 1;
        self.stats.max_bytes_seen = self.stats.max_bytes_seen.max(self.bytes);
        debug_assert!(self.bytes <= self.limits.max_bytes, "eviction comes before the insert");
        debug_assert!(self.len() <= self.limits.max_entries, "eviction comes before the insert");
        Ok(index)
    }

    /// Removes an item. Panics if it has left.
    pub fn remove(&mut self, index: SlotIndex, cause: Cause, departed: &mut Departed<T>) {
        let slot = self.slots.remove(index.to_slab());
        self.table
            .find_entry(slot.hash, |&other| other == index)
            .expect("every entry in the slab stands in the table")
            .remove();
        self.lru.remove(&mut self.links, index);
        if let Some(place) = slot.namespace {
            self.namespaces.remove(place, index, slot.charge.bytes);
        }
        self.expiry.remove(index, slot.charge.deadline);
        self.bytes -= slot.charge.bytes;
        self.stats.removals.count(cause);
        departed.push((slot.item, cause));
    }

    /// Removes every entry whose time is over.
    pub fn expire(&mut self, now: Duration, departed: &mut Departed<T>) {
        while let Some(index) = self.expiry.due(now) {
            self.remove(index, Cause::Expired, departed);
        }
    }

    /// Sets the limits and evicts, least recently used first, until they hold.
    pub fn set_limits(&mut self, limits: Limits, departed: &mut Departed<T>) {
        self.limits = addressable(limits);
        while self.bytes > self.limits.max_bytes && self.evict(Cause::SizeBytes, departed) {}
        while self.len() > self.limits.max_entries && self.evict(Cause::SizeCount, departed) {}
    }

    /// Sets what each namespace may have, and evicts, least recently used first, what is more; a
    /// namespace that is not named may have everything.
    pub fn set_shares(&mut self, shares: &HashMap<Arc<str>, u64>, departed: &mut Departed<T>) {
        self.namespaces.set_shares(shares);
        for (name, share_bytes) in shares {
            while self.holding(name).bytes > *share_bytes
                && self.evict_of(name, Cause::SizeBytes, departed)
            {}
        }
    }

    /// Removes every entry, least recently used first.
    pub fn clear(&mut self, departed: &mut Departed<T>) {
        while self.evict(Cause::Cleared, departed) {}
    }

    /// Removes the least recently used item; returns whether there was one.
    pub fn evict(&mut self, cause: Cause, departed: &mut Departed<T>) -> bool {
        self.evict_one(self.lru.victim(), cause, departed)
    }

    /// Removes the least recently used item of a namespace; returns whether there was one.
    pub fn evict_of(&mut self, namespace: &str, cause: Cause, departed: &mut Departed<T>) -> bool {
        self.evict_one(self.namespaces.victim(namespace), cause, departed)
    }

    fn evict_one(
        &mut self,
        victim: Option<SlotIndex>,
        cause: Cause,
        departed: &mut Departed<T>,
    ) -> bool {
        if let Some(victim) = victim {
            self.remove(victim, cause, departed);
        }
        victim.is_some()
    }

    /// Sets all counters to zero; items stay.
    pub fn reset_stats(&mut self) {
        self.stats =
            Stats { entries_at_reset: self.len(), max_bytes_seen: self.bytes, ..Stats::default() };
    }

    /// Returns all counters in one cut.
    pub fn stats(&self) -> Stats {
        Stats { entries: self.len(), bytes: self.bytes, ..self.stats }
    }

    fn fits(&self, charge: &Charge) -> Result<(), NoRoom> {
        if self.limits.max_entries == 0 {
            return Err(NoRoom::Entries);
        }
        let holding = charge.namespace.as_ref().map(|it| self.holding(it)).unwrap_or_default();
        let max_bytes = holding.max_bytes(self.limits.max_bytes);
        if charge.bytes > max_bytes {
            return Err(NoRoom::Bytes { max_bytes });
        }
        Ok(())
    }

    /// Evicts until an item fits, its namespace's own first where that is over its share; that it fits
    /// at all has been checked.
    fn make_room(&mut self, charge: &Charge, departed: &mut Departed<T>) {
        let bytes = charge.bytes;
        if let Some(namespace) = &charge.namespace {
            let is_over = |holding: Holding| {
                let free = |share_bytes: u64| share_bytes.saturating_sub(holding.bytes);
                holding.share_bytes.is_some_and(|share_bytes| free(share_bytes) < bytes)
            };
            while is_over(self.holding(namespace))
                && self.evict_of(namespace, Cause::SizeBytes, departed)
            {}
        }
        while bytes > self.limits.max_bytes - self.bytes && self.evict(Cause::SizeBytes, departed) {
        }
        while self.len() >= self.limits.max_entries && self.evict(Cause::SizeCount, departed) {}
    }

    /// Recounts everything; panics where two books disagree.
    #[cfg(any(test, feature = "testing"))]
    pub fn validate(&self) {
        assert_eq!(self.table.len(), self.slots.len());
        assert_eq!(self.lru.iter(&self.links).count(), self.slots.len());
        assert_eq!(self.bytes, self.iter().map(|(_, slot)| slot.charge.bytes).sum::<u64>());
        let mortal = self.iter().filter(|(_, slot)| slot.charge.deadline.is_some()).count();
        assert_eq!(self.expiry.len(), mortal);
        for (name, holding) in self.namespaces() {
            let bytes: u64 = self.iter_of(name).map(|(_, slot)| slot.charge.bytes).sum();
            assert_eq!((self.iter_of(name).count(), bytes), (holding.entries, holding.bytes));
            assert!(bytes <= holding.share_bytes.unwrap_or(u64::MAX), "`{name}` is over its share");
            let is_own = |slot: &Slot<T>| slot.charge.namespace.as_ref() == Some(name);
            assert!(self.iter_of(name).all(|(_, slot)| is_own(slot)));
        }
        let owned = self.iter().filter(|(_, slot)| slot.namespace.is_some()).count();
        assert_eq!(owned, self.namespaces().map(|(_, holding)| holding.entries).sum::<usize>());
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
        Charge { bytes, ..Charge::default() }
    }

    fn of(namespace: &str, bytes: u64) -> Charge {
        Charge { namespace: Some(namespace.into()), ..charge(bytes) }
    }

    /// Keys, most recently used first.
    fn order(memory: &ExactLru<u32>) -> Vec<u32> {
        memory.iter().map(|(_, slot)| slot.item).collect()
    }

    #[test]
    fn a_namespace_makes_room_for_its_own_within_its_share() {
        let mut memory = ExactLru::new(Limits { max_bytes: 100, ..Limits::UNLIMITED });
        let mut departed = Departed::new();
        memory.set_shares(&HashMap::from([("a".into(), 30)]), &mut departed);
        for (item, charge) in [(1, of("b", 40)), (2, of("a", 10)), (3, of("a", 20))] {
            memory.insert(item.into(), item, charge, Duration::ZERO, &mut departed).unwrap();
        }
        memory.insert(4, 4, of("a", 15), Duration::ZERO, &mut departed).unwrap();
        assert_eq!(departed.as_slice(), [(2, Cause::SizeBytes), (3, Cause::SizeBytes)]);
        assert_eq!(order(&memory), [4, 1], "the oldest of all stays: it is another's");
        let refused = memory.insert(5, 5, of("a", 31), Duration::ZERO, &mut departed);
        assert_eq!(refused.unwrap_err(), (5, NoRoom::Bytes { max_bytes: 30 }));
        memory.insert(6, 6, of("b", 60), Duration::ZERO, &mut departed).unwrap();
        assert_eq!(order(&memory), [6, 4], "who has no share makes room among all");
        memory.validate();
    }

    #[test]
    fn a_lower_share_holds_at_once_and_nothing_is_left_of_an_empty_namespace() {
        let mut memory = ExactLru::new(Limits::UNLIMITED);
        let mut departed = Departed::new();
        for item in 1..=4_u32 {
            let namespace = if item == 2 { "b" } else { "a" };
            let charge = of(namespace, 10);
            memory.insert(item.into(), item, charge, Duration::ZERO, &mut departed).unwrap();
        }
        memory.set_shares(&HashMap::from([("a".into(), 25)]), &mut departed);
        assert_eq!((order(&memory), departed.len()), (vec![4, 3, 2], 1));
        assert_eq!(memory.iter_of("a").map(|(_, slot)| slot.item).collect::<Vec<_>>(), [4, 3]);
        memory.set_shares(&HashMap::new(), &mut departed);
        memory.clear(&mut departed);
        memory.validate();
        assert_eq!(memory.namespaces().count(), 0);
    }

    #[test]
    fn equal_hashes_do_not_confuse_entries() {
        let mut memory = ExactLru::new(Limits::UNLIMITED);
        let mut departed = Departed::new();
        let first = memory.insert(7, "a", charge(1), Duration::ZERO, &mut departed).unwrap();
        memory.insert(7, "b", charge(2), Duration::ZERO, &mut departed).unwrap();
        assert_ne!(memory.find(7, |item| *item == "a"), memory.find(7, |item| *item == "b"));
        memory.remove(first, Cause::Removed, &mut departed);
        memory.validate();
        assert_eq!(memory.find(7, |item| *item == "a"), None);
        assert!(memory.find(7, |item| *item == "b").is_some());
        assert_eq!(memory.bytes(), 2);
    }

    #[test]
    fn weights_near_the_end_of_the_range_do_not_overflow() {
        let mut memory = ExactLru::new(Limits::UNLIMITED);
        let mut departed = Departed::new();
        memory.insert(1, "a", charge(u64::MAX), Duration::ZERO, &mut departed).unwrap();
        memory.insert(2, "b", charge(u64::MAX), Duration::ZERO, &mut departed).unwrap();
        memory.validate();
        assert_eq!(departed.as_slice(), [("a", Cause::SizeBytes)]);
    }

    /// What a list in the order of use, the oldest first, says that there is.
    #[derive(Default)]
    struct Plain {
        items: Vec<(u32, usize, u64)>,
        shares: [Option<u64>; 3],
    }

    const NAMES: [&str; 3] = ["a", "b", "c"];
    const MAX_BYTES: u64 = 100;

    impl Plain {
        fn bytes(&self, of: Option<usize>) -> u64 {
            let is_of = |it: &&(u32, usize, u64)| of.is_none_or(|of| it.1 == of);
            self.items.iter().filter(is_of).map(|it| it.2).sum()
        }

        /// Removes the oldest of a namespace, or of all, until no more than this is left.
        fn shrink(&mut self, of: Option<usize>, max_bytes: u64) {
            while self.bytes(of) > max_bytes {
                let oldest = self.items.iter().position(|it| of.is_none_or(|of| it.1 == of));
                self.items.remove(oldest.unwrap());
            }
        }

        fn insert(&mut self, item: u32, of: usize, bytes: u64) {
            let share = self.shares[of].unwrap_or(u64::MAX);
            if bytes <= share.min(MAX_BYTES) {
                self.shrink(Some(of), share.saturating_sub(bytes));
                self.shrink(None, MAX_BYTES - bytes);
                self.items.push((item, of, bytes));
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn shares_hold_and_the_order_is_that_of_a_plain_list(
            steps in proptest::collection::vec((0..4_u8, 0..3_usize, 0..60_u64), 1..80)
        ) {
            let mut memory = ExactLru::new(Limits { max_bytes: MAX_BYTES, ..Limits::UNLIMITED });
            let (mut plain, mut departed) = (Plain::default(), Departed::new());
            for (number, (step, whose, bytes)) in steps.into_iter().enumerate() {
                let item = u32::try_from(number).unwrap();
                match step {
                    0 | 1 => {
                        let charge = of(NAMES[whose], bytes);
                        let _refused =
                            memory.insert(item.into(), item, charge, Duration::ZERO, &mut departed);
                        plain.insert(item, whose, bytes);
                    }
                    2 if !plain.items.is_empty() => {
                        let at = usize::try_from(bytes).unwrap() % plain.items.len();
                        let used = plain.items.remove(at);
                        let index = memory.find(used.0.into(), |_| true).unwrap();
                        memory.touch(index);
                        plain.items.push(used);
                    }
                    _ => {
                        plain.shares[whose] = (bytes < 50).then_some(bytes);
                        let named = NAMES.iter().zip(plain.shares);
                        let shares = named.filter_map(|(name, it)| Some(((*name).into(), it?)));
                        memory.set_shares(&shares.collect(), &mut departed);
                        if let Some(share) = plain.shares[whose] {
                            plain.shrink(Some(whose), share);
                        }
                    }
                }
                memory.validate();
                let mut wanted: Vec<_> = plain.items.iter().map(|it| it.0).collect();
                wanted.reverse();
                proptest::prop_assert_eq!(order(&memory), wanted);
            }
        }
    }
}
