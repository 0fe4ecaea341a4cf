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

/// A table that can list what it holds under a hash.
pub(crate) trait Candidates {
    type Place;
    type Item;

    fn candidates(&self, hash: u64) -> impl Iterator<Item = (Self::Place, &Arc<Self::Item>)>;
}

/// Runs `act` under the lock, with the place of the item whose key is meant.
pub(crate) fn with_key<T: Candidates, K, Q: Probe<K> + ?Sized, R>(
    table: &Mutex<T>,
    hash: u64,
    probe: &Q,
    key_of: impl Fn(&T::Item) -> &K,
    act: impl FnOnce(&mut T, Option<T::Place>) -> R,
) -> R {
    let mut compared: SmallVec<[(Arc<T::Item>, bool); 1]> = SmallVec::new();
    loop {
        let mut unknown: SmallVec<[Arc<T::Item>; 1]> = SmallVec::new();
        {
            let mut table = table.lock();
            let mut found = None;
            for (place, item) in table.candidates(hash) {
                let known = compared.iter().find(|(known, _)| Arc::ptr_eq(known, item));
                let known = known.map(|(_, is_same)| *is_same);
                match known.or_else(|| probe.is_known_equal(key_of(item))) {
                    Some(true) => found = Some(place),
                    Some(false) => {}
                    None => unknown.push(Arc::clone(item)),
                }
            }
            if unknown.is_empty() {
                return act(&mut table, found);
            }
        }
        for item in unknown {
            let is_same = probe.is_equal(key_of(&item));
            compared.push((item, is_same));
        }
    }
}
