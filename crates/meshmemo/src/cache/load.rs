//! The single-flight calls of [`Cache`]: of all callers who miss a key at the same time, one runs
//! its loader and the others wait for what it brings.
//!
//! A loader runs in its caller. If the caller's future is dropped or its loader panics, a waiter
//! runs its own. An error reaches all present waiters and is not kept.

use std::any::Any;
use std::convert::Infallible;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;

use super::{Cache, EntryOptions};
use crate::flight::{Follower, Guard, Joined, Landing};
use crate::sync::block_on;

/// What a loader brought; an error keeps its type, for the waiters that expect the same.
pub(super) type Loaded<V> = Result<V, Arc<dyn Any + Send + Sync>>;

enum Begun<K, V> {
    Hit(V),
    Lead(Guard<K, Loaded<V>>),
    Follow(Follower<K, Loaded<V>>),
    Reentrant,
}

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    /// Returns the value of `key`, which `load` makes if nobody has made it or is making it.
    ///
    /// Blocks while another caller loads the key. A loader that asks for its own key, directly or
    /// through others on its stack, gets a value that is not kept, instead of a deadlock.
    pub fn get_or_insert_with(&self, key: &K, load: impl FnOnce() -> V) -> V {
        match self.try_get_or_insert_with(key, || Ok::<_, Infallible>(load())) {
            Ok(value) => value,
            Err(error) => match *error {},
        }
    }

    /// Does what [`get_or_insert_with`](Self::get_or_insert_with) does, with a loader that may
    /// fail.
    ///
    /// # Errors
    /// The loader's error, which all callers share who waited for it with the same error type.
    /// Nothing is kept of it: the next call loads again.
    pub fn try_get_or_insert_with<E: Send + Sync + 'static>(
        &self,
        key: &K,
        load: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, Arc<E>> {
        loop {
            match self.begin(key) {
                Begun::Hit(value) => return Ok(value),
                Begun::Lead(guard) => {
                    let started_at = self.inner.clock.now();
                    let loaded = guard.lead(load);
                    let cost = self.inner.clock.now().saturating_sub(started_at);
                    return self.finish(key, guard, loaded, cost.as_secs_f64());
                }
                Begun::Reentrant => return load().map_err(Arc::new),
                Begun::Follow(follower) => {
                    if let Some(result) = self.settle(&block_on(follower)) {
                        return result;
                    }
                }
            }
        }
    }

    /// Returns the value of `key`, which the future `load` makes if nobody has made it or is
    /// making it.
    ///
    /// Cancel safe: if this future is dropped while it loads, another waiter's loader runs instead;
    /// if it is dropped while it waits, nothing changes for the others. A loader that awaits its
    /// own key gets a value that is not kept; one that waits for it in a task of its own waits for
    /// ever.
    #[expect(clippy::future_not_send, reason = "it is Send where the loader is")]
    pub async fn get_or_insert_async(&self, key: &K, load: impl Future<Output = V>) -> V {
        let load = async { Ok::<_, Infallible>(load.await) };
        match self.try_get_or_insert_async(key, load).await {
            Ok(value) => value,
            Err(error) => match *error {},
        }
    }

    /// Does what [`get_or_insert_async`](Self::get_or_insert_async) does, with a loader that may
    /// fail. Cancel safe in the same way.
    ///
    /// # Errors
    /// The loader's error, which all callers share who waited for it with the same error type.
    #[expect(clippy::future_not_send, reason = "it is Send where the loader is")]
    pub async fn try_get_or_insert_async<E: Send + Sync + 'static>(
        &self,
        key: &K,
        load: impl Future<Output = Result<V, E>>,
    ) -> Result<V, Arc<E>> {
        loop {
            match self.begin(key) {
                Begun::Hit(value) => return Ok(value),
                Begun::Lead(guard) => {
                    let started_at = self.inner.clock.now();
                    let loaded = guard.lead_async(load).await;
                    let cost = self.inner.clock.now().saturating_sub(started_at);
                    return self.finish(key, guard, loaded, cost.as_secs_f64());
                }
                Begun::Reentrant => return load.await.map_err(Arc::new),
                Begun::Follow(follower) => {
                    if let Some(result) = self.settle(&follower.await) {
                        return result;
                    }
                }
            }
        }
    }

    /// Looks the key up, joins its flight, and as a leader looks once more: between the first look
    /// and the flight, the previous one may have landed.
    fn begin(&self, key: &K) -> Begun<K, V> {
        let hash = self.hash(key);
        if let Some(value) = self.hit(hash, key) {
            return Begun::Hit(value);
        }
        match self.inner.flights.join(hash, key) {
            Joined::Leader(guard) => match self.hit(hash, key) {
                Some(value) => Begun::Hit(value),
                None => {
                    self.locked(|memory, _| memory.stats.misses += 1);
                    Begun::Lead(guard)
                }
            },
            Joined::Follower(follower) if follower.is_led_by_this_stack() => {
                self.locked(|memory, _| memory.stats.bypasses += 1);
                Begun::Reentrant
            }
            Joined::Follower(follower) => Begun::Follow(follower),
        }
    }

    /// Returns what a flight brought; `None` if it was abandoned, or failed with an error of
    /// another type, so that the caller must try on its own.
    fn settle<E: Send + Sync + 'static>(
        &self,
        landing: &Landing<Loaded<V>>,
    ) -> Option<Result<V, Arc<E>>> {
        let Landing::Brought(loaded) = landing else { return None };
        let result = match &**loaded {
            Ok(value) => Ok(value.clone()),
            Err(error) => Err(Arc::clone(error).downcast::<E>().ok()?),
        };
        self.locked(|memory, _| memory.stats.coalesced += 1);
        Some(result)
    }

    /// Publishes what the leader's loader brought, and lands the flight.
    fn finish<E: Send + Sync + 'static>(
        &self,
        key: &K,
        guard: Guard<K, Loaded<V>>,
        loaded: Result<V, E>,
        cost_seconds: f64,
    ) -> Result<V, Arc<E>> {
        match loaded {
            Ok(value) => {
                let options = EntryOptions::new().cost(cost_seconds);
                let (hash, kept) = (self.hash(key), value.clone());
                // A value that does not fit is still the answer, for everybody who waited.
                let _outcome = self.publish(hash, key.clone(), kept, options, guard.ticket());
                guard.land(Ok(value.clone()));
                Ok(value)
            }
            Err(error) => {
                let error = Arc::new(error);
                let shared: Arc<dyn Any + Send + Sync> = Arc::clone(&error) as _;
                guard.land(Err(shared));
                Err(error)
            }
        }
    }
}
