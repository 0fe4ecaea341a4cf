//! Removals: from every tier, and from all work that would bring back what was removed.

use std::collections::HashMap;

use super::{Inner, MEMORY, ResultCache};
use crate::cache::Removed;
use crate::entry::Stored;
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::limits::ANNOUNCE_MAX;
use crate::selector::Selector;
use crate::summary::Summary;

/// The name under which peers appear beside the tiers.
const PEERS: &str = "peers";

/// What a removal removed, and which tiers failed to.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Removal {
    /// Entries removed, counted once however many tiers had them.
    pub removed: Removed,
    /// Tiers that could not remove, with their errors, and `peers` that were not told; what they still
    /// hold may come back.
    pub failures: Vec<(&'static str, Error)>,
}

impl ResultCache {
    /// Removes what `selector` selects from every tier, here and at the peers. Generations that run now
    /// will not bring it back.
    pub async fn remove(&self, selector: Selector) -> Removal {
        // Before: who publishes after the removal here has seen what is announced. And after: what a peer
        // has brought nearer in between is gone then.
        let mut told = self.announce(&selector).await;
        let mut removal = self.remove_from(selector.clone(), |_| true).await;
        if told.is_ok() {
            told = self.announce(&selector).await;
        }
        removal.failures.extend(told.err().map(|error| (PEERS, error)));
        removal
    }

    /// Tells the peers of a removal, if there are any.
    pub(crate) async fn announce(&self, selector: &Selector) -> Result<()> {
        let Some(peers) = &self.inner.peers else { return Ok(()) };
        let told = self.bounded(ANNOUNCE_MAX, peers.announce(selector.clone())).await;
        let late = || Error::new(ErrorKind::Storage, format!("peers took over {ANNOUNCE_MAX:?}"));
        told.ok_or_else(late)?
    }

    /// Removes what `selector` selects from the tiers that `is_meant` accepts by their names.
    ///
    /// Work in flight on it is kept in no tier at all, so that it is at most generated again.
    pub async fn remove_from(
        &self,
        selector: Selector,
        is_meant: impl Fn(&str) -> bool + Send + Sync,
    ) -> Removal {
        let removing = self.inner.tickets.begin_removal(&selector);
        self.invalidate(&selector);
        let mut removed = HashMap::new();
        let mut failures = Vec::new();
        for tier in self.inner.tiers.iter().rev().filter(|tier| is_meant(tier.name())) {
            match tier.remove(selector.clone()).await {
                Ok(gone) => removed.extend(gone.iter().map(|gone| (gone.key, gone.size_bytes))),
                Err(error) => failures.push((tier.name(), error)),
            }
        }
        if is_meant(MEMORY) {
            self.remove_from_memory(&selector, &mut removed);
        }
        // What began meanwhile publishes nothing, but may have found what is gone now: nobody joins
        // it after this.
        self.invalidate(&selector);
        drop(removing);
        let bytes = removed.values().sum();
        Removal { removed: Removed { entries: removed.len() as u64, bytes }, failures }
    }

    /// Takes the right to publish from all work on what `selector` selects.
    fn invalidate(&self, selector: &Selector) {
        let Inner { memory, flights, tickets, .. } = &*self.inner;
        match selector {
            Selector::All => flights.invalidate_all(),
            Selector::Key(key) => flights.invalidate(memory.hash(key), key),
            Selector::Matching(_) => {}
        }
        for key in tickets.invalidate(selector) {
            flights.invalidate(memory.hash(&key), &key);
        }
    }

    fn remove_from_memory(&self, selector: &Selector, removed: &mut HashMap<Key, u64>) {
        let memory = &self.inner.memory;
        let selected: Vec<_> = match selector {
            Selector::Key(key) => vec![*key],
            _ => {
                let entries = memory.entries().into_iter();
                let summaries = entries.map(|entry| Summary::from(entry.value.meta()));
                summaries.filter(|it| selector.selects(it)).map(|it| it.key).collect()
            }
        };
        let is_clear = *selector == Selector::All;
        let take = |key| if is_clear { memory.peek(&key) } else { memory.remove(&key) };
        let entries = selected.into_iter().filter_map(take);
        removed.extend(entries.map(|entry| (entry.meta().key, entry.meta().size_bytes)));
        if is_clear {
            memory.clear();
        }
    }
}
