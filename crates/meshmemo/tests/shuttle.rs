//! Single-flight under every interleaving that shuttle finds: the leader fails, panics, is
//! cancelled; a follower leaves; a loader asks for its own key; a removal comes in between.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test -p meshmemo --test shuttle --release`
#![cfg(shuttle)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::{Either, select};
use meshmemo::Cache;
use shuttle::{future, thread};

const SCHEDULES: usize = 5_000;

fn explore(scenario: impl Fn() + Send + Sync + Clone + 'static) {
    shuttle::check_random(scenario.clone(), SCHEDULES);
    shuttle::check_pct(scenario, SCHEDULES, 3);
}

fn cache() -> Cache<u32, u32> {
    Cache::builder().max_entries(2).build()
}

/// Runs loads of one key in threads of their own; returns how often a loader ran.
fn load_in_threads(cache: &Cache<u32, u32>, threads: u32) -> usize {
    let runs = Arc::new(AtomicUsize::new(0));
    let loaders: Vec<_> = (0..threads)
        .map(|_| {
            let (cache, runs) = (cache.clone(), Arc::clone(&runs));
            thread::spawn(move || {
                let value = cache.get_or_insert_with(&1, || {
                    runs.fetch_add(1, Ordering::SeqCst);
                    thread::yield_now();
                    7
                });
                assert_eq!(value, 7);
            })
        })
        .collect();
    loaders.into_iter().for_each(|loader| loader.join().unwrap());
    runs.load(Ordering::SeqCst)
}

#[test]
fn one_loader_runs_and_every_lookup_is_counted() {
    explore(|| {
        let cache = cache();
        assert_eq!(load_in_threads(&cache, 3), 1);
        let stats = cache.stats();
        assert_eq!((stats.misses, stats.hits + stats.coalesced), (1, 2));
    });
}

#[test]
fn a_failing_leader_fails_those_who_wait_and_nobody_else() {
    explore(|| {
        let cache = cache();
        let runs = Arc::new(AtomicUsize::new(0));
        let loaders: Vec<_> = (0..3)
            .map(|_| {
                let (cache, runs) = (cache.clone(), Arc::clone(&runs));
                thread::spawn(move || {
                    cache.try_get_or_insert_with(&1, || match runs.fetch_add(1, Ordering::SeqCst) {
                        0 => Err("the first fails"),
                        run => Ok(u32::try_from(run).unwrap()),
                    })
                })
            })
            .collect();
        let results: Vec<_> = loaders.into_iter().map(|loader| loader.join().unwrap()).collect();
        assert!(runs.load(Ordering::SeqCst) <= 2, "a success is kept");
        assert!(results.iter().any(Result::is_err));
        assert!(results.iter().flatten().all(|value| *value == 1));
    });
}

#[test]
fn a_panicking_leader_is_replaced() {
    explore(|| {
        let cache = cache();
        let runs = Arc::new(AtomicUsize::new(0));
        let loaders: Vec<_> = (0..3)
            .map(|_| {
                let (cache, runs) = (cache.clone(), Arc::clone(&runs));
                thread::spawn(move || {
                    let load = || {
                        assert!(runs.fetch_add(1, Ordering::SeqCst) > 0, "the first panics");
                        7
                    };
                    catch_unwind(AssertUnwindSafe(|| cache.get_or_insert_with(&1, load))).ok()
                })
            })
            .collect();
        let values: Vec<_> = loaders.into_iter().map(|loader| loader.join().unwrap()).collect();
        assert_eq!(values.iter().flatten().count(), 2, "two have the value, one has panicked");
        assert_eq!(runs.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn a_cancelled_leader_is_replaced_and_a_leaving_follower_harms_nobody() {
    explore(|| {
        let cache = cache();
        let tasks: Vec<_> = (0..3)
            .map(|task| {
                let cache = cache.clone();
                future::spawn(async move {
                    let load = cache.get_or_insert_async(&1, async {
                        future::yield_now().await;
                        7
                    });
                    // The first task may leave at any of its steps, as a leader or as a follower.
                    let patience = async {
                        if task == 0 {
                            future::yield_now().await;
                        } else {
                            std::future::pending::<()>().await;
                        }
                    };
                    match select(Box::pin(load), Box::pin(patience)).await {
                        Either::Left((value, _)) => assert_eq!(value, 7),
                        Either::Right(((), _)) => assert_eq!(task, 0),
                    }
                })
            })
            .collect();
        for task in tasks {
            future::block_on(task).unwrap();
        }
        assert_eq!(cache.get(&1), Some(7), "whoever stayed has brought it in");
    });
}

#[test]
fn a_loader_that_asks_for_its_own_key_runs_through() {
    explore(|| {
        let cache = cache();
        let loaders: Vec<_> = (0..2)
            .map(|_| {
                let cache = cache.clone();
                thread::spawn(move || {
                    let inner = cache.clone();
                    cache.get_or_insert_with(&1, || inner.get_or_insert_with(&1, || 6) + 1)
                })
            })
            .collect();
        for loader in loaders {
            assert_eq!(loader.join().unwrap(), 7);
        }
    });
}

#[test]
fn a_removal_wins_over_a_load_that_began_before_it() {
    explore(|| {
        let cache = cache();
        let (loader, versions) = (cache.clone(), Arc::new(AtomicUsize::new(1)));
        let version = Arc::clone(&versions);
        let load = thread::spawn(move || {
            loader.get_or_insert_with(&1, || {
                let read = version.load(Ordering::SeqCst);
                thread::yield_now();
                u32::try_from(read).unwrap()
            })
        });
        thread::yield_now();
        versions.store(2, Ordering::SeqCst);
        cache.remove(&1);
        load.join().unwrap();
        assert_ne!(cache.get(&1), Some(1), "what was read before the removal is not kept");
    });
}
