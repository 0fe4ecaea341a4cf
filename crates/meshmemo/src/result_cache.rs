//! [`ResultCache`]: generate once, serve for ever. The flow of one request:
//!
//! 1. memory;
//! 2. the flight: one request leads, the others wait for it;
//! 3. the leader's part, as a task of the cache and not of a client ([`leader`](crate::leader)):
//!    slower tiers, lease, backend, validation, store;
//! 4. what the flight brought, and what that makes of this request.
//!
//! A client that leaves ends nothing but its own wait.

mod builder;
mod listing;
mod namespaces;
mod removal;
mod warm;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::afterwards::WritingBehind;
use crate::audience::Progress;
use crate::backend::{Freshness, Request};
use crate::cache::{Cache, Removed};
use crate::clock::Clock;
use crate::digest_index::DigestIndex;
use crate::entry::{Entry, Meta, Stored};
use crate::error::{Error, ErrorKind, Result};
use crate::flight::{Flights, Follower, Joined, Landing};
use crate::guarded_tier::GuardedTier;
use crate::key::{Digest, Key};
use crate::leader::Leader;
use crate::lease::Lease;
use crate::limits::{Limits, REFUSALS_MAX, SAME_BYTES_MAX, TAKEOVERS_MAX};
use crate::outcome::{Outcome, Served, Timings};
use crate::peers::Peers;
use crate::published::{Published, Role};
use crate::result_stats::{Counters, RequestStats};
use crate::scope::Scope;
use crate::spawn::Spawn;
use crate::sync::Mutex;
use crate::ticket::Tickets;
use crate::tier::Address;
pub use builder::ResultCacheBuilder;
pub use listing::{Listing, TierReport};
pub use removal::Removal;
pub use warm::{Warm, Warmed};

/// The name under which memory appears beside the lower tiers.
pub(crate) const MEMORY: &str = "memory";

/// Keeps the results of generations in memory and in lower tiers, and generates what none has.
/// Clones share it.
#[derive(Clone)]
pub struct ResultCache {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) memory: Cache<Key, Arc<Entry>>,
    pub(crate) digests: Arc<Mutex<DigestIndex>>,
    pub(crate) tiers: Vec<Arc<GuardedTier>>,
    pub(crate) lease: Option<Arc<dyn Lease>>,
    pub(crate) peers: Option<Arc<dyn Peers>>,
    pub(crate) flights: Flights<Key, Result<Published>>,
    pub(crate) tickets: Tickets,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) spawn: Arc<dyn Spawn>,
    pub(crate) store_wait: Duration,
    pub(crate) writing_behind: WritingBehind,
    pub(crate) counters: Arc<Mutex<Counters>>,
}

impl ResultCache {
    /// Returns the model that `request` asks for, from the nearest tier that has it or from its
    /// generation.
    ///
    /// Cancel safe: a generation that has begun goes on and is kept.
    ///
    /// # Errors
    /// What the generation failed with; all who waited for it get the same. `NotCached` if nothing
    /// was to be generated. `Shutdown` if the process takes no new work. A lower tier that fails
    /// is no error but a counted miss.
    pub async fn get_or_generate(&self, request: Request) -> Result<Served> {
        let started_at = self.inner.clock.now();
        let freshness = request.freshness;
        let identity = Arc::clone(&request.identity);
        let departure = Departure::new(self, &identity.namespace, freshness);
        let (role, result) = self.resolve(request, None, &departure.role).await;
        departure.cancel();
        let elapsed = self.inner.clock.now().saturating_sub(started_at);
        self.answer(&identity.namespace, freshness, (role, result), elapsed)
    }

    /// Looks a model of a scope up by the digest of its bytes, and generates nothing.
    pub async fn find(&self, digest: Digest, scope: &Scope) -> Option<Arc<dyn Stored>> {
        self.find_where(digest, scope, |_| true).await
    }

    /// Looks a model of a scope up by the digest of its bytes, of which an entry must meet a condition;
    /// generates nothing. Of several in a lower tier with the same bytes, a bounded number is looked at.
    pub async fn find_where(
        &self,
        digest: Digest,
        scope: &Scope,
        is_meant: impl Fn(&Meta) -> bool + Send,
    ) -> Option<Arc<dyn Stored>> {
        let keys = self.inner.digests.lock().keys(&digest, scope);
        for key in keys {
            if let Some(entry) = self.look_in_memory(&key)
                && entry.meta().digest == digest
                && is_meant(entry.meta())
            {
                return Some(entry);
            }
        }
        for tier in &self.inner.tiers {
            let mut passed_over = Vec::new();
            while passed_over.len() < SAME_BYTES_MAX {
                let address = Address::Digest(digest, scope.clone(), passed_over.clone());
                let Ok(stored) = tier.open(address).await else { break };
                if is_meant(stored.meta()) {
                    tier.count_hit();
                    return Some(stored);
                }
                passed_over.push(stored.meta().key);
            }
        }
        None
    }

    /// Returns the limits of the memory tier.
    pub fn config(&self) -> Limits {
        self.inner.memory.config()
    }

    /// Sets the limits of the memory tier, and evicts before it returns what no longer fits.
    pub fn reconfigure(&self, limits: Limits) -> Removed {
        self.inner.memory.reconfigure(limits)
    }

    /// Looks whether a model is there, by its key. It is no request and no use of the model: only lower
    /// tiers count it.
    pub async fn peek(&self, key: Key) -> Option<Arc<dyn Stored>> {
        match self.inner.memory.peek(&key) {
            Some(entry) => Some(entry),
            None => self.look_below(key).await.map(|published| published.stored),
        }
    }

    /// Returns how far the generation of a key has got, if one is under way; of what is derived, that of
    /// its source.
    pub fn progress(&self, key: &Key, source: Option<&Key>) -> Option<Progress> {
        let audience = |key: &Key| self.inner.flights.audience(self.inner.memory.hash(key), key);
        let audience = source.and_then(audience).or_else(|| audience(key));
        audience.map(|audience| audience.progress())
    }

    /// Lists the keys that are being looked up in slower tiers or generated right now.
    pub fn in_flight(&self) -> Vec<Key> {
        self.inner.flights.keys()
    }

    /// Counts in the sums, and for a namespace.
    pub(crate) fn count(&self, namespace: &str, count: impl Fn(&mut RequestStats)) {
        self.inner.counters.lock().count(namespace, count);
    }

    /// Walks a request through steps 1 to 3 until it has an answer. `on_behalf_of` names the
    /// variant for which its source is asked for; `joined` is told which part the request has.
    ///
    /// Boxed, because a leader asks for the source of its variant in the same way.
    pub(crate) fn resolve<'a>(
        &'a self,
        request: Request,
        on_behalf_of: Option<Key>,
        joined: &'a Mutex<Option<Role>>,
    ) -> BoxFuture<'a, (Role, Result<Published>)> {
        async move {
            if request.freshness == Freshness::Bypass {
                *joined.lock() = Some(Role::Leader);
                return (Role::Leader, self.bypass(request).await);
            }
            let key = request.key();
            let (mut takeovers, mut refusals) = (0, 0);
            while takeovers <= TAKEOVERS_MAX && refusals <= REFUSALS_MAX {
                if request.freshness != Freshness::Refresh
                    && let Some(entry) = self.look_in_memory(&key)
                {
                    return (Role::Follower, Ok(Published::found(entry, MEMORY)));
                }
                let (role, follower) = match self.join(key, &request, on_behalf_of) {
                    Ok(joined) => joined,
                    Err(error) => return (Role::Leader, Err(error)),
                };
                *joined.lock() = Some(role);
                let is_only_if_cached = request.freshness == Freshness::OnlyIfCached;
                if is_only_if_cached && role == Role::Follower {
                    // The flight may be a generation: it is not for this request to wait for.
                    let found = self.look_below(key).await;
                    return (role, found.ok_or_else(not_cached));
                }
                match follower.await {
                    Landing::Brought(result) if role.accepts(request.freshness, &result) => {
                        return (role, Result::clone(&result));
                    }
                    Landing::Abandoned if is_only_if_cached => return (role, Err(not_cached())),
                    // Who was refused leads no more, so that these come to an end.
                    Landing::Brought(result) if is_of_one_caller(&result) => refusals += 1,
                    Landing::Brought(_) | Landing::Abandoned => takeovers += 1,
                }
            }
            let message = "the generation was given up again and again";
            (Role::Follower, Err(Error::new(ErrorKind::Cancelled, message)))
        }
        .boxed()
    }

    /// Joins the key's flight; a leader's work is started as a task of the cache.
    fn join(
        &self,
        key: Key,
        request: &Request,
        on_behalf_of: Option<Key>,
    ) -> Result<(Role, Follower<Key, Result<Published>>)> {
        match self.inner.flights.join(self.inner.memory.hash(&key), &key) {
            Joined::Follower(follower) => Ok((Role::Follower, follower)),
            Joined::Leader(guard) => {
                let follower = guard.follower();
                let leader = Leader::new(self.clone(), guard, request.clone(), on_behalf_of);
                self.inner.spawn.spawn(leader.run().boxed())?;
                Ok((Role::Leader, follower))
            }
        }
    }

    /// Has a result made that nobody else gets, as a task of the cache all the same: work that has
    /// begun goes on, and keeps its place until it ends.
    async fn bypass(&self, request: Request) -> Result<Published> {
        let key = request.key();
        let guard = self.inner.flights.alone(self.inner.memory.hash(&key), key);
        let follower = guard.follower();
        let cache = self.clone();
        self.inner.spawn.spawn(
            async move {
                let made = cache.make_unkept(&request, &guard.audience()).await;
                guard.land(made);
            }
            .boxed(),
        )?;
        match follower.await {
            Landing::Brought(result) => Result::clone(&result),
            Landing::Abandoned => {
                Err(Error::new(ErrorKind::BackendFailed, "the generation ended in a panic"))
            }
        }
    }

    /// Looks a key up in memory; what is there is used in the tiers below it too, or the disk
    /// would evict what memory answers for.
    pub(crate) fn look_in_memory(&self, key: &Key) -> Option<Arc<Entry>> {
        let entry = self.inner.memory.get(key)?;
        self.inner.tiers.iter().for_each(|tier| tier.touch(*key));
        Some(entry)
    }

    /// Looks a key up in the lower tiers, for a request that keeps out of flights.
    async fn look_below(&self, key: Key) -> Option<Published> {
        for tier in &self.inner.tiers {
            if let Ok(stored) = tier.open(Address::Key(key)).await {
                tier.count_hit();
                return Some(Published::found(stored, tier.name()));
            }
        }
        None
    }

    /// Says what the flight's end makes of this request, and counts it.
    fn answer(
        &self,
        namespace: &str,
        freshness: Freshness,
        (role, result): (Role, Result<Published>),
        elapsed: Duration,
    ) -> Result<Served> {
        let source = result.as_ref().ok().map(|published| published.source);
        let outcome = role.outcome(freshness, source);
        let is_saved =
            matches!(outcome, Outcome::Hit { .. } | Outcome::Derived | Outcome::Coalesced);
        let saved = result.as_ref().ok().filter(|_| is_saved);
        let saved = saved.map_or(Duration::ZERO, |published| published.stored.meta().cost);
        self.count(namespace, |stats| {
            stats.count(outcome);
            stats.saved_time = stats.saved_time.saturating_add(saved);
        });
        let published = result?;
        let (queue, generate) = match outcome {
            Outcome::Miss { .. } | Outcome::Bypass { .. } => (published.queue, published.generate),
            _ => (Duration::ZERO, Duration::ZERO),
        };
        let lookup = elapsed.saturating_sub(queue + generate);
        let timings = Timings { lookup, queue, generate };
        Ok(Served { stored: published.stored, outcome, timings })
    }
}

/// Counts a request whose caller leaves before its answer, as what it was on the way to.
struct Departure<'a> {
    cache: &'a ResultCache,
    namespace: &'a str,
    freshness: Freshness,
    role: Mutex<Option<Role>>,
}

impl<'a> Departure<'a> {
    fn new(cache: &'a ResultCache, namespace: &'a str, freshness: Freshness) -> Self {
        Self { cache, namespace, freshness, role: Mutex::new(None) }
    }

    /// The caller has stayed: the answer is counted instead.
    fn cancel(&self) {
        *self.role.lock() = None;
    }
}

impl Drop for Departure<'_> {
    fn drop(&mut self) {
        if let Some(role) = self.role.lock().take() {
            let outcome = role.outcome(self.freshness, None);
            self.cache.count(self.namespace, |stats| stats.count(outcome));
        }
    }
}

fn is_of_one_caller(result: &Result<Published>) -> bool {
    result.as_ref().is_err_and(|error| error.kind().is_of_one_caller())
}

fn not_cached() -> Error {
    let message = "the model is not in the cache, and was not to be generated";
    Error::new(ErrorKind::NotCached, message)
}

impl fmt::Debug for ResultCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResultCache")
            .field("memory", &self.inner.memory)
            .field("tiers", &self.inner.tiers)
            .finish_non_exhaustive()
    }
}
