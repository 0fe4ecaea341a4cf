//! The op-list model test: every answer, every statistic and the whole order of eviction equal the
//! sequential oracle's after every step.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use meshmemo::testing::{ManualClock, ModelCache};
use meshmemo::{Cache, Cause, Clock, EntryOptions, Limits};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

#[derive(Debug, Clone)]
enum Op {
    Get(u32),
    Peek(u32),
    Insert { key: u32, bytes: u64, ttl: Option<u64> },
    Load { key: u32, bytes: u64 },
    FailingLoad(u32),
    Remove(u32),
    Clear,
    Reconfigure { max_bytes: u64, max_entries: usize, ttl: Option<u64> },
    Advance(u64),
    ResetStats,
}

fn op() -> impl Strategy<Value = Op> {
    let key = 0..12_u32;
    let bytes = prop_oneof![8 => 0..40_u64, 1 => 90..130_u64];
    let ttl = proptest::option::of(0..20_u64);
    prop_oneof![
        8 => key.clone().prop_map(Op::Get),
        2 => key.clone().prop_map(Op::Peek),
        8 => (key.clone(), bytes.clone(), ttl.clone())
            .prop_map(|(key, bytes, ttl)| Op::Insert { key, bytes, ttl }),
        4 => (key.clone(), bytes).prop_map(|(key, bytes)| Op::Load { key, bytes }),
        1 => key.clone().prop_map(Op::FailingLoad),
        2 => key.prop_map(Op::Remove),
        1 => Just(Op::Clear),
        1 => (0..120_u64, 0..9_usize, ttl)
            .prop_map(|(max_bytes, max_entries, ttl)| Op::Reconfigure { max_bytes, max_entries, ttl }),
        3 => (0..12_u64).prop_map(Op::Advance),
        1 => Just(Op::ResetStats),
    ]
}

/// The cache, the oracle beside it, and the departures that each has told.
struct Pair {
    cache: Cache<u32, u64>,
    model: ModelCache,
    clock: ManualClock,
    departed: Arc<Mutex<Vec<(u32, Cause)>>>,
    next_value: u64,
}

/// What a value made for the test weighs stands in its last digits.
const WEIGHT: u64 = 1_000;

impl Pair {
    fn new(limits: Limits) -> Self {
        let clock = ManualClock::new();
        let departed = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&departed);
        let cache = Cache::builder()
            .limits(limits)
            .clock(Arc::new(clock.clone()))
            .weigher(|_, value: &u64| value % WEIGHT)
            .on_remove(move |key, _: &u64, cause| told.lock().unwrap().push((*key, cause)))
            .build();
        Self { cache, model: ModelCache::new(limits), clock, departed, next_value: 0 }
    }

    fn value(&mut self, bytes: u64) -> u64 {
        self.next_value += 1;
        self.next_value * WEIGHT + bytes
    }

    fn apply(&mut self, op: &Op) {
        let now = self.clock.now();
        match *op {
            Op::Get(key) => assert_eq!(self.cache.get(&key), self.model.get(key, now)),
            Op::Peek(key) => assert_eq!(self.cache.peek(&key), self.model.peek(key, now)),
            Op::Insert { key, bytes, ttl } => {
                let value = self.value(bytes);
                let ttl = ttl.map(Duration::from_secs);
                let options = EntryOptions::new();
                let options = ttl.map_or(options, |ttl| options.ttl(ttl));
                let outcome = self.cache.insert_with(key, value, options);
                assert_eq!(outcome, self.model.insert(key, value, bytes, ttl, now));
            }
            Op::Load { key, bytes } => {
                let value = self.value(bytes);
                let loaded = self.cache.get_or_insert_with(&key, || value);
                assert_eq!(loaded, self.model.get_or_insert(key, value, bytes, now));
            }
            Op::FailingLoad(key) => {
                let loaded = self.cache.try_get_or_insert_with(&key, || Err::<u64, _>("refused"));
                assert_eq!(loaded.ok(), self.model.get(key, now));
            }
            Op::Remove(key) => assert_eq!(self.cache.remove(&key), self.model.remove(key, now)),
            Op::Clear => assert_eq!(self.cache.clear(), self.model.clear(now)),
            Op::Reconfigure { max_bytes, max_entries, ttl } => {
                let ttl = ttl.map(Duration::from_secs);
                let limits = Limits { max_bytes, max_entries, ttl };
                assert_eq!(self.cache.reconfigure(limits), self.model.reconfigure(limits, now));
                assert_eq!(self.cache.config(), limits);
            }
            Op::Advance(seconds) => self.clock.advance(Duration::from_secs(seconds)),
            Op::ResetStats => {
                self.cache.reset_stats();
                self.model.reset_stats(now);
            }
        }
    }

    /// Compares all that can be seen from outside.
    fn compare(&mut self) {
        self.cache.validate();
        let now = self.clock.now();
        let stats = self.cache.stats();
        assert_eq!(stats, self.model.stats(now));
        let came = stats.entries_at_reset as u64 + stats.inserts;
        assert_eq!(came - stats.removals.total(), stats.entries as u64);
        let order: Vec<_> = self
            .cache
            .entries()
            .into_iter()
            .map(|entry| (entry.key, entry.value, entry.bytes, entry.ttl, entry.access_count))
            .collect();
        let model = self.model.entries.iter().map(|entry| {
            let ttl = entry.deadline.map(|deadline| deadline.saturating_sub(now));
            (entry.key, entry.value, entry.bytes, ttl, entry.access_count)
        });
        assert_eq!(order, model.collect::<Vec<_>>());
        let told = std::mem::take(&mut *self.departed.lock().unwrap());
        assert_eq!(grouped(told), grouped(std::mem::take(&mut self.model.departed)));
    }
}

/// Entries that expire at the same moment have no order among themselves.
fn grouped(mut departed: Vec<(u32, Cause)>) -> Vec<(u32, Cause)> {
    for run in departed
        .chunk_by_mut(|(_, one), (_, next)| *one == Cause::Expired && *next == Cause::Expired)
    {
        run.sort_by_key(|(key, _)| *key);
    }
    departed
}

fn limits() -> impl Strategy<Value = Limits> {
    (0..120_u64, 0..9_usize, proptest::option::of(1..20_u64)).prop_map(
        |(max_bytes, max_entries, ttl)| Limits {
            max_bytes,
            max_entries,
            ttl: ttl.map(Duration::from_secs),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, rng_seed: RngSeed::Fixed(20_261_123), ..ProptestConfig::default() })]

    #[test]
    fn cache_equals_the_oracle_after_every_step(
        limits in limits(),
        ops in proptest::collection::vec(op(), 1..120),
    ) {
        let mut pair = Pair::new(limits);
        for op in &ops {
            pair.apply(op);
            pair.compare();
        }
    }
}
