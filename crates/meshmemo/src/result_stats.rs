//! The counters of a [`ResultCache`](crate::ResultCache): what its requests came to.

use std::time::Duration;

use crate::guarded_tier::TierStats;
use crate::outcome::Outcome;
use crate::stats::{Stats, hit_rate};

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
}
