//! The simplest tier there is: a map.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use crate::clock::Clock;
use crate::entry::{Entry, Stored};
use crate::error::Result;
use crate::key::Key;
use crate::scope::Scope;
use crate::selector::Selector;
use crate::summary::{Listed, Summary};
use crate::sync::Mutex;
use crate::ticket::Ticket;
use crate::tier::{Address, Cursor, Gone, Health, MissReason, Opened, Page, Put, Tier, TierStatus};

/// How many entries one page of a listing holds: few, so that tests see several pages.
const PAGE_ENTRIES: usize = 2;

/// Keeps entries in a map, up to a size each; evicts nothing.
#[derive(Debug)]
pub struct MemoryTier {
    entry_max_bytes: u64,
    clock: Arc<dyn Clock>,
    entries: Mutex<BTreeMap<Key, Arc<Entry>>>,
    touches: Mutex<Vec<Key>>,
}

impl MemoryTier {
    /// Makes an empty tier that refuses entries above `entry_max_bytes`.
    pub fn new(entry_max_bytes: u64, clock: Arc<dyn Clock>) -> Self {
        Self { entry_max_bytes, clock, entries: Mutex::default(), touches: Mutex::default() }
    }

    /// Returns the keys that nearer tiers have answered for, in order.
    pub fn touches(&self) -> Vec<Key> {
        self.touches.lock().clone()
    }

    /// Returns how many entries it keeps.
    pub fn len(&self) -> usize {
        self.entries.lock().len()
    }

    /// Returns whether it keeps none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn open_now(&self, address: Address) -> Opened {
        let mut entries = self.entries.lock();
        let found = match address {
            Address::Key(key) => entries.get(&key).cloned(),
            Address::Digest(digest, scope, but) => {
                let is_it = |entry: &&Arc<Entry>| {
                    let meta = entry.meta();
                    meta.digest == digest
                        && scope.covers(&meta.identity.namespace)
                        && !but.contains(&meta.key)
                };
                entries.values().find(is_it).cloned()
            }
        };
        match found {
            Some(entry) if entry.meta().is_expired(self.clock.wall()) => {
                entries.remove(&entry.meta().key);
                Opened::Miss(MissReason::Expired)
            }
            Some(entry) => Opened::Hit(entry),
            None => Opened::Miss(MissReason::Absent),
        }
    }

    fn put_now(&self, entry: Arc<Entry>, ticket: &Ticket) -> Put {
        let mut entries = self.entries.lock();
        if !ticket.is_valid() {
            return Put::Invalidated;
        }
        if entry.meta().is_expired(self.clock.wall()) {
            return Put::Expired;
        }
        let is_too_large = entry.meta().size_bytes > self.entry_max_bytes;
        if is_too_large {
            // What it was to replace is out of date all the same.
            entries.remove(&entry.meta().key);
            return Put::TooLarge;
        }
        entries.insert(entry.meta().key, entry);
        Put::Stored
    }

    fn remove_now(&self, selector: &Selector) -> Vec<Gone> {
        let mut entries = self.entries.lock();
        let is_selected =
            |_: &Key, entry: &mut Arc<Entry>| selector.selects(&Summary::from(entry.meta()));
        let removed = entries.extract_if(.., is_selected);
        removed.map(|(key, entry)| Gone { key, size_bytes: entry.meta().size_bytes }).collect()
    }

    fn list_now(&self, scope: &Scope, cursor: Option<Cursor>) -> Result<Page> {
        let after = cursor.map(|cursor| cursor.0.parse::<Key>()).transpose()?;
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let entries = self.entries.lock();
        let mut rest = entries
            .range((start, Bound::Unbounded))
            .filter(|(_, entry)| scope.covers(&entry.meta().identity.namespace));
        let listed = |entry: &Arc<Entry>| Listed {
            summary: Arc::new(Summary::from(entry.meta())),
            hits: 0,
            last_used: entry.meta().created,
        };
        let page: Vec<_> =
            rest.by_ref().take(PAGE_ENTRIES).map(|(_, entry)| listed(entry)).collect();
        let last = page.last().filter(|_| rest.next().is_some());
        let next = last.map(|listed| Cursor(listed.summary.key.to_string()));
        Ok(Page { entries: page, next })
    }
}

impl Tier for MemoryTier {
    fn open(&self, address: Address) -> BoxFuture<'_, Result<Opened>> {
        async move { Ok(self.open_now(address)) }.boxed()
    }

    fn put(&self, entry: Arc<Entry>, ticket: Ticket) -> BoxFuture<'_, Result<Put>> {
        async move { Ok(self.put_now(entry, &ticket)) }.boxed()
    }

    fn remove(&self, selector: Selector) -> BoxFuture<'_, Result<Vec<Gone>>> {
        async move { Ok(self.remove_now(&selector)) }.boxed()
    }

    fn list(&self, scope: Scope, cursor: Option<Cursor>) -> BoxFuture<'_, Result<Page>> {
        ready(self.list_now(&scope, cursor)).boxed()
    }

    fn touch(&self, key: Key) {
        self.touches.lock().push(key);
    }

    fn status(&self) -> TierStatus {
        TierStatus { health: Health::Ok, usage: None }
    }
}
