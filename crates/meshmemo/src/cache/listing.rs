//! What the cache tells of its entries, and of those it removed at once.

use std::time::Duration;

/// What the cache knows of one entry.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EntryInfo<K, V> {
    /// The entry's key.
    pub key: K,
    /// The entry's value.
    pub value: V,
    /// What it weighs.
    pub bytes: u64,
    /// What making it again would cost, in seconds.
    pub cost_seconds: f64,
    /// How long ago it came in.
    pub age: Duration,
    /// How long it still lives; `None` is for ever.
    pub ttl: Option<Duration>,
    /// How many look-ups it has answered.
    pub access_count: u64,
}

/// What a removal of many entries removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// How many entries.
    pub entries: u64,
    /// What they weighed.
    pub bytes: u64,
}
