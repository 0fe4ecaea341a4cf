//! What one namespace has is not there for another: not by digest, in listings or in counters.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use meshmemo::testing::{ManualClock, MemoryTier};
use meshmemo::{
    Cause, Clock, ErrorKind, Identity, Outcome, Request, ResultCache, Scope, Tier, Writing,
};

use crate::script::{Script, builder, request, until};

fn cache() -> ResultCache {
    let clock = ManualClock::new();
    let disk = MemoryTier::new(10_000, Arc::new(clock.clone()) as Arc<dyn Clock>);
    builder(&clock).tier("disk", Arc::new(disk) as Arc<dyn Tier>, Writing::Awaited).build()
}

/// A request for the photo `name` on behalf of a namespace.
fn request_of(namespace: &str, name: &str, script: &Arc<Script>) -> Request {
    let request = request(name, script);
    let identity =
        Identity { namespace: namespace.to_owned(), ..Identity::clone(&request.identity) };
    let identity = Arc::new(identity);
    Request { generation_key: identity.generation_key(), identity, ..request }
}

fn scope(namespace: &str) -> Scope {
    Scope::Namespace(namespace.into())
}

#[tokio::test]
async fn the_same_photo_is_generated_for_each_namespace_and_found_by_its_own_alone() {
    let (cache, script) = (cache(), Arc::new(Script::new(100)));
    let mut digests = Vec::new();
    for namespace in ["a", "b"] {
        let served = cache.get_or_generate(request_of(namespace, "cup", &script)).await.unwrap();
        assert_eq!(served.outcome, Outcome::Miss { is_stored: true });
        digests.push(served.stored.meta().digest);
    }
    for forget_memory in [false, true] {
        if forget_memory {
            cache.remove_from(meshmemo::Selector::All, |tier| tier == "memory").await;
        }
        assert!(cache.find(digests[0], &scope("a")).await.is_some());
        assert!(cache.find(digests[0], &scope("b")).await.is_none());
        assert!(cache.find(digests[0], &Scope::All).await.is_some());
        let listed = cache.list(&scope("b")).await;
        assert_eq!(listed.iter().map(|it| &*it.summary.namespace).collect::<Vec<_>>(), ["b"]);
        assert_eq!(cache.list(&Scope::All).await.len(), 2);
    }
}

#[tokio::test]
async fn counters_are_each_namespaces_own_and_add_up() {
    let (cache, script) = (cache(), Arc::new(Script::new(100)));
    for namespace in ["a", "a", "b"] {
        cache.get_or_generate(request_of(namespace, "cup", &script)).await.unwrap();
    }
    let of = |namespace| {
        let stats = cache.stats_of(namespace);
        (stats.requests.hits(), stats.requests.misses, stats.memory.bytes, stats.max_bytes_seen)
    };
    assert_eq!((of("a"), of("b"), of("c")), ((1, 1, 100, 100), (0, 1, 100, 100), (0, 0, 0, 0)));
    let total = cache.stats().requests;
    assert_eq!((total.hits(), total.misses, total.generations), (1, 2, 2));
    assert_eq!(cache.namespaces().iter().map(|it| &**it).collect::<Vec<_>>(), ["a", "b"]);
    cache.reset_stats();
    assert_eq!(of("a"), (0, 0, 100, 100));
}

#[tokio::test]
async fn a_share_of_memory_is_kept_to_by_its_namespace_alone() {
    let (cache, script) = (cache(), Arc::new(Script::new(100)));
    cache.set_shares(&HashMap::from([("a".into(), 250)]));
    for (namespace, name) in [("b", "1"), ("a", "2"), ("a", "3"), ("a", "4"), ("b", "5")] {
        cache.get_or_generate(request_of(namespace, name, &script)).await.unwrap();
        assert!(cache.stats_of("a").memory.bytes <= 250);
    }
    let labels = |namespace| {
        let entries = cache.entries(&scope(namespace));
        entries
            .iter()
            .map(|it| meshmemo::Stored::meta(&*it.value).label.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (labels("a"), labels("b")),
        (vec!["4".into(), "3".into()], vec!["5".into(), "1".into()])
    );
    assert_eq!(cache.stats_of("a").removals.of(Cause::SizeBytes), 1);
    let removed = cache.set_shares(&HashMap::from([("a".into(), 150)]));
    assert_eq!((removed.entries, labels("a")), (1, vec!["4".to_owned()]));
}

/// One key's quota failed the requests of another that shares its namespace.
#[tokio::test]
async fn somebody_elses_quota_is_nobodys_error() {
    let cache = cache();
    let over = ErrorKind::OverQuota { retry_after: Duration::from_secs(1) };
    let refused = Arc::new(Script { failure: Some(over), ..Script::gated(100) });
    let admitted = Arc::new(Script::new(100));
    let ask = |script: &Arc<Script>| {
        let (cache, request) = (cache.clone(), request_of("a", "cup", script));
        tokio::spawn(async move { cache.get_or_generate(request).await })
    };
    let first = ask(&refused);
    until(|| refused.generations() == 1).await;
    let second = ask(&admitted);
    // On one thread, this lets it run until it waits for the first.
    tokio::task::yield_now().await;
    refused.gate.close();
    assert_eq!(first.await.unwrap().unwrap_err().kind(), over);
    assert_eq!(second.await.unwrap().unwrap().outcome, Outcome::Miss { is_stored: true });
    assert_eq!(cache.stats().requests.generation_failures, 0, "nobody began to work on it");
}

#[tokio::test]
async fn all_who_are_over_their_quota_are_told_so() {
    let cache = cache();
    let over = ErrorKind::OverQuota { retry_after: Duration::from_secs(1) };
    let refused = Arc::new(Script { failure: Some(over), ..Script::new(100) });
    let requests = (0..20).map(|_| cache.get_or_generate(request_of("a", "cup", &refused)));
    for answer in join_all(requests).await {
        assert_eq!(answer.unwrap_err().kind(), over);
    }
}

/// An admitted request came away empty after four others had been refused before it.
#[tokio::test]
async fn however_many_are_over_their_quota_who_is_not_gets_its_model() {
    let cache = cache();
    let over = ErrorKind::OverQuota { retry_after: Duration::from_secs(1) };
    let refused = Arc::new(Script { failure: Some(over), ..Script::new(100) });
    let admitted = Arc::new(Script::new(100));
    let mut asked = (0..20).map(|_| &refused).collect::<Vec<_>>();
    asked.push(&admitted);
    let requests = asked.iter().map(|script| cache.get_or_generate(request_of("a", "cup", script)));
    let mut answers = join_all(requests).await;
    assert!(answers.pop().unwrap().is_ok());
    assert_eq!(admitted.generations(), 1);
}

#[tokio::test]
async fn warming_keeps_to_the_shares() {
    let (cache, script) = (cache(), Arc::new(Script::new(100)));
    for (namespace, name) in [("a", "1"), ("a", "2"), ("a", "3"), ("b", "4")] {
        cache.get_or_generate(request_of(namespace, name, &script)).await.unwrap();
    }
    cache.remove_from(meshmemo::Selector::All, |tier| tier == "memory").await;
    cache.set_shares(&HashMap::from([("a".into(), 150)]));
    let warmed = cache.warm(meshmemo::Warm::Top(10)).await;
    assert_eq!((warmed.loaded, warmed.bytes), (2, 200), "one of `a`, and what `b` has");
    assert_eq!(cache.stats().memory.evictions(), 0);
}
