//! One generation per key at a time; what its waiters get; who takes over. The interleavings stand
//! in `tests/shuttle.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

use futures_util::FutureExt;
use futures_util::future::join_all;
use meshmemo::testing::{Fault, FaultyTier, ManualClock, MemoryTier};
use meshmemo::{Cache, Clock, ErrorKind, Freshness, Limits, Outcome, Tier, Writing};

use crate::script::{Script, builder, in_variant, request, until, with};

#[tokio::test]
async fn twenty_requests_for_one_photo_run_one_generation() {
    let cache = builder(&ManualClock::new()).build();
    let script = Arc::new(Script::gated(100));
    let requests = (0..20).map(|_| {
        let (cache, request) = (cache.clone(), request("cup", &script));
        tokio::spawn(async move { cache.get_or_generate(request).await.unwrap().outcome })
    });
    let requests: Vec<_> = requests.collect();
    until(|| script.generations() == 1).await;
    script.gate.add_permits(20);
    let outcomes: Vec<_> = join_all(requests).await.into_iter().map(Result::unwrap).collect();
    let count = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    assert_eq!(count(Outcome::Miss { is_stored: true }), 1);
    assert_eq!(count(Outcome::Coalesced), 19);
    assert_eq!(script.generations(), 1);
    let stats = cache.stats().requests;
    assert_eq!((stats.misses, stats.coalesced, stats.lookups()), (1, 19, 20));
}

#[tokio::test]
async fn requests_for_all_variants_at_once_run_one_generation() {
    let cache = builder(&ManualClock::new()).build();
    let script = Arc::new(Script::gated(100));
    let requests = ["glb", "stl", "obj", "stl"].map(|variant| {
        let (cache, request) = (cache.clone(), in_variant(&request("cup", &script), variant));
        tokio::spawn(async move { cache.get_or_generate(request).await.unwrap() })
    });
    until(|| script.generations() == 1).await;
    script.gate.add_permits(4);
    join_all(requests).await;
    assert_eq!((script.generations(), script.derived.load(Ordering::SeqCst)), (1, 2));
    let stats = cache.stats().requests;
    assert_eq!((stats.misses, stats.coalesced), (1, 3));
}

#[tokio::test]
async fn an_error_reaches_all_waiters_and_is_not_kept() {
    let cache = builder(&ManualClock::new()).build();
    let failing = Script { failure: Some(ErrorKind::BackendTimeout), ..Script::gated(100) };
    let script = Arc::new(failing);
    let requests: Vec<_> = (0..5)
        .map(|_| {
            let (cache, request) = (cache.clone(), request("cup", &script));
            tokio::spawn(async move { cache.get_or_generate(request).await.unwrap_err().kind() })
        })
        .collect();
    until(|| script.generations() == 1).await;
    script.gate.add_permits(5);
    for kind in join_all(requests).await {
        assert_eq!(kind.unwrap(), ErrorKind::BackendTimeout);
    }
    assert_eq!(script.generations(), 1);
    script.gate.add_permits(1);
    assert!(cache.get_or_generate(request("cup", &script)).await.is_err());
    assert_eq!(script.generations(), 2, "the next request tries again");
}

#[tokio::test]
async fn a_panic_in_a_generation_is_an_error_for_all_and_hurts_nobody_else() {
    let cache = builder(&ManualClock::new()).build();
    let script = Arc::new(Script { panics: true, ..Script::new(100) });
    let error = cache.get_or_generate(request("cup", &script)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BackendFailed);
    assert_eq!((cache.in_flight().len(), script.generations()), (0, 1));
}

#[tokio::test]
async fn a_panic_in_a_tier_is_a_counted_miss() {
    let clock = ManualClock::new();
    let tier = MemoryTier::new(10_000, Arc::new(clock.clone()) as Arc<dyn Clock>);
    let tier = Arc::new(FaultyTier::new(Arc::new(tier)));
    tier.set(Fault::Panic, 0);
    let cache =
        builder(&clock).tier("disk", Arc::clone(&tier) as Arc<dyn Tier>, Writing::Awaited).build();
    let script = Arc::new(Script::new(100));
    let served = cache.get_or_generate(request("cup", &script)).await.unwrap();
    assert_eq!(served.outcome, Outcome::Miss { is_stored: false });
    let stats = cache.stats().tiers[0].1;
    assert_eq!((stats.open_errors, stats.put_errors), (1, 1));
}

#[tokio::test]
async fn a_client_that_leaves_cancels_nothing() {
    let cache = builder(&ManualClock::new()).build();
    let script = Arc::new(Script::gated(100));
    let leaver = {
        let (cache, request) = (cache.clone(), request("cup", &script));
        tokio::spawn(async move { cache.get_or_generate(request).await })
    };
    until(|| script.generations() == 1).await;
    leaver.abort();
    assert!(leaver.await.unwrap_err().is_cancelled());
    script.gate.add_permits(1);
    until(|| cache.entries(&meshmemo::Scope::All).len() == 1).await;
    let served = cache.get_or_generate(request("cup", &script)).await.unwrap();
    assert_eq!(served.outcome, Outcome::Hit { tier: "memory" });
    let stats = cache.stats().requests;
    assert_eq!((stats.misses, stats.hits(), stats.lookups()), (1, 1, 2), "who has left counts too");
}

#[tokio::test]
async fn a_follower_that_leaves_counts_as_coalesced_and_the_leader_goes_on() {
    let cache = builder(&ManualClock::new()).build();
    let script = Arc::new(Script::gated(100));
    let ask = || {
        let (cache, request) = (cache.clone(), request("cup", &script));
        tokio::spawn(async move { cache.get_or_generate(request).await })
    };
    let leader = ask();
    until(|| script.generations() == 1).await;
    let mut follower = Box::pin(cache.get_or_generate(request("cup", &script)));
    let mut context = Context::from_waker(Waker::noop());
    assert!(follower.poll_unpin(&mut context).is_pending());
    drop(follower);
    assert_eq!(cache.stats().requests.coalesced, 1);
    script.gate.add_permits(1);
    assert!(leader.await.unwrap().is_ok());
    assert_eq!(cache.stats().requests.lookups(), 2);
}

#[tokio::test]
async fn a_generation_given_up_is_taken_over_a_bounded_number_of_times() {
    let cache = builder(&ManualClock::new()).build();
    let cancelled = Script { failure: Some(ErrorKind::Cancelled), ..Script::new(100) };
    let script = Arc::new(cancelled);
    let error = cache.get_or_generate(request("cup", &script)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(script.generations(), 4, "once, and three times more");
}

#[tokio::test]
async fn a_refresh_joins_a_generation_but_not_a_look_up() {
    let cache = builder(&ManualClock::new()).build();
    let script = Arc::new(Script::gated(100));
    let refresh = with(&request("cup", &script), Freshness::Refresh);
    let requests = [(); 3].map(|()| {
        let (cache, request) = (cache.clone(), refresh.clone());
        tokio::spawn(async move { cache.get_or_generate(request).await.unwrap().outcome })
    });
    until(|| script.generations() == 1).await;
    script.gate.add_permits(3);
    for outcome in join_all(requests).await {
        assert!(matches!(outcome.unwrap(), Outcome::Bypass { .. }));
    }
    assert_eq!(script.generations(), 1, "refreshes at the same time share one");
}

#[test]
fn a_loader_that_asks_for_its_own_key_runs_through() {
    let cache: Cache<&str, u32> = Cache::builder().build();
    let value = cache.get_or_insert_with(&"cup", || cache.get_or_insert_with(&"cup", || 1) + 1);
    assert_eq!((value, cache.get("cup")), (2, Some(2)));
    assert_eq!(cache.stats().bypasses, 1);
}

#[tokio::test]
async fn an_async_loader_that_awaits_its_own_key_runs_through() {
    let cache: Cache<&str, u32> = Cache::builder().build();
    let inner = || async { cache.get_or_insert_async(&"cup", async { 1 }).await + 1 };
    let value = cache.get_or_insert_async(&"cup", inner()).await;
    assert_eq!((value, cache.get("cup")), (2, Some(2)));
}

#[tokio::test]
async fn an_async_leader_that_is_dropped_is_replaced_by_a_waiter() {
    let cache: Cache<&str, u32> = Cache::builder().build();
    let mut leader = Box::pin(cache.get_or_insert_async(&"cup", std::future::pending()));
    let mut context = Context::from_waker(Waker::noop());
    assert!(leader.poll_unpin(&mut context).is_pending());
    let mut waiter = Box::pin(cache.get_or_insert_async(&"cup", async { 2 }));
    assert!(waiter.poll_unpin(&mut context).is_pending());
    drop(leader);
    assert_eq!(waiter.await, 2);
}

#[test]
fn callers_with_another_error_type_load_for_themselves() {
    let cache: Cache<&str, u32> = Cache::builder().build();
    let failed = cache.try_get_or_insert_with(&"cup", || Err("refused"));
    assert_eq!(*failed.unwrap_err(), "refused");
    assert_eq!(cache.try_get_or_insert_with(&"cup", || Ok::<_, u8>(5)), Ok(5));
}

#[test]
fn a_value_that_does_not_fit_still_answers_everybody() {
    let cache: Cache<&str, u64> = Cache::builder()
        .limits(Limits { max_bytes: 1, ..Limits::UNLIMITED })
        .weigher(|_, v| *v)
        .build();
    let runs = AtomicUsize::new(0);
    for _ in 0..2 {
        let value = cache.get_or_insert_with(&"cup", || {
            runs.fetch_add(1, Ordering::Relaxed);
            9
        });
        assert_eq!(value, 9);
    }
    assert_eq!((runs.into_inner(), cache.len()), (2, 0));
}
