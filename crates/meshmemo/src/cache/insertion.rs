//! What one insertion says of its entry, and what becomes of it.

use std::time::Duration;

/// What became of an insertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "a value may have been refused"]
pub enum InsertOutcome {
    /// The entry is in, and its key was new.
    Inserted,
    /// The entry is in, in place of an earlier one.
    Replaced,
    /// Refused: the value weighs more than the whole cache may. Nothing was evicted for it; an
    /// earlier value under its key, now out of date, was removed.
    TooLarge {
        /// What the value weighs.
        bytes: u64,
        /// What all entries together may weigh.
        max_bytes: u64,
    },
    /// Refused: the limit on entries is zero.
    NoEntries,
    /// Refused: a time to live of zero is over before it begins.
    AlreadyExpired,
    /// Refused: the key was removed while the value was being made.
    Invalidated,
}

impl InsertOutcome {
    /// Returns whether the entry is in.
    pub fn is_stored(self) -> bool {
        matches!(self, Self::Inserted | Self::Replaced)
    }
}

/// What one insertion says of its entry; what it leaves out, the cache's defaults say.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
#[must_use = "options do nothing until they are given to an insertion"]
pub struct EntryOptions {
    pub(super) bytes: Option<u64>,
    pub(super) cost_seconds: f64,
    pub(super) ttl: Ttl,
}

impl EntryOptions {
    /// Says nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says what the entry weighs, so that the weigher is not asked.
    pub fn bytes(self, bytes: u64) -> Self {
        Self { bytes: Some(bytes), ..self }
    }

    /// Says what making the value again would cost, in seconds; a number that is not finite or is
    /// negative counts as zero.
    pub fn cost(self, seconds: f64) -> Self {
        let cost_seconds = if seconds.is_finite() { seconds.max(0.0) } else { 0.0 };
        Self { cost_seconds, ..self }
    }

    /// Says how long the entry lives.
    pub fn ttl(self, ttl: Duration) -> Self {
        Self { ttl: Ttl::After(ttl), ..self }
    }

    /// Says that the entry lives for ever, whatever the cache's default.
    pub fn without_ttl(self) -> Self {
        Self { ttl: Ttl::Never, ..self }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) enum Ttl {
    #[default]
    OfTheCache,
    Never,
    After(Duration),
}

impl Ttl {
    pub(super) fn or(self, of_the_cache: Option<Duration>) -> Option<Duration> {
        match self {
            Self::OfTheCache => of_the_cache,
            Self::Never => None,
            Self::After(ttl) => Some(ttl),
        }
    }
}
