//! Single-flight in steps: what a caller may do whose loader is not a function of this process.

use std::any::Any;
use std::cell::Cell;
use std::future::Future;
use std::hash::BuildHasher;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use meshmemo::{Cache, EntryOptions, Follow, InsertOutcome, Landed, Lead, Missing, Probe, Turn};

type Numbers = Cache<String, u32>;

fn lead(cache: &Numbers) -> Lead<String, u32> {
    match cache.begin(&"cup".into()) {
        Turn::Lead(lead) => lead,
        other => panic!("{other:?}"),
    }
}

fn follow(cache: &Numbers) -> Follow<String, u32> {
    match cache.begin(&"cup".into()) {
        Turn::Follow(follow) => follow,
        other => panic!("{other:?}"),
    }
}

fn landed(follow: Follow<String, u32>) -> Landed<String, u32> {
    match pin!(follow).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(landed) => landed,
        Poll::Pending => panic!("the flight has ended"),
    }
}

#[test]
fn what_is_kept_reaches_who_waits_and_who_comes() {
    let cache = Numbers::builder().build();
    let (leading, following) = (lead(&cache), follow(&cache));
    assert_eq!(leading.keep(7, EntryOptions::new()), InsertOutcome::Inserted);
    assert_eq!(landed(following).settle::<String>(), Some(Ok(7)));
    assert!(matches!(cache.begin(&"cup".into()), Turn::Hit(7)));
    let stats = cache.stats();
    assert_eq!((stats.misses, stats.coalesced, stats.hits), (1, 1, 1));
}

#[test]
fn what_is_only_given_is_made_again() {
    let cache = Numbers::builder().build();
    let (leading, following) = (lead(&cache), follow(&cache));
    leading.give(7);
    assert_eq!(landed(following).settle::<String>(), Some(Ok(7)));
    assert!(cache.is_empty());
    lead(&cache).fail(Arc::new("none") as Arc<dyn Any + Send + Sync>);
    assert_eq!(cache.stats().misses, 2);
}

#[test]
fn an_error_reaches_who_expects_its_type_and_a_dropped_leader_hands_over() {
    let cache = Numbers::builder().build();
    let (leading, following, other) = (lead(&cache), follow(&cache), follow(&cache));
    leading.fail(Arc::new(String::from("no GPU")) as Arc<dyn Any + Send + Sync>);
    let error = landed(following).settle::<String>().unwrap().unwrap_err();
    assert_eq!(*error, "no GPU");
    assert_eq!(landed(other).settle::<u8>(), None, "an error of another type is not its own");

    let (leading, following) = (lead(&cache), follow(&cache));
    drop(leading);
    assert_eq!(landed(following).settle::<String>(), None);
    drop(lead(&cache));
}

#[test]
fn who_waits_is_told_on_which_thread_the_leader_began() {
    let cache = Numbers::builder().build();
    let leading = thread::scope(|scope| scope.spawn(|| lead(&cache)).join().unwrap());
    assert_ne!(follow(&cache).leader_thread(), thread::current().id());
    drop(leading);
    let leading = lead(&cache);
    assert_eq!(follow(&cache).leader_thread(), thread::current().id());
    leading.give(7);
}

#[test]
fn a_removal_wins_over_a_leader_and_a_bypass_is_counted() {
    let cache = Numbers::builder().build();
    let (leading, following) = (lead(&cache), follow(&cache));
    following.bypass();
    cache.remove("cup");
    assert_eq!(leading.keep(7, EntryOptions::new()), InsertOutcome::Invalidated);
    assert!(cache.is_empty());
    assert_eq!(cache.stats().bypasses, 1);
}

#[test]
fn flights_that_are_forgotten_are_begun_anew() {
    let cache = Numbers::builder().build();
    let of_another_process = lead(&cache);
    cache.forget_flights();
    let leading = lead(&cache);
    assert_eq!(of_another_process.keep(6, EntryOptions::new()), InsertOutcome::Invalidated);
    assert_eq!(leading.keep(7, EntryOptions::new()), InsertOutcome::Inserted);
}

#[test]
fn a_look_up_that_is_left_out_counts_only_its_hits() {
    let cache = Numbers::builder().build();
    assert_eq!(cache.read("cup", Missing::IsLeftOut, |it| *it), None);
    let _inserted = cache.insert("cup".into(), 7);
    assert_eq!(cache.read("cup", Missing::IsLeftOut, |it| it + 1), Some(8));
    assert_eq!(cache.read("vase", Missing::Counts, |it| *it), None);
    assert_eq!((cache.stats().hits, cache.stats().misses), (1, 1));
}

/// Finds a key by identity, and says how often it had to be compared outside of the lock.
struct ByLength<'a> {
    key: &'a str,
    is_sure: bool,
    compared: Cell<u32>,
}

impl Probe<String> for ByLength<'_> {
    fn hash_by(&self, hasher: &impl BuildHasher) -> u64 {
        hasher.hash_one(self.key)
    }

    fn is_known_equal(&self, key: &String) -> Option<bool> {
        self.is_sure.then_some(key.len() == self.key.len())
    }

    fn is_equal(&self, key: &String) -> bool {
        self.compared.set(self.compared.get() + 1);
        key.len() == self.key.len()
    }
}

#[test]
fn a_probe_that_is_sure_is_not_asked_again() {
    let cache = Numbers::builder().build();
    let _inserted = cache.insert("cup".into(), 7);
    for (is_sure, compared) in [(true, 0), (false, 1)] {
        let probe = ByLength { key: "cup", is_sure, compared: Cell::new(0) };
        assert_eq!((cache.get(&probe), probe.compared.get()), (Some(7), compared));
    }
}

#[test]
fn a_collector_sees_all_and_waits_for_nobody() {
    let cache = Numbers::builder().build();
    let _inserted = cache.insert("cup".into(), 7);
    let mut seen = Vec::new();
    assert!(cache.try_each(|key, value| seen.push((key.clone(), *value))));
    assert_eq!(seen, [("cup".into(), 7)]);
    let inside = cache.read("cup", Missing::Counts, |_| cache.try_each(|_, _| unreachable!()));
    assert_eq!(inside, Some(false), "the lock is not free while a value is read");
}
