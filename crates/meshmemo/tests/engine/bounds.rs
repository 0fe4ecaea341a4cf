//! Limits at their ends: zero, too large, nothing bounded.

use std::time::Duration;

use meshmemo::{Cache, EntryOptions, InsertOutcome, Limits};

fn weighing() -> meshmemo::Builder<&'static str, u64> {
    Cache::builder().weigher(|_, value| *value)
}

#[test]
fn a_value_above_the_limit_is_refused_and_evicts_nothing() {
    let cache = weighing().max_bytes(10).build();
    assert_eq!(cache.insert("small", 10), InsertOutcome::Inserted);
    let refused = InsertOutcome::TooLarge { bytes: 11, max_bytes: 10 };
    assert_eq!(cache.insert("large", 11), refused);
    assert!(!refused.is_stored());
    assert_eq!(cache.get("small"), Some(10));
    assert_eq!(cache.stats().rejections, 1);
    assert_eq!(cache.stats().evictions(), 0);
}

#[test]
fn a_refused_value_takes_what_it_supersedes_along() {
    let cache = weighing().max_bytes(10).build();
    let _ = cache.insert("cup", 5);
    let _ = cache.insert("cup", 11);
    assert_eq!(cache.get("cup"), None, "the old value is out of date");
}

#[test]
fn a_limit_of_zero_bytes_keeps_only_what_weighs_nothing() {
    let cache = weighing().max_bytes(0).build();
    assert_eq!(cache.insert("one", 1), InsertOutcome::TooLarge { bytes: 1, max_bytes: 0 });
    assert_eq!(cache.insert("nothing", 0), InsertOutcome::Inserted);
    assert_eq!((cache.len(), cache.bytes()), (1, 0));
}

#[test]
fn a_limit_of_zero_entries_keeps_none() {
    let cache = weighing().max_entries(0).build();
    assert_eq!(cache.insert("cup", 1), InsertOutcome::NoEntries);
    assert_eq!(cache.get_or_insert_with(&"cup", || 1), 1, "and still answers");
    assert!(cache.is_empty());
}

#[test]
fn a_time_to_live_of_zero_is_over_before_it_begins() {
    let cache = weighing().ttl(Duration::ZERO).build();
    assert_eq!(cache.insert("cup", 1), InsertOutcome::AlreadyExpired);
    let options = EntryOptions::new().ttl(Duration::from_secs(1));
    assert_eq!(cache.insert_with("cup", 1, options), InsertOutcome::Inserted);
    assert_eq!(
        cache.insert_with("cup", 1, EntryOptions::new().ttl(Duration::ZERO)),
        InsertOutcome::AlreadyExpired
    );
    assert!(cache.is_empty());
}

#[test]
fn the_longest_time_to_live_is_for_ever() {
    let cache = weighing().ttl(Duration::MAX).build();
    assert_eq!(cache.insert("cup", 1), InsertOutcome::Inserted);
    assert_eq!(cache.entries()[0].ttl, None);
}

#[test]
fn lower_limits_evict_before_reconfigure_returns_and_higher_ones_keep_everything() {
    let cache: Cache<u32, u64> =
        Cache::builder().max_bytes(100).max_entries(10).weigher(|_, value| *value).build();
    for key in 0..10 {
        let _ = cache.insert(key, 10);
    }
    let removed = cache.reconfigure(Limits { max_bytes: 45, max_entries: 10, ttl: None });
    assert_eq!((removed.entries, removed.bytes), (6, 60));
    assert_eq!((cache.len(), cache.bytes()), (4, 40));
    let removed = cache.reconfigure(Limits { max_bytes: 1_000, max_entries: 1_000, ttl: None });
    assert_eq!((removed.entries, removed.bytes), (0, 0));
    let keys: Vec<_> = cache.entries().into_iter().map(|entry| entry.key).collect();
    assert_eq!(keys, [9, 8, 7, 6], "the most recently used stayed");
}

#[test]
fn costs_that_are_no_costs_count_as_zero() {
    let cache: Cache<u32, u64> = Cache::builder().build();
    for (key, cost) in [(1, f64::NAN), (2, -1.0), (3, f64::INFINITY), (4, 2.5)] {
        let _ = cache.insert_with(key, 0, EntryOptions::new().cost(cost));
    }
    let costs: Vec<_> = cache.entries().into_iter().map(|entry| entry.cost_seconds).collect();
    assert_eq!(costs, [2.5, 0.0, 0.0, 0.0]);
}
