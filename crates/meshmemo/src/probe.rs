//! Finds a key in a locked table without running the key's `Eq` under the lock.
//!
//! The table is asked for its candidates by hash alone. Those not yet compared are cloned (`Arc`s),
//! compared with the lock released, and the lock is taken again: if every candidate that stands
//! there now has been compared, the answer holds, and `act` runs under that same lock. An `Arc` that
//! is held can not be another item's address, so that identity is proof enough.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::sync::Mutex;

/// A table that can list what it holds under a hash.
pub(crate) trait Candidates {
    type Place: Copy;
    type Item;

    fn candidates(&self, hash: u64) -> impl Iterator<Item = (Self::Place, &Arc<Self::Item>)>;
}

/// Runs `act` under the lock, with the place of the item that `is_match` accepts and the item.
pub(crate) fn with_key<T: Candidates, R>(
    table: &Mutex<T>,
    hash: u64,
    is_match: impl Fn(&T::Item) -> bool,
    act: impl FnOnce(&mut T, Option<(T::Place, &Arc<T::Item>)>) -> R,
) -> R {
    let mut compared: SmallVec<[(Arc<T::Item>, bool); 1]> = SmallVec::new();
    loop {
        let mut unknown: SmallVec<[Arc<T::Item>; 1]> = SmallVec::new();
        {
            let mut table = table.lock();
            let mut found = None;
            for (place, item) in table.candidates(hash) {
                match compared.iter().find(|(known, _)| Arc::ptr_eq(known, item)) {
                    Some((known, true)) => found = Some((place, known)),
                    Some((_, false)) => {}
                    None => unknown.push(Arc::clone(item)),
                }
            }
            if unknown.is_empty() {
                return act(&mut table, found);
            }
        }
        for item in unknown {
            let is_same = is_match(&item);
            compared.push((item, is_same));
        }
    }
}
