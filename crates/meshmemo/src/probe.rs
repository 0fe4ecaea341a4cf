//! Finds a key in a locked table without running the key's `Eq` under the lock.
//!
//! The table is asked for its candidates by hash alone. Those not yet compared are cloned (`Arc`s),
//! compared with the lock released, and the lock is taken again: if every candidate that stands
//! there now has been compared, the answer holds, and `act` runs under that same lock. An `Arc` that
//! is held can not be another item's address, so that identity is proof enough. A [`Probe`] that
//! knows the answer without any user code spares the second round.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use smallvec::SmallVec;

use crate::sync::Mutex;

/// What a key is looked up by: the key, what it [borrows](Borrow) as, or what else can tell which
/// key is meant.
pub trait Probe<K> {
    /// Returns the hash that the key which is meant would have.
    fn hash_by(&self, hasher: &impl BuildHasher) -> u64;

    /// Returns whether `key` is meant, if that can be told without user code: it is asked under a
    /// lock. `None` has [`is_equal`](Self::is_equal) asked outside of it.
    fn is_known_equal(&self, _key: &K) -> Option<bool> {
        None
    }

    /// Returns whether `key` is meant.
    fn is_equal(&self, key: &K) -> bool;
}

impl<K: Borrow<Q>, Q: Hash + Eq + ?Sized> Probe<K> for Q {
    fn hash_by(&self, hasher: &impl BuildHasher) -> u64 {
        hasher.hash_one(self)
    }

    fn is_equal(&self, key: &K) -> bool {
        key.borrow() == self
    }
}

/// A table that can be asked for what it holds under a hash.
pub(crate) trait Candidates {
    type Key;
    type Item;
    type Place;

    /// Returns the key of an item.
    fn key(item: &Self::Item) -> &Self::Key;

    /// Returns the place of the first item under `hash` that is meant.
    fn find(
        &self,
        hash: u64,
        is_meant: impl FnMut(&Arc<Self::Item>) -> bool,
    ) -> Option<Self::Place>;
}

/// Runs `act` under the lock, with the place of the item whose key is meant.
pub(crate) fn with_key<T: Candidates, R>(
    table: &Mutex<T>,
    hash: u64,
    probe: &(impl Probe<T::Key> + ?Sized),
    act: impl FnOnce(&mut T, Option<T::Place>) -> R,
) -> R {
    {
        let mut table = table.lock();
        let mut is_sure = true;
        let found = table.find(hash, |item| {
            probe.is_known_equal(T::key(item)).unwrap_or_else(|| {
                is_sure = false;
                false
            })
        });
        if found.is_some() || is_sure {
            return act(&mut table, found);
        }
    }
    with_compared_key(table, hash, probe, act)
}

/// Does the same where keys are to be compared outside of the lock.
#[cold]
fn with_compared_key<T: Candidates, R>(
    table: &Mutex<T>,
    hash: u64,
    probe: &(impl Probe<T::Key> + ?Sized),
    act: impl FnOnce(&mut T, Option<T::Place>) -> R,
) -> R {
    let mut compared: SmallVec<[(Arc<T::Item>, bool); 1]> = SmallVec::new();
    loop {
        let mut unknown: SmallVec<[Arc<T::Item>; 1]> = SmallVec::new();
        {
            let mut table = table.lock();
            let found = table.find(hash, |item| {
                let known = compared.iter().find(|(known, _)| Arc::ptr_eq(known, item));
                let known = known.map(|(_, is_same)| *is_same);
                known.or_else(|| probe.is_known_equal(T::key(item))).unwrap_or_else(|| {
                    unknown.push(Arc::clone(item));
                    false
                })
            });
            if found.is_some() || unknown.is_empty() {
                return act(&mut table, found);
            }
        }
        for item in unknown {
            let is_same = probe.is_equal(T::key(&item));
            compared.push((item, is_same));
        }
    }
}
