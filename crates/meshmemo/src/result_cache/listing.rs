//! What there is: the entries of all tiers together, and how each lower tier is.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::{MEMORY, ResultCache};
use crate::cache::EntryInfo;
use crate::entry::{Entry, Stored};
use crate::guarded_tier::TierStats;
use crate::key::Key;
use crate::scope::Scope;
use crate::summary::Summary;
use crate::tier::{Mode, TierStatus, Writing};

/// An entry, wherever it lies.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Listing {
    /// What is known of it.
    pub summary: Arc<Summary>,
    /// The nearest tier that has it.
    pub tier: &'static str,
    /// How often it was used.
    pub hits: u64,
    /// When it was last used, since the Unix epoch; `None` for one that is in memory only.
    pub last_used: Option<Duration>,
    /// Whether a tier has it that makes entries durable.
    pub is_durable: bool,
}

/// A lower tier: how it is, what it holds, and what it was asked.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TierReport {
    /// Its name.
    pub name: &'static str,
    /// How it is and what it holds.
    pub status: TierStatus,
    /// What it was asked.
    pub stats: TierStats,
    /// Whether a circuit breaker keeps calls away from it.
    pub is_breaker_open: bool,
    /// What it is used for.
    pub mode: Mode,
}

impl ResultCache {
    /// Lists the entries of a scope that are in memory, the most recently used first.
    pub fn entries(&self, scope: &Scope) -> Vec<EntryInfo<Key, Arc<Entry>>> {
        match scope {
            Scope::All => self.inner.memory.entries(),
            Scope::Namespace(name) => self.inner.memory.entries_of(name),
        }
    }

    /// Lists the entries of a scope in all tiers, each once: those in memory first, the most recently used
    /// first among them, and then the others by their last use.
    pub async fn list(&self, scope: &Scope) -> Vec<Listing> {
        self.list_from(scope, |_| true).await
    }

    /// Lists the entries of a scope in memory and in the lower tiers that `is_meant` accepts by their names.
    pub async fn list_from(
        &self,
        scope: &Scope,
        is_meant: impl Fn(&str) -> bool + Send + Sync,
    ) -> Vec<Listing> {
        let mut listings: Vec<_> = self.entries(scope).iter().map(in_memory).collect();
        let mut known: HashMap<Key, usize> =
            listings.iter().enumerate().map(|(at, listing)| (listing.summary.key, at)).collect();
        for tier in self.inner.tiers.iter().filter(|tier| is_meant(tier.name())) {
            let is_durable = tier.writing == Writing::Awaited;
            for listed in tier.list(scope).await {
                let at = *known.entry(listed.summary.key).or_insert(listings.len());
                if at == listings.len() {
                    listings.push(Listing {
                        summary: listed.summary,
                        tier: tier.name(),
                        hits: 0,
                        last_used: None,
                        is_durable: false,
                    });
                }
                let listing = &mut listings[at];
                listing.hits = listing.hits.max(listed.hits);
                listing.last_used = listing.last_used.max(Some(listed.last_used));
                listing.is_durable |= is_durable;
            }
        }
        let memory_count = listings.iter().take_while(|listing| listing.tier == MEMORY).count();
        listings[memory_count..].sort_by_key(|listing| std::cmp::Reverse(listing.last_used));
        listings
    }

    /// Reports on each lower tier, nearest first.
    pub fn tiers(&self) -> Vec<TierReport> {
        let report = |tier: &Arc<crate::guarded_tier::GuardedTier>| TierReport {
            name: tier.name(),
            status: tier.status(),
            stats: tier.stats(),
            is_breaker_open: tier.is_breaker_open(),
            mode: tier.mode,
        };
        self.inner.tiers.iter().map(report).collect()
    }
}

fn in_memory(entry: &EntryInfo<Key, Arc<Entry>>) -> Listing {
    Listing {
        summary: Arc::new(Summary::from(entry.value.meta())),
        tier: MEMORY,
        hits: entry.access_count,
        last_used: None,
        is_durable: false,
    }
}
