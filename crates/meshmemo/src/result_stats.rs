//! The counters of a [`ResultCache`](crate::ResultCache): what its requests came to.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::Generated;
use crate::error::Result;
use crate::guarded_tier::TierStats;
use crate::limits::NAMESPACES_COUNTED_MAX;
use crate::memory::Holding;
use crate::outcome::Outcome;
use crate::stats::{Cause, Removals, Stats, hit_rate};

/// The counters of a result cache since it was built or reset. Every request is counted once, as a
/// hit, coalesced, a miss or a bypass; one that fails, or whose caller leaves before the answer,
/// counts as what it was on the way to.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct ResultStats {
    /// What the requests came to.
    pub requests: RequestStats,
    /// The memory tier.
    pub memory: Stats,
    /// The lower tiers, nearest first.
    pub tiers: Vec<(&'static str, TierStats)>,
}

/// The counters of one namespace. Those of its requests are exact; what leaves memory is noted
/// right after it has left.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct NamespaceStats {
    /// What its requests came to.
    pub requests: RequestStats,
    /// Its entries that left memory, by cause.
    pub removals: Removals,
    /// What it has in memory now.
    pub memory: Holding,
    /// The most that its entries in memory weighed together, as seen after each that came in.
    pub max_bytes_seen: u64,
}

/// What the requests to a result cache came to.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct RequestStats {
    /// Requests answered without waiting for a generation, by the tier that had the answer.
    pub hits_by_tier: Vec<(&'static str, u64)>,
    /// Requests answered by deriving the variant from another one in the cache.
    pub derived_hits: u64,
    /// Requests answered by a generation that another request began.
    pub coalesced: u64,
    /// Requests that found nothing: they began a generation, unless it was not wanted.
    pub misses: u64,
    /// Requests that did not want the cache.
    pub bypasses: u64,
    /// Generations that ended well.
    pub generations: u64,
    /// Generations that failed, or whose result was not a complete model.
    pub generation_failures: u64,
    /// Variants derived from another one.
    pub derivations: u64,
    /// Time that the generations which ended well took.
    pub generation_time: Duration,
    /// Generation time that answers from the cache did not take again.
    pub saved_time: Duration,
    /// Results that no tier kept, though the request allowed it.
    pub unstored: u64,
    /// Writes to slower tiers that were left out because too many were waiting.
    pub writes_dropped: u64,
}

impl RequestStats {
    /// Returns how many requests were answered without waiting for a generation.
    pub fn hits(&self) -> u64 {
        self.hits_by_tier.iter().map(|(_, hits)| hits).sum::<u64>() + self.derived_hits
    }

    /// Returns how many requests there were.
    pub fn lookups(&self) -> u64 {
        self.hits() + self.coalesced + self.misses + self.bypasses
    }

    /// Returns `(hits + coalesced) / (lookups − bypasses)`, from 0 to 1; 0 for none.
    pub fn hit_rate(&self) -> f64 {
        hit_rate(self.hits() + self.coalesced, self.lookups() - self.bypasses)
    }

    pub(crate) fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Hit { tier } => {
                match self.hits_by_tier.iter_mut().find(|(name, _)| *name == tier) {
                    Some((_, hits)) => *hits += 1,
                    None => self.hits_by_tier.push((tier, 1)),
                }
            }
            Outcome::Derived => self.derived_hits += 1,
            Outcome::Miss { .. } => self.misses += 1,
            Outcome::Coalesced => self.coalesced += 1,
            Outcome::Bypass { .. } => self.bypasses += 1,
        }
    }

    pub(crate) fn count_generation(&mut self, generated: &Result<Generated>) {
        match generated {
            Ok(generated) => {
                self.generations += 1;
                self.generation_time += generated.cost;
            }
            // Who was sent away before the work began is no failed generation.
            Err(error) if error.kind().is_before_work() => {}
            Err(_) => self.generation_failures += 1,
        }
    }
}

/// The counters of all requests, and of each namespace's.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) total: RequestStats,
    namespaces: HashMap<Arc<str>, NamespaceStats>,
}

impl Counters {
    /// Counts in the sums, and for a namespace.
    pub(crate) fn count(&mut self, namespace: &str, count: impl Fn(&mut RequestStats)) {
        count(&mut self.total);
        if let Some(stats) = self.namespace(namespace) {
            count(&mut stats.requests);
        }
    }

    /// Counts an entry of a namespace that left memory.
    pub(crate) fn count_removal(&mut self, namespace: &str, cause: Cause) {
        if let Some(stats) = self.namespace(namespace) {
            stats.removals.count(cause);
        }
    }

    /// Notes what a namespace has in memory.
    pub(crate) fn see_bytes(&mut self, namespace: &str, bytes: u64) {
        if let Some(stats) = self.namespace(namespace) {
            stats.max_bytes_seen = stats.max_bytes_seen.max(bytes);
        }
    }

    /// Returns the counters of a namespace.
    pub(crate) fn of(&self, namespace: &str) -> NamespaceStats {
        self.namespaces.get(namespace).cloned().unwrap_or_default()
    }

    /// Lists the namespaces that have been counted.
    pub(crate) fn names(&self) -> Vec<Arc<str>> {
        self.namespaces.keys().cloned().collect()
    }

    fn namespace(&mut self, name: &str) -> Option<&mut NamespaceStats> {
        if !self.namespaces.contains_key(name) {
            if self.namespaces.len() >= NAMESPACES_COUNTED_MAX {
                return None;
            }
            self.namespaces.insert(name.into(), NamespaceStats::default());
        }
        self.namespaces.get_mut(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_add_up_and_are_counted_up_to_a_bound() {
        let mut counters = Counters::default();
        for number in 0..NAMESPACES_COUNTED_MAX + 5 {
            counters.count(&number.to_string(), |stats| stats.misses += 1);
        }
        counters.count("0", |stats| stats.misses += 1);
        assert_eq!(counters.names().len(), NAMESPACES_COUNTED_MAX);
        assert_eq!(counters.total.misses, NAMESPACES_COUNTED_MAX as u64 + 6);
        assert_eq!([counters.of("0").requests.misses, counters.of("none").requests.misses], [2, 0]);
    }
}
