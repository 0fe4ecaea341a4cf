//! The scenarios that users were promised, on the real engine. `meshmemo-server` runs the same
//! ones through a running server with real photos.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use meshmemo::testing::ManualClock;
use meshmemo::{Cache, InsertOutcome, Limits};

const MIB: usize = 1 << 20;

fn models(max_mib: u64, max_entries: usize) -> Cache<String, Arc<[u8]>> {
    Cache::builder()
        .max_bytes(max_mib << 20)
        .max_entries(max_entries)
        .weigher(|_, model: &Arc<[u8]>| model.len() as u64)
        .build()
}

fn model(bytes: usize, seed: usize) -> Arc<[u8]> {
    (0..bytes).map(|i| i.wrapping_mul(31).wrapping_add(seed).to_le_bytes()[0]).collect()
}

/// Returns a number of tenths of a MiB in bytes.
fn tenths(count: usize) -> usize {
    count * MIB / 10
}

#[test]
fn a_stored_result_equals_the_retrieved_one_and_counters_are_exact() {
    let cache = models(50, 10);
    let result = model(MIB, 1);
    let _ = cache.insert("cup".into(), Arc::clone(&result));
    assert_eq!(cache.get("cup").as_deref(), Some(&*result));
    assert_eq!(cache.get("vase"), None);
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.inserts), (1, 1, 1));
}

#[test]
fn five_results_are_five_exact_hits() {
    let cache = models(50, 10);
    let results: Vec<_> = (0..5).map(|n| model(MIB / 2, n)).collect();
    for (n, result) in results.iter().enumerate() {
        let _ = cache.insert(format!("photo {n}"), Arc::clone(result));
    }
    for (n, result) in results.iter().enumerate() {
        assert_eq!(cache.get(&format!("photo {n}")).as_deref(), Some(&**result));
    }
    assert_eq!((cache.stats().hits, cache.stats().misses), (5, 0));
}

#[test]
fn four_hits_and_two_misses_are_two_thirds() {
    let cache = models(50, 10);
    let _ = cache.insert("cup".into(), model(10, 0));
    for key in ["cup", "cup", "vase", "cup", "jug", "cup"] {
        cache.get(key);
    }
    assert_eq!(format!("{:.2}", cache.stats().hit_rate() * 100.0), "66.67");
}

#[test]
fn four_and_a_half_mib_are_accounted_under_fifty() {
    let cache = models(50, 10);
    let _ = cache.insert("cup".into(), model(tenths(45), 0));
    assert_eq!(cache.bytes(), 4_718_592);
}

#[test]
fn six_times_two_mib_into_five_mib_and_three_entries() {
    let cache = models(5, 3);
    for n in 0..6 {
        assert_eq!(cache.insert(format!("{n}"), model(2 * MIB, n)), InsertOutcome::Inserted);
        assert!(cache.bytes() <= 5 << 20 && cache.len() <= 3);
    }
    let kept: Vec<_> = cache.entries().into_iter().map(|entry| entry.key).collect();
    assert_eq!(kept, ["5", "4"], "the two most recent fit");
    assert_eq!(cache.stats().evictions(), 4);
}

#[test]
fn twenty_requests_over_ten_keys_with_five_workers() {
    let cache = models(50, 100);
    let generations = AtomicU64::new(0);
    thread::scope(|scope| {
        for worker in 0..5 {
            let (cache, generations) = (&cache, &generations);
            scope.spawn(move || {
                for n in 0..4 {
                    let key = format!("{}", (worker * 4 + n) % 10);
                    cache.get_or_insert_with(&key, || {
                        generations.fetch_add(1, Ordering::Relaxed);
                        model(1000, n)
                    });
                }
            });
        }
    });
    let stats = cache.stats();
    assert_eq!(generations.into_inner(), 10);
    assert_eq!((stats.lookups(), stats.misses, stats.hits + stats.coalesced), (20, 10, 10));
}

#[test]
fn seventy_per_cent_duplicates_hit_seventy_per_cent() {
    let cache = models(50, 100);
    for n in 0..100 {
        cache.get_or_insert_with(&format!("{}", n % 30), || model(1000, n));
    }
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses), (70, 30));
}

#[test]
fn a_time_to_live_of_one_second() {
    let clock = ManualClock::new();
    let cache: Cache<&str, u32> =
        Cache::builder().ttl(Duration::from_secs(1)).clock(Arc::new(clock.clone())).build();
    let _ = cache.insert("cup", 1);
    assert_eq!(cache.get("cup"), Some(1));
    clock.advance(Duration::from_secs(1));
    assert_eq!(cache.get("cup"), None);
    assert_eq!((cache.stats().hits, cache.stats().misses), (1, 1));
}

#[test]
fn a_hundred_entries_under_two_hundred_mib_and_a_thousand_entries() {
    let cache = models(200, 1_000);
    let mut wanted = 0;
    for n in 0..100_usize {
        let bytes = tenths(1) + n * (tenths(30) - tenths(1)) / 99;
        wanted += bytes as u64;
        let _ = cache.insert(format!("{n}"), model(bytes, n));
    }
    assert_eq!((cache.len(), cache.bytes()), (100, wanted));
    assert_eq!(cache.stats().evictions(), 0);
}

#[test]
fn limits_raised_and_lowered_while_running_keep_what_fits() {
    let cache = models(10, 10);
    for n in 0..5 {
        let _ = cache.insert(format!("{n}"), model(MIB, n));
    }
    cache.reconfigure(Limits { max_bytes: 100 << 20, max_entries: 100, ttl: None });
    assert_eq!(cache.len(), 5);
    cache.reconfigure(Limits { max_bytes: 3 << 20, max_entries: 100, ttl: None });
    assert_eq!((cache.len(), cache.bytes()), (3, 3 << 20));
    assert_eq!(cache.get("4").as_deref(), Some(&*model(MIB, 4)));
}

#[test]
fn thirty_workers_with_fifty_operations_each() {
    let cache = models(50, 20);
    thread::scope(|scope| {
        for worker in 0..30_usize {
            let cache = &cache;
            scope.spawn(move || {
                for n in 0..50_usize {
                    let key = format!("{}", (worker * 7 + n) % 40);
                    let kept =
                        cache.get_or_insert_with(&key, || model(2000, (worker * 7 + n) % 40));
                    assert_eq!(*kept, *model(2000, (worker * 7 + n) % 40));
                }
            });
        }
    });
    let stats = cache.stats();
    assert_eq!(stats.lookups(), 1_500);
    assert_eq!(stats.inserts - stats.removals.total(), stats.entries as u64);
    assert!(stats.entries <= 20);
}

#[test]
fn a_hundred_requests_with_seventy_per_cent_duplicates_at_once() {
    let cache = models(50, 100);
    let generations = AtomicU64::new(0);
    let keys: Vec<_> = (0..100).map(|n| format!("{}", n * 13 % 30)).collect();
    thread::scope(|scope| {
        for key in &keys {
            let (cache, generations) = (&cache, &generations);
            scope.spawn(move || {
                cache.get_or_insert_with(key, || {
                    generations.fetch_add(1, Ordering::Relaxed);
                    model(1000, 0)
                })
            });
        }
    });
    let stats = cache.stats();
    let distinct = keys.iter().collect::<HashSet<_>>().len() as u64;
    assert!(stats.hit_rate() >= 0.6);
    assert_eq!((generations.into_inner(), stats.misses), (distinct, distinct));
}
