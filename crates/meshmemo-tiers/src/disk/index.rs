//! What the disk holds. Pure: no file is touched here.
//!
//! Entries and everything else of the [budget](super::budget) are at no moment more than it. Whoever
//! owns the index holds its lock, and unlinks outside of it.

mod room;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use meshmemo::{
    Cause, Charge, Departed, Digest, DigestIndex, ExactLru, Key, Limits, Listed, Put, Scope,
    Selector, SlotIndex, Ticket, Usage,
};

use super::budget::{Budget, Waste};
use super::kept::{Kept, hash};
use super::name::Name;
use crate::limits::PAGE_ENTRIES;
pub(super) use room::Room;

#[derive(Debug)]
pub(super) struct Index {
    lru: ExactLru<Kept>,
    digests: DigestIndex,
    pub(super) budget: Budget,
    quarantined_count: u64,
    /// The last number drawn for a generation or an epoch.
    sequence: u64,
    epoch: u64,
    /// Uses while the directories are still looked through.
    early_uses: HashMap<Key, (u64, Duration)>,
    /// Whether the order of use has changed since it was last saved.
    pub(super) is_dirty: bool,
}

impl Index {
    pub(super) fn new(max_bytes: u64) -> Self {
        Self {
            lru: ExactLru::new(Limits::UNLIMITED),
            digests: DigestIndex::default(),
            budget: Budget::new(max_bytes),
            quarantined_count: 0,
            sequence: 0,
            epoch: 0,
            early_uses: HashMap::new(),
            is_dirty: false,
        }
    }

    // What there is.

    pub(super) fn usage(&self) -> Usage {
        Usage {
            entries: self.lru.len() as u64,
            bytes: self.taken(),
            max_bytes: self.budget.max_bytes,
            removals: self.lru.stats().removals,
            quarantined: self.quarantined_count,
        }
    }

    /// Finds a living entry by its key, and makes it the most recently used.
    pub(super) fn use_key(&mut self, key: &Key, wall: Duration) -> Option<Name> {
        self.expire(wall);
        let at = self.find(key)?;
        self.is_dirty = true;
        let kept = self.lru.touch(at);
        kept.hits = kept.hits.saturating_add(1);
        kept.last_used = wall;
        Some(kept.name)
    }

    /// Finds a living entry by the digest of its bytes, but none of these, and makes it the most recently
    /// used.
    pub(super) fn use_digest(
        &mut self,
        digest: &Digest,
        scope: &Scope,
        but: &[Key],
        wall: Duration,
    ) -> Option<Name> {
        self.expire(wall);
        let key = self.digests.first(digest, scope, but)?;
        self.use_key(&key, wall)
    }

    /// Notes a use before the index is there.
    pub(super) fn use_early(&mut self, key: Key, wall: Duration) {
        let (hits, last_used) = self.early_uses.entry(key).or_default();
        *hits += 1;
        *last_used = wall;
    }

    /// Lists the entries of a scope behind a key, in the order of their keys, and says whether there
    /// are more.
    pub(super) fn page(&self, scope: &Scope, after: Option<Key>) -> (Vec<Listed>, bool) {
        let is_behind = |kept: &&Kept| Some(kept.name.key) > after;
        let mut rest: Vec<_> = match scope {
            Scope::All => self.lru.iter().map(|(_, slot)| &slot.item).filter(is_behind).collect(),
            Scope::Namespace(name) => {
                self.lru.iter_of(name).map(|(_, slot)| &slot.item).filter(is_behind).collect()
            }
        };
        let has_more = rest.len() > PAGE_ENTRIES;
        if has_more {
            rest.select_nth_unstable_by_key(PAGE_ENTRIES, |kept| kept.name.key);
            rest.truncate(PAGE_ENTRIES);
        }
        rest.sort_unstable_by_key(|kept| kept.name.key);
        (rest.into_iter().map(Kept::listed).collect(), has_more)
    }

    /// Copies every entry, the least recently used first.
    pub(super) fn in_order(&self) -> Vec<Kept> {
        let mut entries: Vec<_> = self.lru.iter().map(|(_, slot)| slot.item.clone()).collect();
        entries.reverse();
        entries
    }

    // What comes in.

    /// Draws the number of a generation or an epoch: higher than any before, and close to the wall
    /// time, so that one drawn after a restart is higher too.
    pub(super) fn draw(&mut self, wall: Duration) -> u64 {
        let wall = u64::try_from(wall.as_micros()).unwrap_or(u64::MAX);
        self.sequence = wall.max(self.sequence.saturating_add(1));
        self.sequence
    }

    /// Makes later numbers higher than `number`.
    pub(super) fn see(&mut self, number: u64) {
        self.sequence = self.sequence.max(number);
    }

    /// Takes an entry in whose file has its name already, in place of the one under its key, and
    /// on the room that was reserved for it.
    ///
    /// Returns the file of the entry that it replaced, which is to be unlinked.
    ///
    /// # Errors
    /// Why it does not come in: it was removed while it was on its way, or is more by now than its
    /// namespace may have.
    pub(super) fn commit(
        &mut self,
        kept: Kept,
        ticket: &Ticket,
        wall: Duration,
    ) -> Result<Option<Waste>, Put> {
        if !ticket.is_valid() || kept.name.generation < self.epoch {
            return Err(Put::Invalidated);
        }
        if kept.allocated > self.share(&kept.summary.namespace) {
            return Err(Put::TooLarge);
        }
        self.expire(wall);
        let replaced = self.take_out(&kept.name.key, Cause::Replaced);
        let replaced = replaced.map(|replaced| self.budget.hand_out(replaced.waste()));
        self.budget.give_back(&kept.summary.namespace, kept.allocated);
        self.take_in(kept, wall);
        // The budget may have been lowered since the room was reserved.
        self.shrink();
        Ok(replaced)
    }

    /// Takes in what was found in the directories, the least recently used first, and evicts what
    /// is more than the budget.
    pub(super) fn adopt(&mut self, found: Vec<Kept>, wall: Duration) {
        let early_uses = std::mem::take(&mut self.early_uses);
        let (mut used, unused): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|kept| early_uses.contains_key(&kept.name.key));
        for kept in &mut used {
            let (hits, last_used) = early_uses[&kept.name.key];
            kept.hits = kept.hits.saturating_add(hits);
            kept.last_used = last_used;
        }
        used.sort_by_key(|kept| kept.last_used);
        for kept in unused.into_iter().chain(used) {
            self.adopt_one(kept, wall);
        }
        self.expire(wall);
        self.shrink();
        self.is_dirty = true;
    }

    /// Takes in a file that was found, unless it was cleared, a higher generation is in, or it is more
    /// than its namespace may have.
    fn adopt_one(&mut self, kept: Kept, wall: Duration) {
        let present = self.find(&kept.name.key).map(|at| self.lru.slot(at).item.name);
        match present {
            Some(present) if present == kept.name => return,
            Some(present) if present.generation > kept.name.generation => {
                self.budget.discard(kept.waste());
                return;
            }
            _ => {}
        }
        if kept.name.generation < self.epoch {
            self.budget.discard(kept.waste());
            return;
        }
        // What it has replaced is out of date, also where there is no room for it any more.
        if let Some(replaced) = self.take_out(&kept.name.key, Cause::Replaced) {
            self.budget.discard(replaced.waste());
        }
        if kept.allocated > self.share(&kept.summary.namespace) {
            self.budget.discard(kept.waste());
            return;
        }
        self.take_in(kept, wall);
    }

    // What leaves.

    /// Removes what `selector` selects; its files are to be unlinked, and may be by anybody.
    pub(super) fn remove(&mut self, selector: &Selector) -> Vec<Kept> {
        let selected: Vec<_> = match selector {
            Selector::Key(key) => vec![*key],
            _ => {
                let entries = self.lru.iter().map(|(_, slot)| &slot.item.summary);
                entries.filter(|it| selector.selects(it)).map(|it| it.key).collect()
            }
        };
        let is_clear = *selector == Selector::All;
        let cause = if is_clear { Cause::Cleared } else { Cause::Removed };
        let removed: Vec<_> =
            selected.into_iter().filter_map(|key| self.take_out(&key, cause)).collect();
        for kept in &removed {
            self.budget.discard(kept.waste());
        }
        removed
    }

    /// Makes entries of generations below `epoch` gone for ever.
    pub(super) fn raise_epoch(&mut self, epoch: u64) {
        self.epoch = self.epoch.max(epoch);
        self.see(epoch);
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Removes an entry whose file can not be served, if it is still the one that was found.
    pub(super) fn forget(&mut self, name: &Name) {
        if self.is_current(name)
            && let Some(kept) = self.take_out(&name.key, Cause::Removed)
        {
            self.budget.discard(kept.waste());
        }
    }

    /// Leaves an entry's file to a newer version, if it is still the one that was found.
    pub(super) fn let_be(&mut self, name: &Name) {
        if self.is_current(name)
            && let Some(kept) = self.take_out(&name.key, Cause::Removed)
        {
            self.budget.leave(kept.allocated);
        }
    }

    /// Forgets everything that was in a directory which is not there any more, and unlinks nothing
    /// of it: it may come back.
    pub(super) fn lose(&mut self) {
        let mut departed = Departed::new();
        self.lru.clear(&mut departed);
        self.digests.clear();
        self.early_uses.clear();
        self.epoch = 0;
        self.budget.lose();
    }

    /// Removes an entry whose file has gone to the quarantine, and moves its bytes there.
    pub(super) fn set_aside(&mut self, name: &Name) {
        if let Some(kept) = self.take_out(&name.key, Cause::Removed) {
            self.budget.quarantine(name.to_string(), kept.allocated);
        }
        self.quarantined_count += 1;
    }

    /// Counts a file that was put aside before the index was there.
    pub(super) fn count_quarantined(&mut self) {
        self.quarantined_count += 1;
    }

    /// Removes every entry whose time is over.
    pub(super) fn expire(&mut self, wall: Duration) {
        let mut departed = Departed::new();
        self.lru.expire(wall, &mut departed);
        self.depart(departed);
    }

    fn take_in(&mut self, kept: Kept, wall: Duration) {
        let Kept { name, allocated, .. } = kept;
        let namespace = Arc::clone(&kept.summary.namespace);
        let charge = Charge {
            namespace: Some(Arc::clone(&namespace)),
            bytes: allocated,
            cost_seconds: kept.summary.cost.as_secs_f64(),
            deadline: kept.summary.expires,
        };
        self.see(name.generation);
        let mut departed = Departed::new();
        let taken = self.lru.insert(hash(&name.key), kept, charge, wall, &mut departed);
        taken.expect("it is within its share, and the list has no other limit");
        self.depart(departed);
        self.digests.add(&namespace, name.digest, name.key);
        self.is_dirty = true;
    }

    /// Removes an entry; what becomes of its file and of the bytes that it takes, the caller decides.
    fn take_out(&mut self, key: &Key, cause: Cause) -> Option<Kept> {
        let at = self.find(key)?;
        let mut departed = Departed::new();
        self.lru.remove(at, cause, &mut departed);
        let (kept, _) = departed.pop()?;
        self.forget_digest(&kept);
        self.is_dirty = true;
        Some(kept)
    }

    /// Lets the files of what has left be unlinked.
    fn depart(&mut self, departed: Departed<Kept>) {
        for (kept, _) in departed {
            self.forget_digest(&kept);
            self.budget.discard(kept.waste());
            self.is_dirty = true;
        }
    }

    fn forget_digest(&mut self, Kept { name, summary, .. }: &Kept) {
        self.digests.remove(&summary.namespace, &name.digest, &name.key);
    }

    fn find(&self, key: &Key) -> Option<SlotIndex> {
        self.lru.find(hash(key), |kept| kept.name.key == *key)
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        self.find(key).is_some()
    }

    pub(super) fn is_current(&self, name: &Name) -> bool {
        self.find(&name.key).is_some_and(|at| self.lru.slot(at).item.name == *name)
    }

    /// Recounts everything; panics where two books disagree.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn validate(&self) {
        self.lru.validate();
        let kept: Vec<_> = self.lru.iter().map(|(_, slot)| &slot.item).collect();
        assert_eq!(self.lru.bytes(), kept.iter().map(|kept| kept.allocated).sum::<u64>());
        assert_eq!(self.digests.count(), kept.len());
        for kept in kept {
            let scope = Scope::Namespace(Arc::clone(&kept.summary.namespace));
            assert!(self.digests.keys(&kept.name.digest, &scope).contains(&kept.name.key));
            assert!(kept.name.generation >= self.epoch && kept.name.generation <= self.sequence);
        }
        self.budget.validate();
        let max_bytes = self.budget.max_bytes;
        let is_within = self.taken() <= max_bytes.max(self.budget.foreign);
        assert!(is_within, "{} of {max_bytes} bytes are taken", self.taken());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use meshmemo::Summary;

    use super::super::budget::WasteFile;
    use super::*;

    const WALL: Duration = Duration::from_secs(1_790_000_000);

    fn kept(n: u8, allocated: u64, generation: u64) -> Kept {
        kept_of("", n, allocated, generation)
    }

    fn kept_of(namespace: &str, n: u8, allocated: u64, generation: u64) -> Kept {
        let key = Key::from_bytes([n; 32]);
        let digest = Digest::of(&[n]);
        let summary = Summary {
            key,
            digest,
            size_bytes: allocated,
            namespace: namespace.into(),
            model_id: "".into(),
            variant: "glb".into(),
            label: "".into(),
            media_type: "".into(),
            cost: Duration::ZERO,
            created: WALL,
            expires: None,
        };
        Kept {
            name: Name { key, digest, payload_bytes: allocated, generation },
            summary: Arc::new(summary),
            allocated,
            hits: 0,
            last_used: WALL,
        }
    }

    fn put(index: &mut Index, n: u8, allocated: u64) {
        put_of(index, "", n, allocated);
    }

    fn put_of(index: &mut Index, namespace: &str, n: u8, allocated: u64) {
        loop {
            match index.reserve(&namespace.into(), allocated) {
                Room::Reserved => break,
                Room::Unlink(waste) => waste.iter().for_each(|waste| index.budget.unlinked(waste)),
                other => panic!("{other:?}"),
            }
        }
        let generation = index.draw(WALL);
        let kept = kept_of(namespace, n, allocated, generation);
        index.commit(kept, &Ticket::new(), WALL).unwrap();
        index.validate();
    }

    fn has(index: &mut Index, n: u8) -> bool {
        index.use_key(&Key::from_bytes([n; 32]), WALL).is_some()
    }

    #[test]
    fn the_least_recently_used_leaves_for_room_and_its_bytes_are_taken_until_it_is_unlinked() {
        let mut index = Index::new(100);
        (1..=3).for_each(|n| put(&mut index, n, 30));
        assert!(has(&mut index, 1));
        let Room::Unlink(waste) = index.reserve(&"".into(), 30) else {
            panic!("there is not that much room")
        };
        assert!(matches!(&waste[..], [Waste { file: WasteFile::Entry(name), allocated: 30 }]
            if name.key == Key::from_bytes([2; 32])));
        assert_eq!(index.reserve(&"".into(), 30), Room::Wait, "it is still there");
        index.budget.unlinked(&waste[0]);
        assert_eq!(index.reserve(&"".into(), 30), Room::Reserved);
        index.validate();
        assert_eq!(index.reserve(&"".into(), 101), Room::TooLarge);
        assert!(has(&mut index, 1) && !has(&mut index, 2) && has(&mut index, 3));
    }

    #[test]
    fn what_others_have_reserved_is_waited_for() {
        let mut index = Index::new(100);
        assert_eq!(index.reserve(&"".into(), 60), Room::Reserved);
        assert_eq!(index.reserve(&"".into(), 60), Room::Wait);
        index.budget.give_back("", 60);
        assert_eq!(index.reserve(&"".into(), 60), Room::Reserved);
    }

    #[test]
    fn an_entry_that_was_cleared_on_its_way_does_not_come_in() {
        let mut index = Index::new(100);
        assert_eq!(index.reserve(&"".into(), 10), Room::Reserved);
        let early = index.draw(WALL);
        let epoch = index.draw(WALL);
        index.raise_epoch(epoch);
        assert!(index.commit(kept(1, 10, early), &Ticket::new(), WALL).is_err());
        let late = index.draw(WALL);
        assert!(index.commit(kept(1, 10, late), &Ticket::new(), WALL).is_ok());
        index.validate();
    }

    #[test]
    fn a_namespace_keeps_to_its_share_and_takes_nothing_from_others_for_it() {
        let mut index = Index::new(1_000);
        let own: Arc<str> = "own".into();
        index.set_shares(&HashMap::from([(Arc::clone(&own), 50)]));
        put_of(&mut index, "other", 1, 30);
        (2..=4).for_each(|n| put_of(&mut index, &own, n, 20));
        assert!(has(&mut index, 1) && !has(&mut index, 2), "its own oldest has left");
        assert_eq!(index.reserve(&own, 51), Room::TooLarge);
        assert_eq!(index.reserve(&own, 50), Room::Reserved);
        assert_eq!(index.holding(&own).bytes, 0, "room for all of its share is all of its own");
        assert_eq!(index.reserve(&own, 10), Room::Wait, "and what is reserved counts");
        index.validate();
    }

    #[test]
    fn a_share_that_was_lowered_meanwhile_holds() {
        let mut index = Index::new(1_000);
        let own: Arc<str> = "own".into();
        put_of(&mut index, &own, 1, 30);
        assert_eq!(index.reserve(&own, 30), Room::Reserved);
        index.set_shares(&HashMap::from([(Arc::clone(&own), 29)]));
        assert!(!has(&mut index, 1));
        let generation = index.draw(WALL);
        let kept = |generation| kept_of(&own, 2, 30, generation);
        assert!(index.commit(kept(generation), &Ticket::new(), WALL).is_err());
        index.budget.give_back(&own, 30);
        index.adopt(vec![kept(generation + 1)], WALL);
        assert!(!has(&mut index, 2), "nor is it taken in from the directories");
        put_of(&mut index, &own, 3, 10);
        let successor = kept_of(&own, 3, 30, generation + 1_000_000);
        index.adopt(vec![successor], WALL);
        assert!(!has(&mut index, 3), "what it has replaced does not come back");
        index.validate();
    }

    #[test]
    fn numbers_rise_even_if_the_clock_is_set_back() {
        let mut index = Index::new(100);
        let first = index.draw(WALL);
        assert!(index.draw(Duration::ZERO) > first);
        index.see(first + 10);
        assert_eq!(index.draw(WALL), first + 11);
    }

    #[test]
    fn the_quarantine_is_bounded_and_leaves_before_room_is_refused() {
        let mut index = Index::new(1_600);
        for n in 0..100 {
            put(&mut index, n, 2);
            let name = index.use_key(&Key::from_bytes([n; 32]), WALL).unwrap();
            index.set_aside(&name);
            index.validate();
        }
        assert_eq!(index.budget.quarantine_len(), 50, "a sixteenth of the budget");
        assert_eq!(index.usage().quarantined, 100);
        put(&mut index, 200, 1_600);
        assert_eq!(index.budget.quarantine_len(), 0);
    }

    #[test]
    fn what_is_found_is_taken_in_by_its_last_use_and_evicted_down_to_the_budget() {
        let mut index = Index::new(100);
        index.use_early(Key::from_bytes([1; 32]), WALL);
        index.adopt((1..=5).map(|n| kept(n, 30, 7)).collect(), WALL);
        let waste = index.budget.take_waste();
        assert_eq!(waste.len(), 2);
        for waste in &waste {
            index.budget.unlinked(waste);
        }
        index.validate();
        assert!(has(&mut index, 1), "it was used since");
        assert!(!has(&mut index, 2) && !has(&mut index, 3) && has(&mut index, 4));
    }
}
