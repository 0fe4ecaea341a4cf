//! A removal wins over work in flight: in memory, in every tier, and against the queue behind.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use meshmemo::testing::{ManualClock, MemoryTier};
use meshmemo::{
    Address, Cache, Clock, Cursor, Entry, Gone, Key, Limits, Opened, Outcome, Page, Put, Request,
    Result, ResultCache, Scope, Selector, Served, Ticket, Tier, TierStatus, Writing,
};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::script::{Script, builder, request, until};

fn house() -> (ResultCache, Arc<MemoryTier>) {
    let clock = ManualClock::new();
    let disk = MemoryTier::new(10_000, Arc::new(clock.clone()) as Arc<dyn Clock>);
    let disk = Arc::new(disk);
    let cache =
        builder(&clock).tier("disk", Arc::clone(&disk) as Arc<dyn Tier>, Writing::Awaited).build();
    (cache, disk)
}

fn ask(cache: &ResultCache, request: &Request) -> JoinHandle<Served> {
    let (cache, request) = (cache.clone(), request.clone());
    tokio::spawn(async move { cache.get_or_generate(request).await.unwrap() })
}

#[tokio::test]
async fn a_generation_in_flight_does_not_bring_back_what_was_removed() {
    for is_clear in [false, true] {
        let (cache, disk) = house();
        let script = Arc::new(Script::gated(100));
        let cup = request("cup", &script);
        let first = ask(&cache, &cup);
        until(|| script.generations() == 1).await;
        let selector = if is_clear { Selector::All } else { Selector::Key(cup.key()) };
        assert_eq!(cache.remove(selector).await.removed.entries, 0);
        script.gate.add_permits(1);
        let served = first.await.unwrap();
        assert_eq!(served.outcome, Outcome::Miss { is_stored: false }, "the waiter has its model");
        assert!(cache.entries(&Scope::All).is_empty() && disk.is_empty(), "and no tier has it");
        assert!(cache.find(served.stored.meta().digest, &Scope::All).await.is_none());
    }
}

#[tokio::test]
async fn nobody_joins_a_flight_that_a_removal_has_invalidated() {
    let (cache, _disk) = house();
    let script = Arc::new(Script::gated(100));
    let cup = request("cup", &script);
    let before = ask(&cache, &cup);
    until(|| script.generations() == 1).await;
    cache.remove(Selector::Key(cup.key())).await;
    let after = ask(&cache, &cup);
    until(|| script.generations() == 2).await;
    script.gate.add_permits(2);
    let (before, after) = (before.await.unwrap(), after.await.unwrap());
    assert_ne!(before.stored.meta().digest, after.stored.meta().digest);
    assert_eq!(after.outcome, Outcome::Miss { is_stored: true });
    let kept = cache.get_or_generate(cup).await.unwrap();
    assert_eq!(kept.stored.meta().digest, after.stored.meta().digest, "the later one is kept");
}

#[test]
fn a_value_inserted_or_removed_during_a_load_wins_over_it() {
    let cache: Cache<&str, u32> = Cache::builder().build();
    let loaded = cache.get_or_insert_with(&"cup", || {
        let _ = cache.insert("cup", 2);
        1
    });
    assert_eq!((loaded, cache.get("cup")), (1, Some(2)));
    cache.remove(&"cup");
    cache.get_or_insert_with(&"cup", || {
        cache.remove(&"cup");
        3
    });
    assert_eq!(cache.get("cup"), None);
    cache.get_or_insert_with(&"cup", || {
        cache.clear();
        4
    });
    assert_eq!(cache.get("cup"), None);
}

/// A tier whose removals wait to be let go on, with the entry still there.
#[derive(Debug)]
struct SlowToRemove {
    tier: Arc<MemoryTier>,
    begun: Semaphore,
    gate: Semaphore,
}

impl Tier for SlowToRemove {
    fn open(&self, address: Address) -> BoxFuture<'_, Result<Opened>> {
        self.tier.open(address)
    }

    fn put(&self, entry: Arc<Entry>, ticket: Ticket) -> BoxFuture<'_, Result<Put>> {
        self.tier.put(entry, ticket)
    }

    fn remove(&self, selector: Selector) -> BoxFuture<'_, Result<Vec<Gone>>> {
        async move {
            self.begun.add_permits(1);
            self.gate.acquire().await.unwrap().forget();
            self.tier.remove(selector).await
        }
        .boxed()
    }

    fn list(&self, scope: Scope, cursor: Option<Cursor>) -> BoxFuture<'_, Result<Page>> {
        self.tier.list(scope, cursor)
    }

    fn touch(&self, key: Key) {
        self.tier.touch(key);
    }

    fn status(&self) -> TierStatus {
        self.tier.status()
    }
}

#[tokio::test]
async fn a_look_up_during_a_removal_does_not_bring_back_what_is_being_removed() {
    let clock = ManualClock::new();
    let tier = || Arc::new(MemoryTier::new(10_000, Arc::new(clock.clone()) as _));
    let (disk, redis) = (tier(), tier());
    let slow = Arc::new(SlowToRemove {
        tier: Arc::clone(&redis),
        begun: Semaphore::new(0),
        gate: Semaphore::new(0),
    });
    let cache = builder(&clock)
        .tier("disk", Arc::clone(&disk) as Arc<dyn Tier>, Writing::Awaited)
        .tier("redis", Arc::clone(&slow) as Arc<dyn Tier>, Writing::Behind)
        .build();
    let script = Arc::new(Script::new(100));
    let cup = request("cup", &script);
    cache.get_or_generate(cup.clone()).await.unwrap();
    until(|| redis.len() == 1).await;
    // Only the far tier has it; a look-up during its removal finds it there and fills the others.
    cache.reconfigure(Limits { max_entries: 0, ..Limits::UNLIMITED });
    cache.reconfigure(Limits::UNLIMITED);
    disk.remove(Selector::All).await.unwrap();
    let removal = {
        let cache = cache.clone();
        tokio::spawn(async move { cache.remove(Selector::All).await })
    };
    slow.begun.acquire().await.unwrap().forget();
    let served = cache.get_or_generate(cup).await.unwrap();
    assert_eq!(served.outcome, Outcome::Hit { tier: "redis" }, "the removal has not answered yet");
    slow.gate.add_permits(1);
    removal.await.unwrap();
    assert!(cache.entries(&Scope::All).is_empty() && disk.is_empty() && redis.is_empty());
}
