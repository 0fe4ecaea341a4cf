//! What has gone to Redis and come from it, how long it takes, and how full it is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Which part of the mean the last operation makes, as a power of two.
const LATENCY_WEIGHT_BITS: u32 = 4;

/// What has gone to Redis and come from it.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) read_bytes: AtomicU64,
    pub(super) written_bytes: AtomicU64,
    pub(super) oversized: AtomicU64,
    latency_ns: AtomicU64,
    pub(super) used_bytes: AtomicU64,
    pub(super) max_bytes: AtomicU64,
}

/// What has gone to Redis and come from it since the start, and how it is now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisTraffic {
    /// Bytes of entries that were read.
    pub read_bytes: u64,
    /// Bytes of entries that were written.
    pub written_bytes: u64,
    /// Entries that were too large to be shared.
    pub oversized: u64,
    /// How long small operations take: a mean in which the last ones weigh most.
    pub latency: Duration,
    /// Bytes of memory that Redis uses, for this cache and for all else.
    pub used_bytes: u64,
    /// Bytes of memory that it may use; zero, if it has no limit.
    pub max_bytes: u64,
}

impl Traffic {
    pub(super) fn view(&self) -> RedisTraffic {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RedisTraffic {
            read_bytes: get(&self.read_bytes),
            written_bytes: get(&self.written_bytes),
            oversized: get(&self.oversized),
            latency: Duration::from_nanos(get(&self.latency_ns)),
            used_bytes: get(&self.used_bytes),
            max_bytes: get(&self.max_bytes),
        }
    }

    pub(super) fn note_latency(&self, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX >> LATENCY_WEIGHT_BITS);
        let mean = |before: u64| match before {
            0 => Some(took.max(1)),
            _ => Some(before - (before >> LATENCY_WEIGHT_BITS) + (took >> LATENCY_WEIGHT_BITS)),
        };
        // It never refuses.
        let _noted = self.latency_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, mean);
    }
}
