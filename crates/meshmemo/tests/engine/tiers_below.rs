//! What the cache does with its lower tiers besides answering from them: it tells them of uses,
//! lists and clears them, and brings their entries into memory.

use std::sync::Arc;

use meshmemo::testing::{Fault, FaultyTier, ManualClock, MemoryTier};
use meshmemo::{
    Clock, Filter, Limits, Outcome, Request, ResultCache, Scope, Selector, Stored, Tier, Warm,
    Warmed, Writing,
};

use crate::script::{Script, builder, request, until};

struct House {
    cache: ResultCache,
    disk: Arc<MemoryTier>,
    faults: Arc<FaultyTier>,
    script: Arc<Script>,
}

impl House {
    fn new(limits: Limits) -> Self {
        let clock = ManualClock::new();
        let disk = Arc::new(MemoryTier::new(10_000, Arc::new(clock.clone()) as Arc<dyn Clock>));
        let faults = Arc::new(FaultyTier::new(Arc::clone(&disk) as _));
        let tier = Arc::clone(&faults) as Arc<dyn Tier>;
        let cache = builder(&clock).limits(limits).tier("disk", tier, Writing::Awaited).build();
        Self { cache, disk, faults, script: Arc::new(Script::new(100)) }
    }

    fn request(&self, name: &str) -> Request {
        request(name, &self.script)
    }

    async fn ask(&self, name: &str) -> Outcome {
        self.cache.get_or_generate(self.request(name)).await.unwrap().outcome
    }

    fn forget_memory(&self) {
        let limits = self.cache.config();
        self.cache.reconfigure(Limits { max_entries: 0, ..limits });
        self.cache.reconfigure(limits);
    }

    /// Lists the labels of what is in memory, the most recently used first.
    fn in_memory(&self) -> Vec<String> {
        let entries = self.cache.entries(&Scope::All).into_iter();
        entries.map(|entry| entry.value.meta().label.clone()).collect()
    }
}

/// The disk would otherwise evict first what is asked for most: memory answers for it, and the disk
/// never hears of it.
#[tokio::test]
async fn a_hit_in_memory_is_a_use_in_the_tiers_below() {
    let house = House::new(Limits::UNLIMITED);
    house.ask("cup").await;
    assert_eq!(house.disk.touches(), []);
    house.ask("cup").await;
    let digest = house.cache.entries(&Scope::All)[0].value.meta().digest;
    house.cache.find(digest, &Scope::All).await.unwrap();
    let key = house.request("cup").key();
    assert_eq!(house.disk.touches(), [key, key]);
}

#[tokio::test]
async fn an_entry_is_listed_once_wherever_it_lies() {
    let house = House::new(Limits { max_entries: 1, ..Limits::UNLIMITED });
    house.ask("cup").await;
    house.ask("vase").await;
    let listed: Vec<_> = house.cache.list(&Scope::All).await;
    let shown: Vec<_> = listed
        .iter()
        .map(|listing| (&*listing.summary.label, listing.tier, listing.is_durable))
        .collect();
    assert_eq!(shown, [("vase", "memory", true), ("cup", "disk", true)]);
}

#[tokio::test]
async fn a_clear_of_one_tier_leaves_the_others() {
    let house = House::new(Limits::UNLIMITED);
    house.ask("cup").await;
    let removal = house.cache.remove_from(Selector::All, |tier| tier == "memory").await;
    assert_eq!((removal.removed.entries, removal.removed.bytes), (1, 100));
    assert_eq!(house.ask("cup").await, Outcome::Hit { tier: "disk" });
    house.cache.remove_from(Selector::All, |tier| tier == "disk").await;
    assert!(house.disk.is_empty());
    assert_eq!(house.ask("cup").await, Outcome::Hit { tier: "memory" });
}

#[tokio::test]
async fn what_two_tiers_had_counts_once_when_it_is_removed() {
    let house = House::new(Limits::UNLIMITED);
    house.ask("cup").await;
    house.ask("vase").await;
    let removal = house.cache.remove(Selector::All).await;
    assert_eq!((removal.removed.entries, removal.removed.bytes), (2, 200));
}

#[tokio::test]
async fn a_purge_wins_over_a_generation_that_it_concerns_and_over_no_other() {
    let house = House::new(Limits::UNLIMITED);
    let gated = Arc::new(Script::gated(100));
    let ask = |name: &str| {
        let (cache, request) = (house.cache.clone(), request(name, &gated));
        tokio::spawn(async move { cache.get_or_generate(request).await.unwrap().outcome })
    };
    let (cup, vase) = (ask("cup"), ask("vase"));
    until(|| gated.generations() == 2).await;
    let label_prefix = Some("cu".to_owned());
    let filter = Filter { label_prefix, ..Filter::default() };
    house.cache.remove(Selector::Matching(filter)).await;
    gated.gate.add_permits(2);
    assert_eq!(cup.await.unwrap(), Outcome::Miss { is_stored: false });
    assert_eq!(vase.await.unwrap(), Outcome::Miss { is_stored: true });
    assert_eq!(house.in_memory(), ["vase"]);
}

#[tokio::test]
async fn warming_brings_entries_into_memory_and_skips_what_is_there() {
    let house = House::new(Limits::UNLIMITED);
    for name in ["cup", "vase", "jug"] {
        house.ask(name).await;
    }
    house.forget_memory();
    house.ask("cup").await;
    let warmed = house.cache.warm(Warm::Top(10)).await;
    assert_eq!(warmed, Warmed { loaded: 2, bytes: 200, skipped: 1 });
    assert_eq!(house.ask("jug").await, Outcome::Hit { tier: "memory" });
    house.forget_memory();
    let keys = vec![house.request("cup").key(), house.request("unknown").key()];
    let warmed = house.cache.warm(Warm::Keys(keys)).await;
    assert_eq!(warmed, Warmed { loaded: 1, bytes: 100, skipped: 1 });
    assert_eq!(house.in_memory(), ["cup"]);
}

#[tokio::test]
async fn warming_takes_no_more_than_it_was_told_or_memory_holds() {
    let house = House::new(Limits { max_bytes: 250, ..Limits::UNLIMITED });
    for name in ["cup", "vase", "jug", "bowl"] {
        house.ask(name).await;
    }
    house.forget_memory();
    assert_eq!(house.cache.warm(Warm::Bytes(150)).await.loaded, 1);
    house.forget_memory();
    assert_eq!(house.cache.warm(Warm::Top(100)).await.loaded, 2);
    assert_eq!(house.cache.stats().memory.evictions(), 4 - 2 + 2 + 1, "nothing but forgetting");
}

#[tokio::test]
async fn what_can_not_be_read_is_skipped() {
    for fault in [Fault::Error, Fault::Corrupt, Fault::Truncated] {
        let house = House::new(Limits::UNLIMITED);
        house.ask("cup").await;
        house.forget_memory();
        house.faults.set(fault, 1);
        let warmed = house.cache.warm(Warm::Top(1)).await;
        assert_eq!(warmed, Warmed { loaded: 0, bytes: 0, skipped: 1 }, "{fault:?}");
    }
}

/// Five corrupt entries in a row kept all look-ups away, of the whole ones too.
#[tokio::test]
async fn corrupt_entries_are_counted_and_open_no_breaker() {
    let house = House::new(Limits { max_entries: 0, ..Limits::UNLIMITED });
    for round in 0..8 {
        let name = format!("cup {round}");
        house.ask(&name).await;
        house.faults.set(Fault::Corrupt, 0);
        assert!(matches!(house.ask(&name).await, Outcome::Miss { .. }));
        house.faults.set(Fault::None, 0);
    }
    let report = &house.cache.tiers()[0];
    assert!(!report.is_breaker_open);
    assert_eq!((report.stats.corrupt, report.stats.kept_away), (8, 0));
}

/// A full disk kept look-ups away too, as reads and writes shared one breaker.
#[tokio::test]
async fn writes_that_fail_keep_no_look_up_away() {
    let house = House::new(Limits { max_entries: 0, ..Limits::UNLIMITED });
    house.ask("cup").await;
    for round in 0..8 {
        house.faults.set(Fault::Error, 1);
        house.ask(&format!("vase {round}")).await;
    }
    house.faults.set(Fault::None, 0);
    assert!(house.cache.tiers()[0].is_breaker_open);
    assert_eq!(house.ask("cup").await, Outcome::Hit { tier: "disk" });
}
