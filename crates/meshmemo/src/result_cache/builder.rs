//! How a [`ResultCache`] is described before it is built.

use std::sync::Arc;
use std::time::Duration;

use super::{Inner, ResultCache};
use crate::afterwards::WritingBehind;
use crate::cache::{Cache, Policy};
use crate::clock::{Clock, SystemClock};
use crate::digest_index::DigestIndex;
use crate::entry::{Entry, Meta, Stored};
use crate::flight::Flights;
use crate::guarded_tier::GuardedTier;
use crate::key::Key;
use crate::lease::Lease;
use crate::limits::{Limits, STORE_WAIT};
use crate::peers::Peers;
use crate::result_stats::Counters;
use crate::spawn::Spawn;
use crate::stats::Cause;
use crate::sync::Mutex;
use crate::ticket::Tickets;
use crate::tier::{Tier, TierOptions};

/// Describes a [`ResultCache`]; without more it has memory only, and bounds nothing.
#[derive(Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct ResultCacheBuilder {
    spawn: Arc<dyn Spawn>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    policy: Policy,
    tiers: Vec<(&'static str, Arc<dyn Tier>, TierOptions)>,
    lease: Option<Arc<dyn Lease>>,
    peers: Option<Arc<dyn Peers>>,
    store_wait: Duration,
}

impl ResultCache {
    /// Starts the description of a result cache, whose tasks `spawn` runs.
    pub fn builder(spawn: Arc<dyn Spawn>) -> ResultCacheBuilder {
        ResultCacheBuilder {
            spawn,
            clock: Arc::new(SystemClock::new()),
            limits: Limits::UNLIMITED,
            policy: Policy::default(),
            tiers: Vec::new(),
            lease: None,
            peers: None,
            store_wait: STORE_WAIT,
        }
    }
}

impl ResultCacheBuilder {
    /// Bounds the memory tier, and sets how long results live: in every tier.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Chooses which entry leaves memory when room is needed.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Adds a tier below those already there, under the name that outcomes, metrics and health
    /// show.
    pub fn tier(
        mut self,
        name: &'static str,
        tier: Arc<dyn Tier>,
        options: impl Into<TierOptions>,
    ) -> Self {
        self.tiers.push((name, tier, options.into()));
        self
    }

    /// Makes one generation per key hold among all who share the leases.
    pub fn lease(mut self, lease: Arc<dyn Lease>) -> Self {
        self.lease = Some(lease);
        self
    }

    /// Makes removals hold for those too who keep entries of the same cache elsewhere.
    pub fn peers(mut self, peers: Arc<dyn Peers>) -> Self {
        self.peers = Some(peers);
        self
    }

    /// Sets how long the answer to a miss waits for the tiers that make it durable.
    pub fn store_wait(mut self, store_wait: Duration) -> Self {
        self.store_wait = store_wait;
        self
    }

    /// Sets where time comes from; without it, the operating system.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Builds the cache.
    pub fn build(self) -> ResultCache {
        let Self { spawn, clock, limits, policy, tiers, lease, peers, store_wait } = self;
        let digests = Arc::new(Mutex::new(DigestIndex::default()));
        let counters = Arc::new(Mutex::new(Counters::default()));
        let guard = |(name, tier, options)| {
            let (clock, spawn) = (Arc::clone(&clock), Arc::clone(&spawn));
            Arc::new(GuardedTier::new(name, tier, options, clock, spawn))
        };
        let inner = Inner {
            memory: memory(limits, policy, &clock, (&digests, &counters)),
            digests,
            tiers: tiers.into_iter().map(guard).collect(),
            lease,
            peers,
            flights: Flights::new(),
            tickets: Tickets::default(),
            clock,
            spawn,
            store_wait,
            writing_behind: WritingBehind::default(),
            counters,
        };
        ResultCache { inner: Arc::new(inner) }
    }
}

/// Builds the memory tier, whose departures the digest index and the counters follow.
fn memory(
    limits: Limits,
    policy: Policy,
    clock: &Arc<dyn Clock>,
    (digests, counters): (&Arc<Mutex<DigestIndex>>, &Arc<Mutex<Counters>>),
) -> Cache<Key, Arc<Entry>> {
    let (digests, counters) = (Arc::clone(digests), Arc::clone(counters));
    Cache::builder()
        .limits(limits)
        .policy(policy)
        .clock(Arc::clone(clock))
        .weigher(|_, entry: &Arc<Entry>| entry.meta().size_bytes)
        .namespace_of(|_, entry| entry.meta().identity.namespace.as_str().into())
        .on_remove(move |key, entry: &Arc<Entry>, cause: Cause| {
            let Meta { digest, identity, .. } = entry.meta();
            digests.lock().remove(&identity.namespace, digest, key);
            counters.lock().count_removal(&identity.namespace, cause);
        })
        .build()
}
