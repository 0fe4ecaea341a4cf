//! One generation per key among machines: the leader, its lease, and what others publish.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, pending};
use meshmemo::testing::{ManualClock, MemoryTier};
use meshmemo::{
    Acquired, Clock, Entry, Error, ErrorKind, Freshness, HeldLease, Key, Lease, Outcome, Released,
    Result, ResultCache, Ticket, Tier, Writing, read_entry,
};

use crate::script::{Script, builder, request, until, with};

/// How the leases of a test are granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grant {
    Held,
    /// Another machine publishes while this one waits.
    PublishedElsewhere,
    /// Another machine says it has published, and there is nothing.
    EmptyPromise,
    Fails,
    Hangs,
}

#[derive(Debug)]
struct Leases {
    grant: Grant,
    shared: Arc<MemoryTier>,
    elsewhere: Mutex<Option<Entry>>,
    acquired: AtomicUsize,
    /// How many entries the shared tier had when each lease was given back.
    released_with: Arc<Mutex<Vec<usize>>>,
}

#[derive(Debug)]
struct Held {
    shared: Arc<MemoryTier>,
    released_with: Arc<Mutex<Vec<usize>>>,
}

impl Lease for Leases {
    fn acquire(&self, _key: Key) -> BoxFuture<'_, Result<Acquired>> {
        async move {
            self.acquired.fetch_add(1, Ordering::SeqCst);
            match self.grant {
                Grant::Held => Ok(Acquired::Held(Box::new(Held {
                    shared: Arc::clone(&self.shared),
                    released_with: Arc::clone(&self.released_with),
                }))),
                Grant::PublishedElsewhere => {
                    let entry = self.elsewhere.lock().unwrap().take().unwrap();
                    self.shared.put(Arc::new(entry), Ticket::new()).await?;
                    Ok(Acquired::Published)
                }
                Grant::EmptyPromise => Ok(Acquired::Published),
                Grant::Fails => Err(Error::new(ErrorKind::Storage, "told to fail")),
                Grant::Hangs => pending().await,
            }
        }
        .boxed()
    }
}

impl HeldLease for Held {
    fn release(self: Box<Self>, released: Released) -> BoxFuture<'static, ()> {
        assert_eq!(released == Released::Published, !self.shared.is_empty());
        async move { self.released_with.lock().unwrap().push(self.shared.len()) }.boxed()
    }
}

fn house(grant: Grant) -> (ResultCache, Arc<Leases>) {
    let clock = ManualClock::new();
    let shared = MemoryTier::new(10_000, Arc::new(clock.clone()) as Arc<dyn Clock>);
    let shared = Arc::new(shared);
    let leases = Arc::new(Leases {
        grant,
        shared: Arc::clone(&shared),
        elsewhere: Mutex::new(None),
        acquired: AtomicUsize::new(0),
        released_with: Arc::default(),
    });
    let cache = builder(&clock)
        .tier("redis", shared as Arc<dyn Tier>, Writing::Behind)
        .lease(Arc::clone(&leases) as Arc<dyn Lease>)
        .build();
    (cache, leases)
}

#[tokio::test]
async fn a_holder_publishes_before_it_gives_the_lease_back() {
    let (cache, leases) = house(Grant::Held);
    let script = Arc::new(Script::new(100));
    cache.get_or_generate(request("cup", &script)).await.unwrap();
    until(|| !leases.released_with.lock().unwrap().is_empty()).await;
    assert_eq!(*leases.released_with.lock().unwrap(), [1], "the shared tier had it by then");
}

#[tokio::test]
async fn what_another_machine_has_published_is_not_generated_again() {
    let (cache, leases) = house(Grant::PublishedElsewhere);
    let script = Arc::new(Script::new(100));
    let cup = request("cup", &script);
    let made = cache.get_or_generate(with(&cup, Freshness::Bypass)).await.unwrap();
    *leases.elsewhere.lock().unwrap() = Some(read_entry(&*made.stored).await.unwrap());
    let served = cache.get_or_generate(cup).await.unwrap();
    assert_eq!(served.outcome, Outcome::Coalesced);
    assert_eq!(script.generations(), 1, "only the bypass that made it for this test");
}

#[tokio::test(start_paused = true)]
async fn without_a_lease_the_model_is_generated_all_the_same() {
    for grant in [Grant::Fails, Grant::Hangs, Grant::EmptyPromise] {
        let (cache, leases) = house(grant);
        let script = Arc::new(Script::new(100));
        let served = cache.get_or_generate(request("cup", &script)).await.unwrap();
        assert_eq!(served.outcome, Outcome::Miss { is_stored: true }, "{grant:?}");
        let rounds = if grant == Grant::EmptyPromise { 3 } else { 1 };
        assert_eq!(leases.acquired.load(Ordering::SeqCst), rounds, "{grant:?}: bounded");
    }
}

#[tokio::test]
async fn a_request_that_is_to_generate_nothing_waits_for_no_lease() {
    let (cache, leases) = house(Grant::Held);
    let script = Arc::new(Script::new(100));
    let asked = with(&request("cup", &script), Freshness::OnlyIfCached);
    let error = cache.get_or_generate(asked).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotCached);
    assert_eq!(leases.acquired.load(Ordering::SeqCst), 0);
}
