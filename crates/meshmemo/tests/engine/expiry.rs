//! Time to live, under a clock that is turned by hand.

use std::sync::Arc;
use std::time::Duration;

use meshmemo::testing::ManualClock;
use meshmemo::{Cache, Cause, EntryOptions, Limits};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn cache(clock: &ManualClock, ttl: u64) -> Cache<&'static str, u64> {
    Cache::builder().ttl(seconds(ttl)).clock(Arc::new(clock.clone())).weigher(|_, v| *v).build()
}

#[test]
fn an_entry_is_over_at_its_deadline_and_not_before() {
    let clock = ManualClock::new();
    let cache = cache(&clock, 10);
    let _ = cache.insert("cup", 1);
    clock.advance(Duration::from_nanos(9_999_999_999));
    assert_eq!(cache.get("cup"), Some(1));
    clock.advance(Duration::from_nanos(1));
    assert_eq!(cache.get("cup"), None);
    assert_eq!(cache.stats().removals.of(Cause::Expired), 1);
}

#[test]
fn expired_entries_neither_count_nor_hold_room() {
    let clock = ManualClock::new();
    let cache = cache(&clock, 10);
    let _ = cache.insert("cup", 7);
    let _ = cache.insert_with("vase", 5, EntryOptions::new().ttl(seconds(60)));
    clock.advance(seconds(10));
    assert_eq!((cache.len(), cache.bytes(), cache.entries().len()), (1, 5, 1));
    assert_eq!(cache.peek("cup"), None);
}

#[test]
fn an_expired_entry_leaves_before_a_living_one_is_evicted() {
    let clock = ManualClock::new();
    let cache: Cache<&str, u64> =
        Cache::builder().max_entries(2).clock(Arc::new(clock.clone())).build();
    let _ = cache.insert("old", 1);
    let _ = cache.insert_with("short", 2, EntryOptions::new().ttl(seconds(1)));
    clock.advance(seconds(1));
    let _ = cache.insert("new", 3);
    assert_eq!((cache.peek("old"), cache.peek("new")), (Some(1), Some(3)));
    assert_eq!(cache.stats().evictions(), 0);
}

#[test]
fn a_changed_default_holds_for_later_entries() {
    let clock = ManualClock::new();
    let cache = cache(&clock, 10);
    let _ = cache.insert("before", 1);
    cache.reconfigure(Limits { ttl: None, ..cache.config() });
    let _ = cache.insert("after", 2);
    clock.advance(seconds(10));
    assert_eq!((cache.peek("before"), cache.peek("after")), (None, Some(2)));
}

#[test]
fn wall_time_has_no_say_in_memory() {
    let clock = ManualClock::new();
    let cache = cache(&clock, 10);
    let _ = cache.insert("cup", 1);
    clock.set_wall(seconds(4_000_000_000));
    assert_eq!(cache.get("cup"), Some(1));
}

#[test]
fn an_expired_entry_is_loaded_again_once() {
    let clock = ManualClock::new();
    let cache = cache(&clock, 10);
    for round in 0..3 {
        for _ in 0..4 {
            assert_eq!(cache.get_or_insert_with(&"cup", || round), round);
        }
        clock.advance(seconds(10));
    }
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses), (9, 3));
}
