//! The simplest tier there is: a map.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use crate::cache::Removed;
use crate::clock::Clock;
use crate::entry::{Entry, Stored};
use crate::error::Result;
use crate::key::Key;
use crate::sync::Mutex;
use crate::ticket::Ticket;
use crate::tier::{Address, Cursor, Health, MissReason, Opened, Page, Put, Selector, Tier};

/// How many entries one page of a listing holds: few, so that tests see several pages.
const PAGE_ENTRIES: usize = 2;

/// Keeps entries in a map, up to a size each; evicts nothing.
#[derive(Debug)]
pub struct MemoryTier {
    name: &'static str,
    entry_max_bytes: u64,
    clock: Arc<dyn Clock>,
    entries: Mutex<BTreeMap<Key, Arc<Entry>>>,
}

impl MemoryTier {
    /// Makes an empty tier that refuses entries above `entry_max_bytes`.
    pub fn new(name: &'static str, entry_max_bytes: u64, clock: Arc<dyn Clock>) -> Self {
        Self { name, entry_max_bytes, clock, entries: Mutex::default() }
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
            Address::Digest(digest) => {
                entries.values().find(|entry| entry.meta().digest == digest).cloned()
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

    fn remove_now(&self, selector: Selector) -> Removed {
        let mut entries = self.entries.lock();
        let removed: Vec<_> = match selector {
            Selector::Key(key) => entries.remove(&key).into_iter().collect(),
            Selector::All => std::mem::take(&mut *entries).into_values().collect(),
        };
        let bytes = removed.iter().map(|entry| entry.meta().size_bytes).sum();
        Removed { entries: removed.len() as u64, bytes }
    }

    fn list_now(&self, cursor: Option<Cursor>) -> Result<Page> {
        let after = cursor.map(|cursor| cursor.0.parse::<Key>()).transpose()?;
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let entries = self.entries.lock();
        let mut rest = entries.range((start, Bound::Unbounded));
        let page: Vec<_> =
            rest.by_ref().take(PAGE_ENTRIES).map(|(_, entry)| entry.meta().clone()).collect();
        let last = page.last().filter(|_| rest.next().is_some());
        let next = last.map(|meta| Cursor(meta.key.to_string()));
        Ok(Page { entries: page, next })
    }
}

impl Tier for MemoryTier {
    fn name(&self) -> &'static str {
        self.name
    }

    fn open(&self, address: Address) -> BoxFuture<'_, Result<Opened>> {
        async move { Ok(self.open_now(address)) }.boxed()
    }

    fn put(&self, entry: Arc<Entry>, ticket: Ticket) -> BoxFuture<'_, Result<Put>> {
        async move { Ok(self.put_now(entry, &ticket)) }.boxed()
    }

    fn remove(&self, selector: Selector) -> BoxFuture<'_, Result<Removed>> {
        async move { Ok(self.remove_now(selector)) }.boxed()
    }

    fn list(&self, cursor: Option<Cursor>) -> BoxFuture<'_, Result<Page>> {
        ready(self.list_now(cursor)).boxed()
    }

    fn health(&self) -> Health {
        Health::Ok
    }
}
