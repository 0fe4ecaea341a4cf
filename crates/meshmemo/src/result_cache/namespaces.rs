//! The counters, of everything and of each namespace, and what each may have of memory.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::ResultCache;
use crate::cache::Removed;
use crate::result_stats::{Counters, NamespaceStats, ResultStats};

impl ResultCache {
    /// Returns all counters.
    pub fn stats(&self) -> ResultStats {
        let tiers = self.inner.tiers.iter().map(|tier| (tier.name(), tier.stats())).collect();
        let memory = self.inner.memory.stats();
        ResultStats { requests: self.inner.counters.lock().total.clone(), memory, tiers }
    }

    /// Returns the counters of one namespace: zeros, where it is not known.
    pub fn stats_of(&self, namespace: &str) -> NamespaceStats {
        let memory = self.inner.memory.holding(namespace);
        NamespaceStats { memory, ..self.inner.counters.lock().of(namespace) }
    }

    /// Lists the namespaces that have been asked for anything or have anything in memory.
    pub fn namespaces(&self) -> Vec<Arc<str>> {
        let in_memory = self.inner.memory.namespaces().into_iter().map(|(name, _)| name);
        let counted = self.inner.counters.lock().names();
        in_memory.chain(counted).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Sets what the entries of each namespace may take of memory, and evicts before it returns what
    /// no longer fits; a namespace that is not named may have everything.
    pub fn set_shares(&self, shares: &HashMap<Arc<str>, u64>) -> Removed {
        self.inner.memory.set_shares(shares)
    }

    /// Sets all counters to zero; entries stay.
    pub fn reset_stats(&self) {
        self.inner.memory.reset_stats();
        self.inner.tiers.iter().for_each(|tier| tier.reset_stats());
        let mut counters = Counters::default();
        for (name, holding) in self.inner.memory.namespaces() {
            counters.see_bytes(&name, holding.bytes);
        }
        *self.inner.counters.lock() = counters;
    }
}
