//! The counters of a [`Cache`](crate::Cache): exact, taken in one consistent cut.

/// Why an entry left a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Another value was inserted under its key.
    Replaced,
    /// It was removed by its key.
    Removed,
    /// Its time to live was over.
    Expired,
    /// It was the least recently used when bytes were needed.
    SizeBytes,
    /// It was the least recently used when a place was needed.
    SizeCount,
    /// The cache was cleared.
    Cleared,
}

impl Cause {
    /// Every cause, in the order in which metrics list them.
    pub const ALL: [Self; 6] = [
        Self::Replaced,
        Self::Removed,
        Self::Expired,
        Self::SizeBytes,
        Self::SizeCount,
        Self::Cleared,
    ];

    /// Returns the cause's name as metrics show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replaced => "replaced",
            Self::Removed => "removed",
            Self::Expired => "expired",
            Self::SizeBytes => "size_bytes",
            Self::SizeCount => "size_count",
            Self::Cleared => "cleared",
        }
    }
}

/// How many entries left a cache, by cause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removals([u64; Cause::ALL.len()]);

impl Removals {
    /// Returns how many entries left for `cause`.
    pub fn of(&self, cause: Cause) -> u64 {
        self.0[cause as usize]
    }

    /// Returns how many entries left for any cause.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub(crate) fn count(&mut self, cause: Cause) {
        self.0[cause as usize] += 1;
    }
}

/// The counters of a cache since it was built or [reset](crate::Cache::reset_stats).
///
/// Two equations always hold: `lookups = hits + misses + coalesced + bypasses`, and
/// `entries_at_reset + inserts − removals = entries`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Look-ups answered by an entry.
    pub hits: u64,
    /// Look-ups that found nothing, those that then ran a loader included.
    pub misses: u64,
    /// Look-ups answered by a loader that another call was running.
    pub coalesced: u64,
    /// Look-ups that could not use the cache: a loader asking for its own key.
    pub bypasses: u64,
    /// Entries that came in.
    pub inserts: u64,
    /// Values refused because they weigh more than the limit, or because the limit is zero.
    pub rejections: u64,
    /// Entries that left, by cause.
    pub removals: Removals,
    /// Panics of the removal listener, which were caught.
    pub listener_panics: u64,
    /// Entries there are now.
    pub entries: usize,
    /// Bytes that the entries weigh now.
    pub bytes: u64,
    /// The most bytes the entries ever weighed since the last reset.
    pub max_bytes_seen: u64,
    /// Entries there were at the last reset.
    pub entries_at_reset: usize,
}

impl Stats {
    /// Returns how many look-ups there were.
    pub fn lookups(&self) -> u64 {
        self.hits + self.misses + self.coalesced + self.bypasses
    }

    /// Returns the share of look-ups that ran no loader of their own, from 0 to 1; 0 for none.
    pub fn hit_rate(&self) -> f64 {
        hit_rate(self.hits + self.coalesced, self.lookups() - self.bypasses)
    }

    /// Returns how many entries left to make room.
    pub fn evictions(&self) -> u64 {
        self.removals.of(Cause::SizeBytes) + self.removals.of(Cause::SizeCount)
    }
}

/// Returns `served / asked`, and 0 where nothing was asked.
#[expect(clippy::cast_precision_loss, reason = "a rate of more than 2^53 look-ups may be rounded")]
pub(crate) fn hit_rate(served: u64, asked: u64) -> f64 {
    if asked == 0 { 0.0 } else { served as f64 / asked as f64 }
}
