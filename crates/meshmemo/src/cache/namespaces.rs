//! What of a cache belongs to each namespace, where its entries have one.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use super::{Cache, EntryInfo, Removed};
use crate::memory::Holding;

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    /// Lists the entries of a namespace, the most recently used first.
    pub(crate) fn entries_of(&self, namespace: &str) -> Vec<EntryInfo<K, V>> {
        self.list(|memory| memory.iter_of(namespace).map(|(_, slot)| slot.into()).collect())
    }

    /// Returns what a namespace has.
    pub(crate) fn holding(&self, namespace: &str) -> Holding {
        self.locked(|memory, _| memory.holding(namespace))
    }

    /// Lists the namespaces that have entries or a share.
    pub(crate) fn namespaces(&self) -> Vec<(Arc<str>, Holding)> {
        self.locked(|memory, _| {
            memory.namespaces().map(|(name, holding)| (Arc::clone(name), holding)).collect()
        })
    }

    /// Sets what the entries of each namespace may weigh together, and evicts before it returns what
    /// no longer fits; a namespace that is not named may have everything.
    pub(crate) fn set_shares(&self, shares: &HashMap<Arc<str>, u64>) -> Removed {
        self.locked(|memory, departed| {
            let before = Removed { entries: memory.len() as u64, bytes: memory.bytes() };
            memory.set_shares(shares, departed);
            before.less(memory.len(), memory.bytes())
        })
    }
}
