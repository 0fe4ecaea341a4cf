//! [`Cache`]: an exact, bounded, in-process cache with single-flight.
//!
//! One short lock guards the entries ([`memory`](crate::memory)), another the flights; they are
//! never held together. Under a lock stands nothing but the engine's own arithmetic: keys are
//! hashed and compared, values cloned, weighed and dropped, and listeners called outside.

mod builder;
mod insertion;
mod listing;
mod load;
mod namespaces;
mod turn;

use std::fmt;
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use foldhash::quality::RandomState;

use crate::clock::Clock;
use crate::flight::Flights;
use crate::limits::Limits;
use crate::memory::{Charge, Departed, ExactLru, NoRoom, SlotIndex};
use crate::probe::{Candidates, Probe, with_key};
use crate::stats::{Cause, Stats};
use crate::sync::Mutex;
use crate::ticket::Ticket;
pub use builder::{Builder, Policy};
pub use insertion::{EntryOptions, InsertOutcome};
pub use listing::{EntryInfo, Removed};
use turn::Loaded;
pub use turn::{Follow, Landed, Lead, Turn};

/// An exact, bounded, in-process cache; clones share it.
///
/// Its limits on bytes and on entries hold at every moment, seen from any thread; the entry that
/// makes room is always the one whose last use is oldest; an entry past its time to live is never
/// returned, and leaves with the next call; statistics are exact.
///
/// ```
/// use std::time::Duration;
/// use meshmemo::{Cache, InsertOutcome};
///
/// let cache: Cache<String, Vec<u8>> = Cache::builder()
///     .max_bytes(512 << 20)
///     .max_entries(1000)
///     .ttl(Duration::from_secs(86_400))
///     .weigher(|_, model: &Vec<u8>| model.len() as u64)
///     .build();
/// assert_eq!(cache.insert("cup".into(), vec![0; 64]), InsertOutcome::Inserted);
/// assert_eq!(cache.get("cup").map(|model| model.len()), Some(64));
/// let model = cache.get_or_insert_with(&"vase".into(), || vec![1; 32]);
/// assert_eq!((model.len(), cache.bytes()), (32, 96));
/// ```
pub struct Cache<K, V> {
    inner: Arc<Inner<K, V>>,
}

struct Inner<K, V> {
    memory: Mutex<ExactLru<Arc<Pair<K, V>>>>,
    flights: Flights<K, Loaded<V>>,
    hasher: RandomState,
    clock: Arc<dyn Clock>,
    weigher: Box<Weigher<K, V>>,
    namespace_of: Option<Box<NamespaceOf<K, V>>>,
    listener: Option<Box<Listener<K, V>>>,
    listener_panics: AtomicU64,
    /// Whether any entry ever had a deadline: until then no call reads the clock.
    is_mortal: AtomicBool,
}

type Weigher<K, V> = dyn Fn(&K, &V) -> u64 + Send + Sync;
type NamespaceOf<K, V> = dyn Fn(&K, &V) -> Arc<str> + Send + Sync;
type Listener<K, V> = dyn Fn(&K, &V, Cause) + Send + Sync;

/// Whether a look-up counts that finds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// As a miss.
    Counts,
    /// No: the caller will [`begin`](Cache::begin) then, which counts it.
    IsLeftOut,
}

struct Pair<K, V> {
    key: K,
    value: V,
}

impl<K, V> Candidates for ExactLru<Arc<Pair<K, V>>> {
    type Key = K;
    type Item = Pair<K, V>;
    type Place = SlotIndex;

    fn key(pair: &Pair<K, V>) -> &K {
        &pair.key
    }

    fn find(&self, hash: u64, is_meant: impl FnMut(&Arc<Pair<K, V>>) -> bool) -> Option<SlotIndex> {
        Self::find(self, hash, is_meant)
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    /// Starts the description of a cache that bounds nothing.
    pub fn builder() -> Builder<K, V> {
        Builder::new()
    }

    /// Returns the value of `key` and makes it the most recently used.
    pub fn get(&self, key: &(impl Probe<K> + ?Sized)) -> Option<V> {
        let pair = self.look_up(self.hash(key), key, Missing::Counts, Arc::clone);
        pair.map(|pair| pair.value.clone())
    }

    /// Returns what `read` makes of the value of `key`, which becomes the most recently used.
    ///
    /// Faster than [`get`](Self::get) by a copy of the value's holder, as `read` runs under the
    /// lock: it may neither run user code nor use the cache.
    pub fn read<R>(
        &self,
        key: &(impl Probe<K> + ?Sized),
        missing: Missing,
        read: impl FnOnce(&V) -> R,
    ) -> Option<R> {
        self.look_up(self.hash(key), key, missing, |pair| read(&pair.value))
    }

    /// Returns the value of `key` and leaves the order of use and the statistics as they are.
    pub fn peek(&self, key: &(impl Probe<K> + ?Sized)) -> Option<V> {
        let pair = self.with_entry(self.hash(key), key, |memory, found| {
            found.map(|index| Arc::clone(&memory.slot(index).item))
        });
        pair.map(|pair| pair.value.clone())
    }

    /// Inserts a value, evicting first what must leave for it.
    pub fn insert(&self, key: K, value: V) -> InsertOutcome {
        self.insert_with(key, value, EntryOptions::new())
    }

    /// Inserts a value with what `options` says of it.
    pub fn insert_with(&self, key: K, value: V, options: EntryOptions) -> InsertOutcome {
        let hash = self.hash(&key);
        self.inner.flights.invalidate(hash, &key);
        self.publish(hash, key, value, options, None)
    }

    /// Removes the entry of `key`, and returns its value.
    ///
    /// A loader that is making the value now will not bring it back: its waiters get the value, the
    /// cache does not keep it.
    pub fn remove(&self, key: &(impl Probe<K> + ?Sized)) -> Option<V> {
        let hash = self.hash(key);
        self.inner.flights.invalidate(hash, key);
        let mut departed = Departed::new();
        let pair = self.with_entry(hash, key, |memory, found| {
            found.map(|index| {
                let pair = Arc::clone(&memory.slot(index).item);
                memory.remove(index, Cause::Removed, &mut departed);
                pair
            })
        });
        self.notify(departed);
        pair.map(|pair| pair.value.clone())
    }

    /// Removes every entry; counters stay. Loaders that run now will not bring theirs back.
    pub fn clear(&self) -> Removed {
        self.inner.flights.invalidate_all();
        self.locked(|memory, departed| {
            let removed = Removed { entries: memory.len() as u64, bytes: memory.bytes() };
            memory.clear(departed);
            removed
        })
    }

    /// Returns how many entries there are.
    pub fn len(&self) -> usize {
        self.locked(|memory, _| memory.len())
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns what all entries weigh together.
    pub fn bytes(&self) -> u64 {
        self.locked(|memory, _| memory.bytes())
    }

    /// Returns all counters, in one consistent cut.
    pub fn stats(&self) -> Stats {
        let stats = self.locked(|memory, _| memory.stats());
        Stats { listener_panics: self.inner.listener_panics.load(Ordering::Relaxed), ..stats }
    }

    /// Sets all counters to zero; entries stay.
    pub fn reset_stats(&self) {
        self.inner.listener_panics.store(0, Ordering::Relaxed);
        self.locked(|memory, _| memory.reset_stats());
    }

    /// Returns the limits that hold now.
    pub fn config(&self) -> Limits {
        self.locked(|memory, _| memory.limits())
    }

    /// Sets the limits, and evicts before it returns what no longer fits them.
    pub fn reconfigure(&self, limits: Limits) -> Removed {
        self.expect_deadlines(limits.ttl);
        self.locked(|memory, departed| {
            let before = Removed { entries: memory.len() as u64, bytes: memory.bytes() };
            memory.set_limits(limits, departed);
            before.less(memory.len(), memory.bytes())
        })
    }

    /// Recounts everything; panics where two books disagree.
    #[cfg(feature = "testing")]
    pub fn validate(&self) {
        self.locked(|memory, _| memory.validate());
    }

    /// Returns the value of `key` as [`get`](Self::get) does, but counts nothing if it is not in: for
    /// who will [`begin`](Self::begin) then.
    pub(crate) fn hit(&self, hash: u64, key: &K) -> Option<V> {
        let pair = self.look_up(hash, key, Missing::IsLeftOut, Arc::clone);
        pair.map(|pair| pair.value.clone())
    }

    /// Inserts unless `ticket`, if there is one, was invalidated, which is decided under the lock.
    pub(crate) fn publish(
        &self,
        hash: u64,
        key: K,
        value: V,
        options: EntryOptions,
        ticket: Option<&Ticket>,
    ) -> InsertOutcome {
        let bytes = options.bytes.unwrap_or_else(|| (self.inner.weigher)(&key, &value));
        let namespace = self.inner.namespace_of.as_ref().map(|of| of(&key, &value));
        self.expect_deadlines(options.ttl.or(None));
        let clock = &self.inner.clock;
        let now = if self.is_mortal() { clock.exact() } else { clock.now() };
        let pair = Arc::new(Pair { key, value });
        let mut departed = Departed::new();
        let (outcome, refused) = self.with_entry(hash, &pair.key, |memory, found| {
            if ticket.is_some_and(|ticket| !ticket.is_valid()) {
                return (InsertOutcome::Invalidated, None);
            }
            let is_replacement = found.is_some();
            if let Some(index) = found {
                memory.remove(index, Cause::Replaced, &mut departed);
            }
            let ttl = options.ttl.or(memory.limits().ttl);
            if ttl == Some(Duration::ZERO) {
                return (InsertOutcome::AlreadyExpired, None);
            }
            let deadline = ttl.and_then(|ttl| now.checked_add(ttl));
            let charge = Charge { namespace, bytes, cost_seconds: options.cost_seconds, deadline };
            match memory.insert(hash, Arc::clone(&pair), charge, now, &mut departed) {
                Ok(_) if is_replacement => (InsertOutcome::Replaced, None),
                Ok(_) => (InsertOutcome::Inserted, None),
                Err((pair, NoRoom::Bytes { max_bytes })) => {
                    (InsertOutcome::TooLarge { bytes, max_bytes }, Some(pair))
                }
                Err((pair, NoRoom::Entries)) => (InsertOutcome::NoEntries, Some(pair)),
            }
        });
        drop(refused);
        self.notify(departed);
        outcome
    }

    pub(crate) fn hash(&self, key: &(impl Probe<K> + ?Sized)) -> u64 {
        key.hash_by(&self.inner.hasher)
    }

    /// Finds an entry, counts, makes it the most recently used and reads it, under the lock.
    fn look_up<R>(
        &self,
        hash: u64,
        key: &(impl Probe<K> + ?Sized),
        missing: Missing,
        read: impl FnOnce(&Arc<Pair<K, V>>) -> R,
    ) -> Option<R> {
        self.with_entry(hash, key, |memory, found| match (found, missing) {
            (Some(index), _) => {
                memory.stats.hits += 1;
                Some(read(memory.touch(index)))
            }
            (None, Missing::Counts) => {
                memory.stats.misses += 1;
                None
            }
            (None, Missing::IsLeftOut) => None,
        })
    }

    /// Runs `act` under the lock with the living entry of `key`, after the expired ones have left.
    fn with_entry<R>(
        &self,
        hash: u64,
        key: &(impl Probe<K> + ?Sized),
        act: impl FnOnce(&mut ExactLru<Arc<Pair<K, V>>>, Option<SlotIndex>) -> R,
    ) -> R {
        let Some(now) = self.now_if_mortal() else {
            return with_key(&self.inner.memory, hash, key, act);
        };
        let mut departed = Departed::new();
        let result = with_key(&self.inner.memory, hash, key, |memory, found| {
            let deadline = |index| memory.slot(index).charge.deadline;
            let is_alive = |index: &SlotIndex| deadline(*index).is_none_or(|at| at > now);
            let found = found.filter(is_alive);
            memory.expire(now, &mut departed);
            act(memory, found)
        });
        self.notify(departed);
        result
    }

    /// Runs `act` under the lock, after the expired entries have left.
    fn locked<R>(
        &self,
        act: impl FnOnce(&mut ExactLru<Arc<Pair<K, V>>>, &mut Departed<Arc<Pair<K, V>>>) -> R,
    ) -> R {
        let mut departed = Departed::new();
        let now = self.now_if_mortal();
        let result = {
            let mut memory = self.inner.memory.lock();
            if let Some(now) = now {
                memory.expire(now, &mut departed);
            }
            act(&mut memory, &mut departed)
        };
        self.notify(departed);
        result
    }

    /// From the first time to live on, every call reads the clock.
    fn expect_deadlines(&self, ttl: Option<Duration>) {
        if ttl.is_some() {
            self.inner.is_mortal.store(true, Ordering::Release);
        }
    }

    fn now_if_mortal(&self) -> Option<Duration> {
        self.is_mortal().then(|| self.inner.clock.now())
    }

    fn is_mortal(&self) -> bool {
        self.inner.is_mortal.load(Ordering::Acquire)
    }

    /// Tells the listener of each departure, and drops what has departed.
    fn notify(&self, departed: Departed<Arc<Pair<K, V>>>) {
        let Some(listener) = &self.inner.listener else { return };
        for (pair, cause) in departed {
            let call = AssertUnwindSafe(|| listener(&pair.key, &pair.value, cause));
            if catch_unwind(call).is_err() {
                self.inner.listener_panics.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl<K, V> Clone for Cache<K, V> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memory = self.inner.memory.lock();
        f.debug_struct("Cache")
            .field("limits", &memory.limits())
            .field("stats", &memory.stats())
            .finish_non_exhaustive()
    }
}
