//! The leader's part of the flow: what one request does for all who ask for the same.
//!
//! 1. [`find_below`]: once more memory, then the lower tiers; a hit back-fills the nearer ones;
//! 2. [`hold_lease`]: among machines, one generates;
//! 3. [`make`](ResultCache::make), in `making.rs`: derived from another variant, or generated;
//! 4. [`store`]: memory, then the tiers that the answer waits for;
//! 5. the flight lands, and all who wait have their answer;
//! 6. [`Afterwards`]: the tiers that the answer does not wait for, then the lease is given back, and peers
//!    are told of what was replaced.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, join_all, select};

use crate::afterwards::Afterwards;
use crate::audience::Audience;
use crate::backend::{Freshness, Request};
use crate::cache::EntryOptions;
use crate::entry::{Entry, Meta, Stored};
use crate::error::{Error, ErrorKind, Result};
use crate::flight::Guard;
use crate::guarded_tier::GuardedTier;
use crate::key::Key;
use crate::lease::{Acquired, Released};
use crate::limits::{LEASE_ROUNDS_MAX, LEASE_WAIT_MAX, TIER_WRITE_MAX};
use crate::published::{Published, Source};
use crate::result_cache::{MEMORY, ResultCache};
use crate::selector::{Filter, Selector};
use crate::ticket::{Subject, Ticket};
use crate::tier::{Address, MissReason, Writing};

/// The work of a flight, on its way to become a task.
#[derive(Debug)]
pub(crate) struct Leader {
    cache: ResultCache,
    guard: Guard<Key, Result<Published>>,
    request: Request,
    on_behalf_of: Option<Key>,
}

impl Leader {
    pub(crate) fn new(
        cache: ResultCache,
        guard: Guard<Key, Result<Published>>,
        request: Request,
        on_behalf_of: Option<Key>,
    ) -> Self {
        Self { cache, guard, request, on_behalf_of }
    }

    /// Runs to the end whoever leaves. What is abandoned rather than failed, a waiter takes over.
    pub(crate) async fn run(self) {
        let Self { cache, guard, request, on_behalf_of } = self;
        let subject =
            Subject { identity: Arc::clone(&request.identity), label: request.label.clone() };
        let ticket = cache.inner.tickets.register(request.key(), Some(subject), guard.ticket());
        let mut afterwards = Afterwards::default();
        let audience = guard.audience();
        let work = cache.lead(&request, (&ticket, &audience), on_behalf_of, &mut afterwards);
        match AssertUnwindSafe(work).catch_unwind().await {
            Ok(Err(error))
                if matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::NotCached) =>
            {
                drop(guard);
            }
            Ok(result) => guard.land(result),
            Err(_panic) => {
                let message = "the generation ended in a panic";
                guard.land(Err(Error::new(ErrorKind::BackendFailed, message)));
            }
        }
        cache.finish(afterwards, &ticket).await;
    }
}

impl ResultCache {
    async fn lead(
        &self,
        request: &Request,
        (ticket, audience): (&Ticket, &Audience),
        on_behalf_of: Option<Key>,
        afterwards: &mut Afterwards,
    ) -> Result<Published> {
        let is_refresh = request.freshness == Freshness::Refresh;
        let is_derived = request.generation.variants().source_of(&request.variant).is_some();
        if !is_refresh && let Some(found) = self.find_below(request, ticket, afterwards).await {
            return Ok(found);
        }
        if !is_derived
            && request.freshness != Freshness::OnlyIfCached
            && let Some(found) = self.hold_lease(request, (ticket, audience), afterwards).await?
        {
            return Ok(found);
        }
        let made = self.make(request, audience).await?;
        let replacing = if is_refresh { Replacing::Yes } else { Replacing::No };
        let is_source_replaced = is_refresh && !made.is_derived;
        // Before, or a process that ends in between leaves them; and after, as somebody may have
        // derived one in between.
        if is_source_replaced {
            self.remove_derived(request, on_behalf_of).await;
        }
        let is_stored = self.store(&made.entry, replacing, ticket, afterwards).await;
        if is_source_replaced {
            self.remove_derived(request, on_behalf_of).await;
        }
        if is_refresh {
            afterwards.replaced = Some(Filter::replaced_by(made.entry.meta()));
        }
        let source = match made.source {
            Source::Generated { .. } => Source::Generated { is_stored },
            source => source,
        };
        let (queue, generate) = (made.queue, made.generate);
        Ok(Published { stored: made.entry, source, queue, generate })
    }

    /// Looks in memory once more (the previous flight may have landed since the first look), then
    /// in the lower tiers.
    async fn find_below(
        &self,
        request: &Request,
        ticket: &Ticket,
        afterwards: &mut Afterwards,
    ) -> Option<Published> {
        let key = request.key();
        if let Some(entry) = self.inner.memory.hit(self.inner.memory.hash(&key), &key) {
            return Some(Published::found(entry, MEMORY));
        }
        for (depth, tier) in self.inner.tiers.iter().enumerate() {
            let Ok(stored) = tier.open(Address::Key(key)).await else { continue };
            let meta = stored.meta();
            if meta.key != key || meta.is_expired(self.inner.clock.wall()) {
                tier.count_miss(MissReason::Expired);
                continue;
            }
            if meta.size_bytes > self.inner.memory.config().max_bytes {
                if tier.verify_beginning(&*stored).await.is_some() {
                    return Some(Published::found(stored, tier.name()));
                }
                continue;
            }
            if let Some(entry) = tier.read(&*stored).await {
                let entry = Arc::new(entry);
                self.keep_in_memory(&entry, ticket);
                let nearer = self.inner.tiers[..depth].iter().filter(|tier| tier.is_written());
                let nearer = nearer.map(Arc::clone);
                afterwards.writes.extend(nearer.map(|tier| (Arc::clone(&entry), tier)));
                return Some(Published::found(entry, tier.name()));
            }
        }
        None
    }

    /// Waits for the key's lease, and then looks in the tiers once more: its last holder may have
    /// published. Without leases, or if they fail, single-flight holds on this machine.
    ///
    /// # Errors
    /// `Cancelled` if nobody waits any more.
    async fn hold_lease(
        &self,
        request: &Request,
        (ticket, audience): (&Ticket, &Audience),
        afterwards: &mut Afterwards,
    ) -> Result<Option<Published>> {
        let Some(lease) = &self.inner.lease else { return Ok(None) };
        let is_refresh = request.freshness == Freshness::Refresh;
        for _ in 0..LEASE_ROUNDS_MAX {
            let acquiring = self.bounded(LEASE_WAIT_MAX, lease.acquire(request.key()));
            let acquired = match select(pin!(acquiring), pin!(audience.left())).await {
                Either::Left((acquired, _)) => acquired,
                Either::Right(((), _)) => {
                    let message = "nobody waits any more for what another machine generates";
                    return Err(Error::new(ErrorKind::Cancelled, message));
                }
            };
            let found = match &acquired {
                None | Some(Err(_) | Ok(Acquired::Exempt)) => return Ok(None),
                // What was generated elsewhere meanwhile is not what it wants.
                Some(Ok(_)) if is_refresh => None,
                Some(Ok(_)) => self.find_below(request, ticket, afterwards).await,
            };
            match (acquired, found) {
                (Some(Ok(Acquired::Held(held))), None) => {
                    afterwards.lease = Some(held);
                    return Ok(None);
                }
                (Some(Ok(Acquired::Held(held))), found) => {
                    self.bounded(TIER_WRITE_MAX, held.release(Released::Published)).await;
                    return Ok(found);
                }
                // It was waited for, and is no hit.
                (_, Some(found)) => {
                    return Ok(Some(Published { source: Source::GeneratedElsewhere, ..found }));
                }
                (_, None) => {}
            }
        }
        Ok(None)
    }

    /// Keeps a new entry; returns whether it is kept as durably as configured. The tiers that the
    /// answer waits for have [`store_wait`](crate::ResultCacheBuilder::store_wait) to do it, and
    /// go on afterwards if that was not enough.
    async fn store(
        &self,
        entry: &Arc<Entry>,
        replacing: Replacing,
        ticket: &Ticket,
        afterwards: &mut Afterwards,
    ) -> bool {
        let mut is_stored = self.keep_in_memory(entry, ticket);
        let is_awaited = |tier: &&Arc<GuardedTier>| tier.writing == Writing::Awaited;
        let written = self.inner.tiers.iter().filter(|tier| tier.is_written());
        let (awaited, behind): (Vec<_>, Vec<_>) = written.partition(is_awaited);
        if !awaited.is_empty() {
            let writes = awaited.into_iter().map(|tier| {
                let write = put(Arc::clone(tier), Arc::clone(entry), replacing, ticket.clone());
                select(write, self.inner.spawn.sleep(self.inner.store_wait))
            });
            is_stored = false;
            for write in join_all(writes).await {
                match write {
                    Either::Left((is_kept, _)) => is_stored |= is_kept,
                    Either::Right(((), unfinished)) => afterwards.unfinished.push(unfinished),
                }
            }
        }
        let behind = behind.into_iter().map(|tier| (Arc::clone(entry), Arc::clone(tier)));
        afterwards.writes.extend(behind);
        if !is_stored {
            self.count(&entry.meta().identity.namespace, |stats| stats.unstored += 1);
        }
        is_stored
    }

    /// Returns whether the entry is in memory now.
    pub(crate) fn keep_in_memory(&self, entry: &Arc<Entry>, ticket: &Ticket) -> bool {
        let Meta { key, digest, cost, .. } = *entry.meta();
        let namespace = entry.meta().identity.namespace.as_str();
        let options = EntryOptions::new().cost(cost.as_secs_f64());
        let options = match entry.meta().ttl(self.inner.clock.wall()) {
            Some(ttl) => options.ttl(ttl),
            None => options.without_ttl(),
        };
        let memory = &self.inner.memory;
        self.inner.digests.lock().add(&namespace.into(), digest, key);
        let outcome =
            memory.publish(memory.hash(&key), key, Arc::clone(entry), options, Some(ticket));
        if !outcome.is_stored() {
            self.inner.digests.lock().remove(namespace, &digest, &key);
        }
        let held_bytes = memory.holding(namespace).bytes;
        self.inner.counters.lock().see_bytes(namespace, held_bytes);
        outcome.is_stored()
    }

    /// Removes the variants that were derived from what a refresh has replaced, but for the one
    /// that it was replaced for.
    async fn remove_derived(&self, request: &Request, on_behalf_of: Option<Key>) {
        for variant in request.generation.variants().derived {
            let key = request.generation_key.key(variant);
            if Some(key) != on_behalf_of {
                self.remove(Selector::Key(key)).await;
            }
        }
    }

    /// Runs what stands outside of the process; `None` if it takes too long.
    pub(crate) async fn bounded<T>(&self, limit: Duration, work: BoxFuture<'_, T>) -> Option<T> {
        match select(work, self.inner.spawn.sleep(limit)).await {
            Either::Left((output, _)) => Some(output),
            Either::Right(((), _)) => None,
        }
    }
}

/// Whether an entry takes the place of one that is out of date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Replacing {
    Yes,
    No,
}

fn put(
    tier: Arc<GuardedTier>,
    entry: Arc<Entry>,
    replacing: Replacing,
    ticket: Ticket,
) -> BoxFuture<'static, bool> {
    async move {
        let replaced = Selector::Matching(Filter::replaced_by(entry.meta()));
        let is_kept = tier.put(entry, ticket).await;
        if !is_kept && replacing == Replacing::Yes {
            // Or the old one would be served once memory has let the new one go.
            let _counted = tier.remove(replaced).await;
        }
        is_kept
    }
    .boxed()
}
