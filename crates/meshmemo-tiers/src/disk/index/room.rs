//! Room for entries: what there is, whose it is, and what leaves for more of it.

use std::collections::HashMap;
use std::sync::Arc;

use meshmemo::{Cause, Departed, Holding};

use super::Index;
use crate::disk::budget::Waste;

/// What became of a wish for room.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::disk) enum Room {
    Reserved,
    /// It is more than there can ever be.
    TooLarge,
    /// These must be unlinked first.
    Unlink(Vec<Waste>),
    /// Others must give back what they hold.
    Wait,
}

impl Index {
    /// Reserves room for an entry of a namespace, evicting what must leave for it: of its own first,
    /// where it has a share.
    pub(in crate::disk) fn reserve(&mut self, namespace: &Arc<str>, bytes: u64) -> Room {
        if bytes > self.budget.attainable().min(self.share(namespace)) {
            return Room::TooLarge;
        }
        let is_over = |index: &Self| {
            let held = index.holding(namespace).bytes + index.budget.reserved_of(namespace);
            held.saturating_add(bytes) > index.share(namespace)
        };
        while is_over(self) {
            if !self.evict_of(namespace) {
                return Room::Wait;
            }
        }
        if self.free() >= bytes {
            self.budget.reserve(namespace, bytes);
            return Room::Reserved;
        }
        while self.free() + self.budget.wasted() < bytes
            && (self.evict() || self.budget.empty_quarantine())
        {}
        match self.budget.take_waste_of(bytes - self.free()) {
            waste if waste.is_empty() => Room::Wait,
            waste => Room::Unlink(waste),
        }
    }

    /// Sets the budget, and evicts what is more than it.
    pub(in crate::disk) fn set_max_bytes(&mut self, max_bytes: u64) {
        self.budget.max_bytes = max_bytes;
        self.shrink();
    }

    /// Sets what each namespace may take, and evicts what is more.
    pub(in crate::disk) fn set_shares(&mut self, shares: &HashMap<Arc<str>, u64>) {
        let mut departed = Departed::new();
        self.lru.set_shares(shares, &mut departed);
        self.depart(departed);
    }

    /// Returns what a namespace has.
    pub(in crate::disk) fn holding(&self, namespace: &str) -> Holding {
        self.lru.holding(namespace)
    }

    /// Lists the namespaces that have entries or a share.
    pub(in crate::disk) fn namespaces(&self) -> Vec<(Arc<str>, Holding)> {
        self.lru.namespaces().map(|(name, holding)| (Arc::clone(name), holding)).collect()
    }

    pub(super) fn share(&self, namespace: &str) -> u64 {
        self.holding(namespace).max_bytes(u64::MAX)
    }

    pub(super) fn taken(&self) -> u64 {
        self.lru.bytes() + self.budget.taken()
    }

    pub(super) fn free(&self) -> u64 {
        self.budget.max_bytes.saturating_sub(self.taken())
    }

    pub(super) fn shrink(&mut self) {
        while self.taken() - self.budget.wasted() > self.budget.max_bytes
            && (self.evict() || self.budget.empty_quarantine())
        {}
    }

    fn evict(&mut self) -> bool {
        let mut departed = Departed::new();
        let was_there = self.lru.evict(Cause::SizeBytes, &mut departed);
        self.depart(departed);
        was_there
    }

    fn evict_of(&mut self, namespace: &str) -> bool {
        let mut departed = Departed::new();
        let was_there = self.lru.evict_of(namespace, Cause::SizeBytes, &mut departed);
        self.depart(departed);
        was_there
    }
}
