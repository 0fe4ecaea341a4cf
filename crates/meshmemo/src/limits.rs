//! What bounds the cache: the limits users set, and the named bounds of everything that waits,
//! retries or queues inside the engine.

use std::time::Duration;

/// The limits of a [`Cache`](crate::Cache), all exact and all changeable while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that all entries together may weigh. Zero keeps only entries that weigh nothing.
    pub max_bytes: u64,
    /// How many entries may be kept. Zero keeps none.
    pub max_entries: usize,
    /// How long an entry lives that brings no time to live of its own; `None` is for ever.
    ///
    /// A change holds for entries inserted from then on.
    pub ttl: Option<Duration>,
}

impl Limits {
    /// Bounds nothing.
    pub const UNLIMITED: Self = Self { max_bytes: u64::MAX, max_entries: usize::MAX, ttl: None };
}

impl Default for Limits {
    fn default() -> Self {
        Self::UNLIMITED
    }
}

/// How many entries one cache can address at all: its lists link by 32-bit indices.
pub(crate) const ENTRIES_ADDRESSABLE: usize = u32::MAX as usize - 1;

/// How many namespaces are counted each on its own at a time; requests of more count in the sums.
pub(crate) const NAMESPACES_COUNTED_MAX: usize = 10_000;

/// How often one request takes over from a leader that was cancelled before it gives up.
pub(crate) const TAKEOVERS_MAX: usize = 3;

/// How often one request sees another that led it refused for its quota before it gives up.
pub(crate) const REFUSALS_MAX: usize = 10_000;

/// How often one request reads the shared tier again because another holder had the lease.
pub(crate) const LEASE_ROUNDS_MAX: usize = 3;

/// How many leaders may be writing to slower tiers after their answer is out; what comes on top
/// is not written there, and counted.
pub(crate) const WRITES_BEHIND_MAX: usize = 64;

/// How many bytes they may hold together when one more begins.
pub(crate) const WRITES_BEHIND_MAX_BYTES: u64 = 1 << 30;

/// How long peers may take to take note of a removal.
pub(crate) const ANNOUNCE_MAX: Duration = Duration::from_secs(5);

/// How long a lower tier may take to answer a look-up before it counts as a miss.
pub(crate) const TIER_OPEN_MAX: Duration = Duration::from_secs(5);

/// How long a lower tier may take to deliver an entry that it has opened before it counts as a
/// miss.
pub(crate) const TIER_READ_MAX: Duration = Duration::from_mins(1);

/// How long a leader waits for another machine's generation before it goes on without the lease.
pub(crate) const LEASE_WAIT_MAX: Duration = Duration::from_mins(20);

/// How long a lower tier may take for a write or a removal before it counts as failed.
pub(crate) const TIER_WRITE_MAX: Duration = Duration::from_mins(1);

/// How long the answer to a miss waits for the tiers that make it durable, unless configured.
pub(crate) const STORE_WAIT: Duration = Duration::from_secs(10);

/// How many pages of a lower tier's listing are read.
pub(crate) const TIER_LIST_PAGES_MAX: usize = 10_000;

/// How many failures in a row open a tier's circuit breaker.
pub(crate) const BREAKER_FAILURES: u32 = 5;

/// How long an open breaker keeps requests away from its tier before it lets one try.
pub(crate) const BREAKER_PAUSE: Duration = Duration::from_secs(5);

/// How many entries of a tier with the same bytes are looked at for one that is meant.
pub(crate) const SAME_BYTES_MAX: usize = 64;
