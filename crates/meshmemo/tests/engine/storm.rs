//! Many threads at once: limits hold at every moment, and every operation is counted.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use meshmemo::{Cache, Cause, Limits};

const MAX_BYTES: u64 = 1_000;
const MAX_ENTRIES: usize = 40;
const THREADS: u64 = 30;
const OPERATIONS: u64 = 4_000;

/// A small generator, so that each thread has a course of its own that is the same in every run.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

#[test]
fn an_observer_never_sees_a_limit_exceeded_and_the_books_balance() {
    let cache: Cache<u64, u64> = Cache::builder()
        .max_bytes(MAX_BYTES)
        .max_entries(MAX_ENTRIES)
        .weigher(|_, value| *value)
        .build();
    let is_over = AtomicBool::new(false);
    let lookups = AtomicU64::new(0);
    let observations = thread::scope(|scope| {
        let observer = scope.spawn(|| {
            let mut observations = 0_u64;
            while !is_over.load(Ordering::Relaxed) {
                assert!(cache.bytes() <= MAX_BYTES);
                assert!(cache.len() <= MAX_ENTRIES);
                observations += 1;
            }
            observations
        });
        let workers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (cache, lookups) = (&cache, &lookups);
                scope.spawn(move || {
                    let mut state = thread + 1;
                    for _ in 0..OPERATIONS {
                        lookups.fetch_add(operate(cache, &mut state), Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.join().unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
        observer.join().unwrap()
    });
    assert!(observations > 0);
    let stats = cache.stats();
    assert_eq!(stats.lookups(), lookups.into_inner());
    assert_eq!(stats.inserts - stats.removals.total(), stats.entries as u64);
    assert!(stats.max_bytes_seen <= MAX_BYTES);
    assert!(stats.removals.of(Cause::SizeBytes) > 0 && stats.removals.of(Cause::SizeCount) > 0);
    assert_eq!(cache.entries().iter().map(|entry| entry.bytes).sum::<u64>(), stats.bytes);
}

/// Does one operation; returns how many look-ups that were.
fn operate(cache: &Cache<u64, u64>, state: &mut u64) -> u64 {
    let (kind, key, bytes) = (next(state) % 16, next(state) % 120, next(state) % 60);
    match kind {
        0..6 => {
            cache.get(&key);
            1
        }
        6..11 => {
            let _ = cache.insert(key, bytes);
            0
        }
        11..14 => {
            cache.get_or_insert_with(&key, || bytes);
            1
        }
        14 => {
            cache.remove(&key);
            0
        }
        _ => {
            let max_bytes = MAX_BYTES / 2 + bytes;
            cache.reconfigure(Limits { max_bytes, ..cache.config() });
            cache.reconfigure(Limits { max_bytes: MAX_BYTES, ..cache.config() });
            0
        }
    }
}
