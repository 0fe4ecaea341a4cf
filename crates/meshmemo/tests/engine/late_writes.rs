//! Work that is slower than whoever waits for it: what was removed meanwhile does not come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use meshmemo::testing::{ManualClock, MemoryTier};
use meshmemo::{
    Address, Clock, Cursor, Entry, Freshness, Gone, Key, Limits, Opened, Outcome, Page, Put,
    ResultCache, Scope, Selector, Ticket, Tier, TierStatus, Writing,
};
use tokio::sync::Semaphore;

use crate::script::{Script, builder, in_variant, request, with};

/// A tier whose writes go on by themselves when nobody waits for them any more, and end only when
/// they are let; and whose removals wait to be let go on.
#[derive(Debug)]
struct Late {
    tier: Arc<MemoryTier>,
    is_write_slow: AtomicBool,
    is_removal_slow: AtomicBool,
    begun: Semaphore,
    gate: Arc<Semaphore>,
    written: Arc<Semaphore>,
}

impl Tier for Late {
    fn open(&self, address: Address) -> BoxFuture<'_, meshmemo::Result<Opened>> {
        self.tier.open(address)
    }

    fn put(&self, entry: Arc<Entry>, ticket: Ticket) -> BoxFuture<'_, meshmemo::Result<Put>> {
        if !self.is_write_slow.load(Ordering::SeqCst) {
            return self.tier.put(entry, ticket);
        }
        let (tier, gate) = (Arc::clone(&self.tier), Arc::clone(&self.gate));
        let written = Arc::clone(&self.written);
        self.begun.add_permits(1);
        let write = tokio::spawn(async move {
            gate.acquire().await.unwrap().forget();
            let put = tier.put(entry, ticket).await;
            written.add_permits(1);
            put
        });
        async move { write.await.unwrap() }.boxed()
    }

    fn remove(&self, selector: Selector) -> BoxFuture<'_, meshmemo::Result<Vec<Gone>>> {
        async move {
            let removed = self.tier.remove(selector).await;
            if self.is_removal_slow.load(Ordering::SeqCst) {
                self.begun.add_permits(1);
                self.gate.acquire().await.unwrap().forget();
            }
            removed
        }
        .boxed()
    }

    fn list(&self, scope: Scope, cursor: Option<Cursor>) -> BoxFuture<'_, meshmemo::Result<Page>> {
        self.tier.list(scope, cursor)
    }

    fn touch(&self, key: Key) {
        self.tier.touch(key);
    }

    fn status(&self) -> TierStatus {
        self.tier.status()
    }
}

fn house() -> (ResultCache, Arc<Late>) {
    let (cache, slow, _) = house_and_clock();
    (cache, slow)
}

fn house_and_clock() -> (ResultCache, Arc<Late>, ManualClock) {
    let clock = ManualClock::new();
    let tier = MemoryTier::new(10_000, Arc::new(clock.clone()) as Arc<dyn Clock>);
    let slow = Arc::new(Late {
        tier: Arc::new(tier),
        is_write_slow: AtomicBool::new(false),
        is_removal_slow: AtomicBool::new(false),
        begun: Semaphore::new(0),
        gate: Arc::new(Semaphore::new(0)),
        written: Arc::new(Semaphore::new(0)),
    });
    let tier = Arc::clone(&slow) as Arc<dyn Tier>;
    let cache = builder(&clock).tier("disk", tier, Writing::Awaited).build();
    (cache, slow, clock)
}

/// The write was given up after its timeout, its ticket was out of reach, and what was removed then
/// came back when it ended at last.
#[tokio::test(start_paused = true)]
async fn a_write_that_nobody_waits_for_any_more_does_not_bring_back_what_was_removed() {
    let (cache, slow) = house();
    let cup = request("cup", &Arc::new(Script::new(100)));
    slow.is_write_slow.store(true, Ordering::SeqCst);
    let served = cache.get_or_generate(cup.clone()).await.unwrap();
    assert_eq!(served.outcome, Outcome::Miss { is_stored: false }, "it takes too long");
    // The time that a tier has for a write passes too.
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert_eq!(cache.tiers()[0].stats.put_errors, 1);
    cache.remove(Selector::Key(cup.key())).await;
    slow.gate.add_permits(1);
    slow.written.acquire().await.unwrap().forget();
    assert!(slow.tier.is_empty() && cache.entries(&Scope::All).is_empty());
}

/// The source was still in memory when its removal had passed the disk: what was derived from it then
/// stayed on the disk.
#[tokio::test]
async fn what_is_derived_during_a_removal_is_kept_nowhere() {
    for is_clear in [true, false] {
        let (cache, slow) = house();
        let glb = request("cup", &Arc::new(Script::new(100)));
        cache.get_or_generate(glb.clone()).await.unwrap();
        slow.is_removal_slow.store(true, Ordering::SeqCst);
        let filter = meshmemo::Filter { label_prefix: Some("cu".to_owned()), ..Default::default() };
        let selector = if is_clear { Selector::All } else { Selector::Matching(filter) };
        let removal = {
            let cache = cache.clone();
            tokio::spawn(async move { cache.remove(selector).await })
        };
        slow.begun.acquire().await.unwrap().forget();
        let stl = cache.get_or_generate(in_variant(&glb, "stl")).await.unwrap();
        assert_eq!(stl.outcome, Outcome::Derived, "the removal has not answered yet");
        slow.gate.add_permits(1);
        removal.await.unwrap();
        assert!(slow.tier.is_empty() && cache.entries(&Scope::All).is_empty());
    }
}

/// The old model stayed on the disk, and was served once memory had let the new one go.
#[tokio::test(start_paused = true)]
async fn a_refresh_that_can_not_be_stored_leaves_no_old_model_behind() {
    let (cache, slow) = house();
    let script = Arc::new(Script::new(100));
    let cup = request("cup", &script);
    cache.get_or_generate(cup.clone()).await.unwrap();
    slow.is_write_slow.store(true, Ordering::SeqCst);
    let fresh = cache.get_or_generate(with(&cup, Freshness::Refresh)).await.unwrap();
    assert_eq!(fresh.outcome, Outcome::Bypass { is_stored: false });
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert!(slow.tier.is_empty());
    cache.reconfigure(Limits { max_entries: 0, ..Limits::UNLIMITED });
    slow.is_write_slow.store(false, Ordering::SeqCst);
    cache.get_or_generate(cup).await.unwrap();
    assert_eq!(script.generations(), 3, "the first one is not served any more");
}

/// The clean-up after a refresh that could not be stored removed what had been stored since.
#[tokio::test(start_paused = true)]
async fn a_refresh_that_is_given_up_late_removes_nothing_that_was_stored_since() {
    let (cache, slow, clock) = house_and_clock();
    let script = Arc::new(Script::new(100));
    let cup = request("cup", &script);
    slow.is_write_slow.store(true, Ordering::SeqCst);
    cache.get_or_generate(with(&cup, Freshness::Refresh)).await.unwrap();
    // It is answered, and its write is still under way.
    slow.is_write_slow.store(false, Ordering::SeqCst);
    clock.advance(Duration::from_secs(1));
    let later = cache.get_or_generate(with(&cup, Freshness::Refresh)).await.unwrap();
    assert_eq!(later.outcome, Outcome::Bypass { is_stored: true });
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert_eq!(cache.tiers()[0].stats.put_errors, 1, "the first one is given up");
    assert_eq!(slow.tier.len(), 1, "the second one is still there");
}
