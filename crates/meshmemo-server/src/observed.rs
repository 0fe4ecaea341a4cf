//! What the cache would have answered, where it only observes: every request is forwarded, and the keys
//! and sizes of the results are kept within the limits that the results themselves would have.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use meshmemo::{Cache, Key};

use crate::config::Config;

/// How many results are remembered, where no limit of entries holds.
const RESULTS_MAX: usize = 1_000_000;
/// What remembering one takes beside nothing.
const LEAST_BYTES: u64 = 1;

/// What the cache would have answered.
#[derive(Debug)]
pub struct Observed {
    results: Cache<Key, Sighting>,
    state: Arc<Mutex<State>>,
}

/// A result that went by.
#[derive(Debug, Clone, Copy)]
struct Sighting {
    bytes: u64,
    cost: Duration,
}

#[derive(Debug, Default)]
struct State {
    counts: Observations,
    under_way: HashMap<Key, usize>,
}

/// What the requests would have come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Observations {
    /// Answered from the cache.
    pub hits: u64,
    /// Answered by a generation that was under way.
    pub coalesced: u64,
    /// Generated.
    pub misses: u64,
    /// Not for the cache.
    pub bypasses: u64,
    /// Generation time that hits would not have taken.
    pub saved_time: Duration,
}

/// What a request would have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Would {
    /// Answered from the cache.
    Hit,
    /// Answered by a generation that was under way.
    Coalesce,
    /// Generated.
    Miss,
    /// Not for the cache.
    Bypass,
}

impl Would {
    /// Returns the name as `Cache-Status` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "would-hit",
            Self::Coalesce => "would-coalesce",
            Self::Miss => "would-miss",
            Self::Bypass => "would-bypass",
        }
    }
}

/// A request that is on its way; it is under way until this is dropped.
#[derive(Debug)]
pub struct UnderWay {
    state: Arc<Mutex<State>>,
    results: Cache<Key, Sighting>,
    key: Key,
    /// What it would have been.
    pub would: Would,
}

impl Observed {
    /// Begins with nothing seen, within the limits of the lowest tier there would be.
    pub fn new(config: &Config) -> Self {
        let builder = Cache::builder().weigher(|_, sighting: &Sighting| sighting.bytes);
        let builder = match config.disk_max_bytes {
            Some(max_bytes) => builder.max_bytes(max_bytes).max_entries(RESULTS_MAX),
            None => builder.max_bytes(config.max_memory_bytes).max_entries(config.max_entries),
        };
        let builder = match config.ttl {
            Some(ttl) => builder.ttl(ttl),
            None => builder,
        };
        Self { results: builder.build(), state: Arc::default() }
    }

    /// Notes a request that may use the cache.
    pub fn see(&self, key: Key) -> UnderWay {
        let seen = self.results.get(&key);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let would = match seen {
            Some(sighting) => {
                state.counts.hits += 1;
                state.counts.saved_time += sighting.cost;
                Would::Hit
            }
            None if state.under_way.contains_key(&key) => {
                state.counts.coalesced += 1;
                Would::Coalesce
            }
            None => {
                state.counts.misses += 1;
                Would::Miss
            }
        };
        *state.under_way.entry(key).or_default() += 1;
        let (results, shared) = (self.results.clone(), Arc::clone(&self.state));
        UnderWay { state: shared, results, key, would }
    }

    /// Notes a request that is not for the cache.
    pub fn see_bypass(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).counts.bypasses += 1;
    }

    /// Returns what the requests would have come to.
    pub fn counts(&self) -> Observations {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).counts
    }
}

impl UnderWay {
    /// Notes that its result might have been kept. What was there already would not have been made again,
    /// and goes on to age.
    pub fn kept(&self, bytes: u64, cost: Duration) {
        if self.would == Would::Hit {
            return;
        }
        let sighting = Sighting { bytes: bytes.max(LEAST_BYTES), cost };
        let _outcome = self.results.insert(self.key, sighting);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = state.under_way.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                state.under_way.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Given;

    fn observed(max_memory: &str) -> Observed {
        let given = Given::from([
            ("backend", "http://127.0.0.1:1".to_owned()),
            ("adapter", "hunyuan3d-2".to_owned()),
            ("cache", "observe".to_owned()),
            ("disk_max", "off".to_owned()),
            ("max_memory", max_memory.to_owned()),
        ]);
        Observed::new(&Config::load(None, &given).unwrap())
    }

    #[test]
    fn it_counts_what_the_cache_would_have_done_and_no_more() {
        let observed = observed("100");
        let (one, other) = (Key::from_bytes([1; 32]), Key::from_bytes([2; 32]));
        let first = observed.see(one);
        assert_eq!((first.would, observed.see(one).would), (Would::Miss, Would::Coalesce));
        first.kept(60, Duration::from_secs(17));
        drop(first);
        assert_eq!(observed.see(one).would, Would::Hit);
        // There is no room for both.
        observed.see(other).kept(60, Duration::ZERO);
        assert_eq!(observed.see(one).would, Would::Miss);
        assert_eq!(
            observed.counts(),
            Observations {
                hits: 1,
                coalesced: 1,
                misses: 3,
                bypasses: 0,
                saved_time: Duration::from_secs(17)
            }
        );
    }
}
