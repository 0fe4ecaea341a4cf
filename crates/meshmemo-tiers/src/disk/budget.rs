//! What may be taken of the disk, and what takes it besides entries. Pure: no file is touched here.
//!
//! At every moment `entries + reserved + wasted + stuck + quarantined + foreign ≤ max_bytes`, in bytes
//! that files take on the disk: room is reserved before a file is written, and given back only after a
//! file is unlinked.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::name::Name;
use crate::limits::{QUARANTINE_FILES_MAX, QUARANTINE_SHARE};

/// A file that is to be unlinked; until it is, its bytes are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waste {
    pub(super) file: WasteFile,
    pub(super) allocated: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WasteFile {
    Entry(Name),
    /// A file below `tmp/`, by its number.
    Draft(u64),
    Quarantined(String),
}

/// The budget, and everything that draws on it but entries.
#[derive(Debug)]
pub(super) struct Budget {
    pub(super) max_bytes: u64,
    reserved: u64,
    /// What of it is for entries of each namespace.
    reserved_of: HashMap<Arc<str>, u64>,
    waste: Vec<Waste>,
    /// Bytes of all waste, that in the hands of those who unlink it included.
    wasted: u64,
    /// Files that could not be unlinked: they take their bytes, and nobody waits for these.
    stuck: Vec<Waste>,
    stuck_bytes: u64,
    quarantine: VecDeque<(String, u64)>,
    quarantined: u64,
    /// Bytes of files that are no entries of this version.
    pub(super) foreign: u64,
}

impl Budget {
    pub(super) fn new(max_bytes: u64) -> Self {
        Self {
            max_bytes,
            reserved: 0,
            reserved_of: HashMap::new(),
            waste: Vec::new(),
            wasted: 0,
            stuck: Vec::new(),
            stuck_bytes: 0,
            quarantine: VecDeque::new(),
            quarantined: 0,
            foreign: 0,
        }
    }

    /// Returns the bytes that all of it takes.
    pub(super) fn taken(&self) -> u64 {
        let foreign = self.foreign.saturating_add(self.stuck_bytes);
        (self.reserved + self.wasted + self.quarantined).saturating_add(foreign)
    }

    /// Returns the bytes that one entry may take, whatever leaves for it.
    pub(super) fn attainable(&self) -> u64 {
        self.max_bytes.saturating_sub(self.foreign)
    }

    pub(super) fn wasted(&self) -> u64 {
        self.wasted
    }

    /// Returns what is reserved for entries of a namespace.
    pub(super) fn reserved_of(&self, namespace: &str) -> u64 {
        self.reserved_of.get(namespace).copied().unwrap_or(0)
    }

    pub(super) fn reserve(&mut self, namespace: &Arc<str>, bytes: u64) {
        self.reserved += bytes;
        *self.reserved_of.entry(Arc::clone(namespace)).or_default() += bytes;
    }

    pub(super) fn give_back(&mut self, namespace: &str, bytes: u64) {
        self.reserved -= bytes;
        let reserved = self.reserved_of.get_mut(namespace);
        let reserved = reserved.expect("what is given back was reserved");
        *reserved -= bytes;
        if *reserved == 0 {
            self.reserved_of.remove(namespace);
        }
    }

    /// Counts a file that is to be unlinked by whoever asks.
    pub(super) fn hand_out(&mut self, waste: Waste) -> Waste {
        self.wasted += waste.allocated;
        waste
    }

    /// Counts a file that stays where it is.
    pub(super) fn leave(&mut self, allocated: u64) {
        self.foreign = self.foreign.saturating_add(allocated);
    }

    /// Adds a file that is to be unlinked.
    pub(super) fn discard(&mut self, waste: Waste) {
        self.wasted += waste.allocated;
        self.waste.push(waste);
    }

    /// Takes all that is to be unlinked.
    pub(super) fn take_waste(&mut self) -> Vec<Waste> {
        std::mem::take(&mut self.waste)
    }

    /// Takes some files of what is to be unlinked.
    pub(super) fn take_some_waste(&mut self, count: usize) -> Vec<Waste> {
        let start = self.waste.len().saturating_sub(count);
        self.waste.split_off(start)
    }

    /// Takes so much of what is to be unlinked that `bytes` come free, or all of it.
    pub(super) fn take_waste_of(&mut self, bytes: u64) -> Vec<Waste> {
        let mut taken = 0;
        let count = self.waste.iter().rev().take_while(|waste| {
            let is_needed = taken < bytes;
            taken += waste.allocated;
            is_needed
        });
        let start = self.waste.len() - count.count();
        self.waste.split_off(start)
    }

    /// Notes that a file was unlinked.
    pub(super) fn unlinked(&mut self, waste: &Waste) {
        self.wasted -= waste.allocated;
    }

    /// Takes back what could not be unlinked.
    pub(super) fn not_unlinked(&mut self, waste: Waste) {
        self.wasted -= waste.allocated;
        self.stuck_bytes += waste.allocated;
        self.stuck.push(waste);
    }

    /// Lets what could not be unlinked be tried again.
    pub(super) fn try_stuck_again(&mut self) {
        self.wasted += std::mem::take(&mut self.stuck_bytes);
        self.waste.append(&mut self.stuck);
    }

    /// Notes a file in the quarantine, and lets the oldest leave where there are too many.
    pub(super) fn quarantine(&mut self, file: String, allocated: u64) {
        self.quarantine.push_back((file, allocated));
        self.quarantined += allocated;
        let is_over = |budget: &Self| {
            budget.quarantine.len() > QUARANTINE_FILES_MAX
                || budget.quarantined > budget.max_bytes / QUARANTINE_SHARE
        };
        while is_over(self) && self.empty_quarantine() {}
    }

    /// Lets the oldest file in the quarantine leave; returns whether there was one.
    pub(super) fn empty_quarantine(&mut self) -> bool {
        let Some((file, allocated)) = self.quarantine.pop_front() else { return false };
        self.quarantined -= allocated;
        self.discard(Waste { file: WasteFile::Quarantined(file), allocated });
        true
    }

    /// Forgets all files, and unlinks none; what others are unlinking stays counted until they have.
    pub(super) fn lose(&mut self) {
        while self.empty_quarantine() {}
        self.wasted -= self.waste.drain(..).map(|waste| waste.allocated).sum::<u64>();
        self.stuck.clear();
        self.stuck_bytes = 0;
        self.foreign = 0;
    }

    /// Recounts everything; panics where two books disagree.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn validate(&self) {
        assert_eq!(self.quarantined, self.quarantine.iter().map(|(_, bytes)| bytes).sum::<u64>());
        assert_eq!(self.stuck_bytes, self.stuck.iter().map(|it| it.allocated).sum::<u64>());
        assert_eq!(self.reserved, self.reserved_of.values().sum::<u64>());
        assert!(self.wasted >= self.waste.iter().map(|waste| waste.allocated).sum::<u64>());
    }

    /// Returns the bytes that are reserved for writes under way.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn reserved(&self) -> u64 {
        self.reserved
    }

    #[cfg(test)]
    pub(super) fn quarantine_len(&self) -> usize {
        self.quarantine.len()
    }
}
