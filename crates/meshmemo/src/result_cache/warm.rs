//! Bringing entries of lower tiers into memory before they are asked for.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::ResultCache;
use crate::entry::Stored;
use crate::key::Key;
use crate::result_cache::listing::Listing;
use crate::scope::Scope;
use crate::ticket::Ticket;
use crate::tier::Address;

/// From how many times as many recent entries the most valuable are chosen.
const CHOICE: u64 = 4;
/// What an entry weighs at least when its value is compared.
const WEIGHT_MIN_BYTES: u64 = 4096;

/// Which entries are to be brought into memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warm {
    /// So many, the most valuable of those used last.
    Top(usize),
    /// So many bytes, the most valuable of those used last.
    Bytes(u64),
    /// These.
    Keys(Vec<Key>),
}

/// What was brought into memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Warmed {
    /// Entries that came into memory.
    pub loaded: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Entries that were meant and did not: in memory already, not in any tier, or too large.
    pub skipped: u64,
}

impl ResultCache {
    /// Brings entries from lower tiers into memory. What it brings may evict other entries, but
    /// never more than memory holds.
    pub async fn warm(&self, what: Warm) -> Warmed {
        let keys = match what {
            Warm::Keys(keys) => keys,
            Warm::Top(count) => self.most_valuable(count, u64::MAX).await,
            Warm::Bytes(bytes) => self.most_valuable(usize::MAX, bytes).await,
        };
        let mut warmed = Warmed::default();
        let mut seen = HashSet::new();
        for key in keys.into_iter().filter(|key| seen.insert(*key)) {
            match self.bring(key).await {
                Some(bytes) => {
                    warmed.loaded += 1;
                    warmed.bytes += bytes;
                }
                None => warmed.skipped += 1,
            }
        }
        warmed
    }

    /// Chooses entries that are below memory, within what memory holds: the least valuable first,
    /// so that the most valuable is the most recently used in the end.
    async fn most_valuable(&self, count: usize, bytes: u64) -> Vec<Key> {
        let limits = self.config();
        let (count, bytes) = (count.min(limits.max_entries), bytes.min(limits.max_bytes));
        let mut recent = self.list(&Scope::All).await;
        recent.retain(|listing| listing.summary.size_bytes <= bytes);
        recent.sort_by_key(|listing| Reverse(listing.last_used));
        let wide = |limit: u64| limit.saturating_mul(CHOICE);
        let choice = wide(u64::try_from(count).unwrap_or(u64::MAX));
        let mut chosen = within(recent, choice, wide(bytes), |name| wide(self.room_of(name)));
        chosen.sort_by_key(|listing| Reverse(value(listing)));
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let mut chosen = within(chosen, count, bytes, |name| self.room_of(name));
        chosen.reverse();
        chosen.into_iter().map(|listing| listing.summary.key).collect()
    }

    /// Returns what the entries of a namespace may weigh together in memory.
    fn room_of(&self, namespace: &str) -> u64 {
        self.inner.memory.holding(namespace).max_bytes(u64::MAX)
    }

    /// Brings one entry into memory; returns its bytes, or nothing if it did not come.
    async fn bring(&self, key: Key) -> Option<u64> {
        let ticket = self.inner.tickets.register(key, None, &Ticket::new());
        if self.inner.memory.peek(&key).is_some() {
            return None;
        }
        for tier in &self.inner.tiers {
            let Ok(stored) = tier.open(Address::Key(key)).await else { continue };
            if stored.meta().size_bytes > self.config().max_bytes {
                return None;
            }
            if let Some(entry) = tier.read(&*stored).await {
                let bytes = entry.meta().size_bytes;
                return self.keep_in_memory(&entry.into(), &ticket).then_some(bytes);
            }
        }
        None
    }
}

/// Takes from the beginning what stays within both limits, and within those of each namespace; what
/// does not fit is passed over.
fn within(
    listings: Vec<Listing>,
    count: u64,
    bytes: u64,
    bytes_of: impl Fn(&str) -> u64,
) -> Vec<Listing> {
    let (mut count_left, mut bytes_left) = (count, bytes);
    let mut bytes_left_of: HashMap<Arc<str>, u64> = HashMap::new();
    let mut taken = Vec::new();
    for listing in listings {
        let size_bytes = listing.summary.size_bytes;
        let namespace = &listing.summary.namespace;
        let own_left =
            bytes_left_of.entry(Arc::clone(namespace)).or_insert_with(|| bytes_of(namespace));
        if count_left > 0 && size_bytes <= bytes_left.min(*own_left) {
            count_left -= 1;
            bytes_left -= size_bytes;
            *own_left -= size_bytes;
            taken.push(listing);
        }
    }
    taken
}

/// Returns the generation time that an entry has saved and may save again, for each byte that it
/// takes, in microseconds per MiB.
fn value(listing: &Listing) -> u128 {
    let cost = listing.summary.cost.as_micros();
    let weight = listing.summary.size_bytes.max(WEIGHT_MIN_BYTES);
    (u128::from(listing.hits) + 1).saturating_mul(cost).saturating_mul(1 << 20) / u128::from(weight)
}
