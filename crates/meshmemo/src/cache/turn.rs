//! The steps that the single-flight calls of [`Cache`] are made of, for callers whose loaders can
//! be neither a function nor a future of this process: those of an interpreter, for one.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::thread::ThreadId;
use std::time::Duration;

use super::{Cache, EntryOptions, InsertOutcome};
use crate::flight::{Follower, Guard, Joined, Landing};

/// What a loader brought; an error keeps its type, for the waiters that expect the same.
pub(super) type Loaded<V> = Result<V, Arc<dyn Any + Send + Sync>>;

/// What a caller that asks for a key has to do.
#[derive(Debug)]
pub enum Turn<K: Hash + Eq + Clone, V: Clone> {
    /// Nothing: the value is in.
    Hit(V),
    /// Make the value: nobody else does.
    Lead(Lead<K, V>),
    /// Wait for who makes it now.
    Follow(Follow<K, V>),
}

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    /// Looks the key up, joins its flight, and as a leader looks once more: between the first look
    /// and the flight, the previous one may have landed.
    ///
    /// A look-up counts as a hit or a miss here, and as coalesced or as a bypass where its
    /// [`Follow`] ends.
    pub fn begin(&self, key: &K) -> Turn<K, V> {
        let hash = self.hash(key);
        if let Some(value) = self.hit(hash, key) {
            return Turn::Hit(value);
        }
        match self.inner.flights.join(hash, key) {
            Joined::Leader(guard) => match self.hit(hash, key) {
                Some(value) => Turn::Hit(value),
                None => {
                    self.locked(|memory, _| memory.stats.misses += 1);
                    let started_at = self.inner.clock.exact();
                    Turn::Lead(Lead { cache: self.clone(), key: key.clone(), guard, started_at })
                }
            },
            Joined::Follower(follower) => Turn::Follow(Follow { cache: self.clone(), follower }),
        }
    }

    /// Lets nobody join the flights under way, and lets none of them publish; who leads or follows
    /// one ends it as ever. For a process that was forked: the leaders are in another one.
    pub fn forget_flights(&self) {
        self.inner.flights.invalidate_all();
    }
}

/// The part of a caller that makes a value. Dropping it hands over to a waiter.
pub struct Lead<K: Hash + Eq + Clone, V: Clone> {
    cache: Cache<K, V>,
    key: K,
    pub(super) guard: Guard<K, Loaded<V>>,
    started_at: Duration,
}

impl<K: Hash + Eq + Clone, V: Clone> Lead<K, V> {
    /// Returns a number that no other flight has.
    pub fn flight(&self) -> u64 {
        self.guard.number()
    }

    /// Returns how long ago this began.
    pub fn elapsed(&self) -> Duration {
        self.cache.inner.clock.exact().saturating_sub(self.started_at)
    }

    /// Publishes the value and gives it to all who wait; they get it also if the cache refuses it.
    pub fn keep(self, value: V, options: EntryOptions) -> InsertOutcome {
        let Self { cache, key, guard, .. } = self;
        let hash = cache.hash(&key);
        let outcome = cache.publish(hash, key, value.clone(), options, Some(guard.ticket()));
        guard.land(Ok(value));
        outcome
    }

    /// Gives the value to all who wait, and keeps it not.
    pub fn give(self, value: V) {
        self.guard.land(Ok(value));
    }

    /// Gives the error to all who wait; the next caller makes the value again.
    pub fn fail(self, error: Arc<dyn Any + Send + Sync>) {
        self.guard.land(Err(error));
    }
}

impl<K: Hash + Eq + Clone, V: Clone> fmt::Debug for Lead<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lead").field("elapsed", &self.elapsed()).finish_non_exhaustive()
    }
}

/// Waits for what another caller makes. Cancel safe: dropping it changes nothing for the others.
pub struct Follow<K: Hash + Eq + Clone, V: Clone> {
    cache: Cache<K, V>,
    follower: Follower<K, Loaded<V>>,
}

impl<K: Hash + Eq + Clone, V: Clone> Follow<K, V> {
    /// Returns whether a loader that stands on the caller's own stack is waited for, so that waiting
    /// would never end.
    pub fn is_led_by_this_stack(&self) -> bool {
        self.follower.is_led_by_this_stack()
    }

    /// Returns the number of the flight that is waited for.
    pub fn flight(&self) -> u64 {
        self.follower.number()
    }

    /// Returns the thread on which the caller that is waited for began.
    pub fn leader_thread(&self) -> ThreadId {
        self.follower.leader_thread()
    }

    /// Waits no more, and counts the look-up as a bypass: for who would wait for itself.
    pub fn bypass(self) {
        self.cache.locked(|memory, _| memory.stats.bypasses += 1);
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Future for Follow<K, V> {
    type Output = Landed<K, V>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Landed<K, V>> {
        let landing = ready!(Pin::new(&mut self.follower).poll(context));
        Poll::Ready(Landed { cache: self.cache.clone(), landing })
    }
}

impl<K: Hash + Eq + Clone, V: Clone> fmt::Debug for Follow<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follow").finish_non_exhaustive()
    }
}

/// How a wait for another caller ended.
pub struct Landed<K: Hash + Eq + Clone, V: Clone> {
    cache: Cache<K, V>,
    landing: Landing<Loaded<V>>,
}

impl<K: Hash + Eq + Clone, V: Clone> Landed<K, V> {
    /// Returns what the other caller brought, and counts the look-up as coalesced; `None` if it was
    /// dropped or failed with an error of another type, so that the caller must ask again.
    pub fn settle<E: Send + Sync + 'static>(&self) -> Option<Result<V, Arc<E>>> {
        let Landing::Brought(loaded) = &self.landing else { return None };
        let result = match &**loaded {
            Ok(value) => Ok(value.clone()),
            Err(error) => Err(Arc::clone(error).downcast::<E>().ok()?),
        };
        self.cache.locked(|memory, _| memory.stats.coalesced += 1);
        Some(result)
    }
}

impl<K: Hash + Eq + Clone, V: Clone> fmt::Debug for Landed<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Landed").finish_non_exhaustive()
    }
}
