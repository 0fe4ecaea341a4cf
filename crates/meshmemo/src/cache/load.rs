//! The single-flight calls of [`Cache`]: of all callers who miss a key at the same time, one runs
//! its loader and the others wait for what it brings.
//!
//! A loader runs in its caller. If the caller's future is dropped or its loader panics, a waiter
//! runs its own. An error reaches all present waiters and is not kept.

use std::convert::Infallible;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;

use super::turn::{Lead, Turn};
use super::{Cache, EntryOptions};
use crate::sync::block_on;

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
                Turn::Hit(value) => return Ok(value),
                Turn::Lead(lead) => {
                    let loaded = lead.guard.lead(load);
                    return finish(lead, loaded);
                }
                Turn::Follow(follow) if follow.is_led_by_this_stack() => {
                    follow.bypass();
                    return load().map_err(Arc::new);
                }
                Turn::Follow(follow) => {
                    if let Some(result) = block_on(follow).settle() {
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
                Turn::Hit(value) => return Ok(value),
                Turn::Lead(lead) => {
                    let loaded = lead.guard.lead_async(load).await;
                    return finish(lead, loaded);
                }
                Turn::Follow(follow) if follow.is_led_by_this_stack() => {
                    follow.bypass();
                    return load.await.map_err(Arc::new);
                }
                Turn::Follow(follow) => {
                    if let Some(result) = follow.await.settle() {
                        return result;
                    }
                }
            }
        }
    }
}

/// Publishes what the leader's loader brought, and lands the flight.
fn finish<K: Hash + Eq + Clone, V: Clone, E: Send + Sync + 'static>(
    lead: Lead<K, V>,
    loaded: Result<V, E>,
) -> Result<V, Arc<E>> {
    match loaded {
        Ok(value) => {
            let cost_seconds = lead.elapsed().as_secs_f64();
            // A value that does not fit is still the answer, for everybody who waited.
            let _outcome = lead.keep(value.clone(), EntryOptions::new().cost(cost_seconds));
            Ok(value)
        }
        Err(error) => {
            let error = Arc::new(error);
            lead.fail(Arc::clone(&error) as _);
            Err(error)
        }
    }
}
