//! What may be taken of the disk, and what takes it besides entries. Pure: no file is touched here.
//!
//! At every moment `entries + reserved + wasted + quarantined + foreign ≤ max_bytes`, in bytes that
//! files take on the disk: room is reserved before a file is written, and given back only after a
//! file is unlinked.

use std::collections::VecDeque;

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
    waste: Vec<Waste>,
    /// Bytes of all waste, that in the hands of those who unlink it included.
    wasted: u64,
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
            waste: Vec::new(),
            wasted: 0,
            quarantine: VecDeque::new(),
            quarantined: 0,
            foreign: 0,
        }
    }

    /// Returns the bytes that all of it takes.
    pub(super) fn taken(&self) -> u64 {
        self.reserved + self.wasted + self.quarantined + self.foreign
    }

    /// Returns the bytes that one entry may take, whatever leaves for it.
    pub(super) fn attainable(&self) -> u64 {
        self.max_bytes.saturating_sub(self.foreign)
    }

    pub(super) fn wasted(&self) -> u64 {
        self.wasted
    }

    pub(super) fn reserve(&mut self, bytes: u64) {
        self.reserved += bytes;
    }

    pub(super) fn give_back(&mut self, bytes: u64) {
        self.reserved -= bytes;
    }

    /// Adds a file that is to be unlinked.
    pub(super) fn discard(&mut self, waste: Waste) {
        self.wasted += waste.allocated;
        self.waste.push(waste);
    }

    /// Takes the file that was added last off again, as it is not to be unlinked after all; returns
    /// the bytes that it takes.
    pub(super) fn take_back_last(&mut self) -> u64 {
        let allocated = self.waste.pop().map_or(0, |waste| waste.allocated);
        self.wasted -= allocated;
        allocated
    }

    /// Takes what is to be unlinked.
    pub(super) fn take_waste(&mut self) -> Vec<Waste> {
        std::mem::take(&mut self.waste)
    }

    /// Notes that a file was unlinked.
    pub(super) fn unlinked(&mut self, waste: &Waste) {
        self.wasted -= waste.allocated;
    }

    /// Takes back what could not be unlinked.
    pub(super) fn not_unlinked(&mut self, waste: Waste) {
        self.waste.push(waste);
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
        self.foreign = 0;
    }

    /// Recounts everything; panics where two books disagree.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn validate(&self) {
        assert_eq!(self.quarantined, self.quarantine.iter().map(|(_, bytes)| bytes).sum::<u64>());
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
