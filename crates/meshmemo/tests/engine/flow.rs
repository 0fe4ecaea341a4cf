//! The flow of one request over memory and two lower tiers, one of them faulty.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use meshmemo::testing::{Fault, FaultyTier, ManualClock, MemoryTier};
use meshmemo::{
    Clock, ErrorKind, Freshness, Health, Limits, Outcome, ResultCache, Scope, Selector, Tier,
    Writing, read_entry,
};

use crate::script::{COST, Script, builder, in_variant, request, until, with};

const HIT: Outcome = Outcome::Hit { tier: "memory" };
const STORED: Outcome = Outcome::Miss { is_stored: true };

/// A cache over a `disk` that the answer waits for and a `redis` that follows; both can fail.
struct House {
    cache: ResultCache,
    disk: Arc<FaultyTier>,
    redis: Arc<FaultyTier>,
    disk_entries: Arc<MemoryTier>,
    redis_entries: Arc<MemoryTier>,
    clock: ManualClock,
}

impl House {
    fn new(limits: Limits) -> Self {
        let clock = ManualClock::new();
        let tier = || Arc::new(MemoryTier::new(10_000, Arc::new(clock.clone()) as Arc<dyn Clock>));
        let (disk_entries, redis_entries) = (tier(), tier());
        let faulty = |tier: &Arc<MemoryTier>| Arc::new(FaultyTier::new(Arc::clone(tier) as _));
        let (disk, redis) = (faulty(&disk_entries), faulty(&redis_entries));
        let cache = builder(&clock)
            .limits(limits)
            .tier("disk", Arc::clone(&disk) as Arc<dyn Tier>, Writing::Awaited)
            .tier("redis", Arc::clone(&redis) as Arc<dyn Tier>, Writing::Behind)
            .build();
        Self { cache, disk, redis, disk_entries, redis_entries, clock }
    }

    async fn outcome(&self, request: &meshmemo::Request) -> Outcome {
        self.cache.get_or_generate(request.clone()).await.unwrap().outcome
    }

    /// Empties memory alone, as an eviction would.
    fn forget_memory(&self) {
        let limits = self.cache.config();
        self.cache.reconfigure(Limits { max_entries: 0, ..limits });
        self.cache.reconfigure(limits);
    }
}

#[tokio::test]
async fn a_miss_reaches_every_tier_and_each_answers_in_its_turn() {
    let house = House::new(Limits::UNLIMITED);
    let script = Arc::new(Script::new(100));
    let cup = request("cup", &script);
    assert_eq!(house.outcome(&cup).await, STORED);
    assert_eq!(house.outcome(&cup).await, HIT);
    until(|| house.redis_entries.len() == 1).await;
    house.forget_memory();
    assert_eq!(house.outcome(&cup).await, Outcome::Hit { tier: "disk" });
    assert_eq!(house.outcome(&cup).await, HIT, "a hit below fills memory");
    house.forget_memory();
    house.disk_entries.remove(Selector::All).await.unwrap();
    assert_eq!(house.outcome(&cup).await, Outcome::Hit { tier: "redis" });
    until(|| house.disk_entries.len() == 1).await;
    assert_eq!(script.generations(), 1);
    let stats = house.cache.stats().requests;
    assert_eq!((stats.hits(), stats.misses, stats.generations), (4, 1, 1));
    assert_eq!(stats.saved_time, COST * 4);
}

#[tokio::test(start_paused = true)]
async fn no_fault_of_a_tier_fails_a_request() {
    for fault in [
        Fault::Error,
        Fault::Hang,
        Fault::Panic,
        Fault::Corrupt,
        Fault::Truncated,
        Fault::ReadError,
        Fault::HangingRead,
    ] {
        let house = House::new(Limits::UNLIMITED);
        let script = Arc::new(Script::new(100));
        let cup = request("cup", &script);
        assert_eq!(house.outcome(&cup).await, STORED);
        until(|| house.redis_entries.len() == 1).await;
        house.forget_memory();
        house.disk.set(fault, 0);
        assert_eq!(house.outcome(&cup).await, Outcome::Hit { tier: "redis" }, "{fault:?}");
        house.forget_memory();
        house.redis.set(fault, 0);
        let served = house.cache.get_or_generate(cup.clone()).await.unwrap();
        assert!(matches!(served.outcome, Outcome::Miss { .. }), "{fault:?}");
        let body = read_entry(&*served.stored).await.unwrap().body().clone();
        assert_eq!(body, [1_u8; 100][..], "{fault:?}: the second generation, whole");
        assert_eq!(script.generations(), 2, "{fault:?}");
        assert_eq!(house.outcome(&cup).await, HIT, "{fault:?}: memory goes on");
        let tiers = house.cache.stats().tiers;
        assert!(tiers.iter().all(|(_, tier)| tier.misses >= 1), "{fault:?}: {tiers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_no_durable_tier_kept_does_not_say_stored() {
    for fault in [Fault::Error, Fault::Hang] {
        let house = House::new(Limits::UNLIMITED);
        house.disk.set(fault, 0);
        let script = Arc::new(Script::new(100));
        assert_eq!(
            house.outcome(&request("cup", &script)).await,
            Outcome::Miss { is_stored: false }
        );
        assert_eq!(house.cache.stats().requests.unstored, 1);
        assert_eq!(house.outcome(&request("cup", &script)).await, HIT);
    }
}

#[tokio::test]
async fn a_tier_that_fails_again_and_again_is_left_alone_and_tried_later() {
    let house = House::new(Limits { max_entries: 0, ..Limits::UNLIMITED });
    let script = Arc::new(Script::new(100));
    house.disk.set(Fault::Error, 0);
    for round in 0..8 {
        house.outcome(&request(&format!("cup {round}"), &script)).await;
    }
    let disk = |house: &House| house.cache.stats().tiers[0].1;
    assert!(disk(&house).kept_away > 0);
    assert!(matches!(house.cache.tiers()[0].status.health, Health::Degraded(_) | Health::Down(_)));
    house.disk.set(Fault::None, 0);
    house.clock.advance(Duration::from_secs(10));
    let before = disk(&house).puts;
    house.outcome(&request("cup", &script)).await;
    assert_eq!(disk(&house).puts, before + 1, "it recovers by itself");
    assert_eq!(house.cache.tiers()[0].status.health, Health::Ok);
}

#[tokio::test]
async fn a_model_above_the_memory_limit_is_kept_below_and_served_from_there() {
    let house = House::new(Limits { max_bytes: 50, ..Limits::UNLIMITED });
    let script = Arc::new(Script::new(100));
    let cup = request("cup", &script);
    assert_eq!(house.outcome(&cup).await, STORED);
    assert_eq!(house.outcome(&cup).await, Outcome::Hit { tier: "disk" });
    assert_eq!(house.cache.stats().memory.entries, 0);
    let too_large = Arc::new(Script::new(20_000));
    let vase = request("vase", &too_large);
    assert_eq!(house.outcome(&vase).await, Outcome::Miss { is_stored: false });
}

#[tokio::test]
async fn a_time_to_live_is_the_same_in_every_tier() {
    let house = House::new(Limits { ttl: Some(Duration::from_secs(100)), ..Limits::UNLIMITED });
    let script = Arc::new(Script::new(100));
    let cup = request("cup", &script);
    house.outcome(&cup).await;
    house.clock.advance(Duration::from_mins(1));
    house.forget_memory();
    assert_eq!(house.outcome(&cup).await, Outcome::Hit { tier: "disk" });
    let ttl = house.cache.entries(&Scope::All)[0].ttl;
    assert_eq!(ttl, Some(Duration::from_secs(40)), "a back-fill does not prolong it");
    house.clock.advance(Duration::from_secs(40));
    assert_eq!(house.outcome(&cup).await, STORED);
}

#[tokio::test]
async fn one_generation_serves_every_variant() {
    let house = House::new(Limits::UNLIMITED);
    let script = Arc::new(Script::new(100));
    let glb = request("cup", &script);
    let stl = in_variant(&glb, "stl");
    assert_eq!(house.outcome(&stl).await, STORED, "the first variant generates");
    assert_eq!(house.outcome(&glb).await, HIT, "its source is kept too");
    assert_eq!(house.outcome(&in_variant(&glb, "obj")).await, Outcome::Derived);
    assert_eq!(house.outcome(&stl).await, HIT);
    assert_eq!((script.generations(), script.derived.load(Ordering::SeqCst)), (1, 2));
    let stats = house.cache.stats().requests;
    assert_eq!((stats.generations, stats.derivations, stats.derived_hits), (1, 2, 1));
    assert_eq!((stats.hits(), stats.misses, stats.lookups()), (3, 1, 4));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_its_tier_can_not_deliver_is_generated_again() {
    for fault in [Fault::ReadError, Fault::HangingRead, Fault::Corrupt] {
        let house = House::new(Limits { max_bytes: 50, ..Limits::UNLIMITED });
        let script = Arc::new(Script::new(100));
        let glb = request("cup", &script);
        assert_eq!(house.outcome(&glb).await, STORED, "too large for memory, so on disk only");
        until(|| house.redis_entries.len() == 1).await;
        house.disk.set(fault, 0);
        house.redis.set(fault, 0);
        assert_eq!(house.outcome(&in_variant(&glb, "stl")).await, STORED, "{fault:?}");
        assert_eq!(script.generations(), 2, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_for_memory_is_promised_only_once_its_beginning_was_verified() {
    let house = House::new(Limits { max_bytes: 50, ..Limits::UNLIMITED });
    let script = Arc::new(Script::new(100));
    let cup = request("cup", &script);
    assert_eq!(house.outcome(&cup).await, STORED);
    until(|| house.redis_entries.len() == 1).await;
    house.disk.set(Fault::HangingRead, 0);
    assert_eq!(house.outcome(&cup).await, Outcome::Hit { tier: "redis" });
}

#[tokio::test]
async fn only_if_cached_generates_nothing() {
    let house = House::new(Limits::UNLIMITED);
    let script = Arc::new(Script::new(100));
    let glb = request("cup", &script);
    let asked = with(&in_variant(&glb, "stl"), Freshness::OnlyIfCached);
    let error = house.cache.get_or_generate(asked.clone()).await.unwrap_err();
    assert_eq!((error.kind(), script.generations()), (ErrorKind::NotCached, 0));
    house.outcome(&glb).await;
    assert_eq!(house.outcome(&asked).await, Outcome::Derived, "a derivation is no generation");
}

#[tokio::test]
async fn a_refresh_replaces_the_model_and_what_was_derived_from_it() {
    let house = House::new(Limits::UNLIMITED);
    let script = Arc::new(Script::new(100));
    let glb = request("cup", &script);
    for variant in ["glb", "stl", "obj"] {
        house.outcome(&in_variant(&glb, variant)).await;
    }
    let refresh = with(&in_variant(&glb, "stl"), Freshness::Refresh);
    assert_eq!(house.outcome(&refresh).await, Outcome::Bypass { is_stored: true });
    assert_eq!(script.generations(), 2);
    for (variant, outcome) in [("glb", HIT), ("stl", HIT), ("obj", Outcome::Derived)] {
        let served = house.cache.get_or_generate(in_variant(&glb, variant)).await.unwrap();
        assert_eq!(served.outcome, outcome, "{variant}");
        let body = read_entry(&*served.stored).await.unwrap().body().clone();
        assert_eq!(body.last(), Some(&1), "{variant} is of the second generation");
    }
}

#[tokio::test]
async fn a_bypass_keeps_nothing() {
    let house = House::new(Limits::UNLIMITED);
    let script = Arc::new(Script::new(100));
    let bypass = with(&request("cup", &script), Freshness::Bypass);
    assert_eq!(house.outcome(&bypass).await, Outcome::Bypass { is_stored: false });
    assert_eq!(house.outcome(&bypass).await, Outcome::Bypass { is_stored: false });
    assert_eq!((house.cache.entries(&Scope::All).len(), house.disk_entries.len()), (0, 0));
    let stats = house.cache.stats().requests;
    assert_eq!((stats.bypasses, stats.lookups()), (2, 2));
    assert!(stats.hit_rate().abs() < f64::EPSILON);
}

#[tokio::test]
async fn what_is_no_model_is_an_error_and_never_kept() {
    let house = House::new(Limits::UNLIMITED);
    let script = Arc::new(Script::new(13));
    for _ in 0..2 {
        let error = house.cache.get_or_generate(request("cup", &script)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BackendFailed);
    }
    assert_eq!((script.generations(), house.disk_entries.len()), (2, 0));
    let stats = house.cache.stats().requests;
    assert_eq!((stats.generations, stats.generation_failures, stats.misses), (0, 2, 2));
}

#[tokio::test]
async fn a_model_is_found_by_the_digest_of_its_bytes_in_any_tier() {
    let house = House::new(Limits::UNLIMITED);
    let script = Arc::new(Script::new(100));
    let served = house.cache.get_or_generate(request("cup", &script)).await.unwrap();
    let digest = served.stored.meta().digest;
    assert_eq!(house.cache.find(digest, &Scope::All).await.unwrap().meta().label, "cup");
    house.forget_memory();
    assert_eq!(house.cache.find(digest, &Scope::All).await.unwrap().meta().digest, digest);
    house.cache.remove(Selector::All).await;
    assert!(house.cache.find(digest, &Scope::All).await.is_none());
}
