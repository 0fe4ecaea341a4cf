//! Work that has not begun, and that nobody waits for any more, need not begin; work that has begun
//! goes on. What is told of its progress is there for whoever asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use meshmemo::testing::ManualClock;
use meshmemo::{
    Audience, Derived, Error, ErrorKind, Freshness, Generated, Generation, Outcome, Progress,
    Request, Result, ResultCache, Variants,
};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::script::{Script, builder, in_variant, request, until, with};

/// A generation that stands in a line until it is let in, and works until it is let go.
#[derive(Debug)]
struct Line {
    turns: Semaphore,
    ends: Semaphore,
    standing: AtomicUsize,
    begun: AtomicUsize,
}

impl Line {
    fn new() -> Arc<Self> {
        let (turns, ends) = (Semaphore::new(0), Semaphore::new(0));
        let (standing, begun) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { turns, ends, standing, begun })
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    fn standing(&self) -> usize {
        self.standing.load(Ordering::SeqCst)
    }
}

impl Generation for Line {
    fn generate<'a>(
        &'a self,
        _variant: &'a str,
        audience: &'a Audience,
    ) -> BoxFuture<'a, Result<Generated>> {
        async move {
            self.standing.fetch_add(1, Ordering::SeqCst);
            audience.tell_queued(|| 4);
            let has_turn = tokio::select! {
                turn = self.turns.acquire() => turn.map(tokio::sync::SemaphorePermit::forget).is_ok(),
                () = audience.left() => false,
            };
            self.standing.fetch_sub(1, Ordering::SeqCst);
            if !has_turn {
                return Err(Error::new(ErrorKind::Cancelled, "nobody waits"));
            }
            self.begun.fetch_add(1, Ordering::SeqCst);
            audience.tell_working(0.5, "paint");
            self.ends.acquire().await.unwrap().forget();
            let (body, media_type) = (Bytes::from_static(b"model"), "model/gltf-binary".to_owned());
            let (cost, queued) = (Duration::from_secs(1), Duration::ZERO);
            Ok(Generated { body, media_type, head: None, cost, queued })
        }
        .boxed()
    }

    fn validate(&self, _variant: &str, _body: &Bytes) -> BoxFuture<'_, Result<()>> {
        async { Ok(()) }.boxed()
    }

    fn variants(&self) -> Variants {
        Variants { canonical: "glb", derived: &["stl"] }
    }

    fn derive(&self, source: Bytes, _variant: &str) -> BoxFuture<'_, Result<Derived>> {
        async { Ok(Derived { body: source, media_type: "model/stl".to_owned() }) }.boxed()
    }
}

fn line_request(line: &Arc<Line>) -> Request {
    let plain = request("cup", &Arc::new(Script::new(1)));
    Request { generation: Arc::clone(line) as _, ..plain }
}

fn ask(cache: &ResultCache, request: Request) -> JoinHandle<Result<Outcome>> {
    let cache = cache.clone();
    tokio::spawn(async move { cache.get_or_generate(request).await.map(|served| served.outcome) })
}

#[tokio::test]
async fn what_stands_in_line_leaves_it_with_the_last_who_waits() {
    let cache = builder(&ManualClock::new()).build();
    let line = Line::new();
    for variant in ["glb", "stl"] {
        let asked = in_variant(&line_request(&line), variant);
        let (first, second) = (ask(&cache, asked.clone()), ask(&cache, asked.clone()));
        until(|| line.standing() == 1).await;
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        assert_eq!(line.standing(), 1, "somebody waits still");
        second.abort();
        until(|| line.standing() == 0).await;
        until(|| cache.in_flight().is_empty()).await;
    }
    assert_eq!(line.begun(), 0);
    assert_eq!(cache.stats().requests.generation_failures, 0, "who has left has not failed");
    // Who comes afterwards begins anew.
    let last = ask(&cache, line_request(&line));
    line.turns.add_permits(1);
    line.ends.add_permits(1);
    assert_eq!(last.await.unwrap().unwrap(), Outcome::Miss { is_stored: true });
}

#[tokio::test]
async fn what_has_begun_goes_on_and_is_kept() {
    let cache = builder(&ManualClock::new()).build();
    let line = Line::new();
    let asked = line_request(&line);
    let leaving = ask(&cache, asked.clone());
    line.turns.add_permits(1);
    until(|| line.begun() == 1).await;
    leaving.abort();
    line.ends.add_permits(1);
    until(|| cache.stats().requests.generations == 1).await;
    until(|| cache.in_flight().is_empty()).await;
    assert!(matches!(ask(&cache, asked).await.unwrap().unwrap(), Outcome::Hit { .. }));
}

/// A bypass whose client leaves used to cut the backend's work off in the middle, and its place with it.
#[tokio::test]
async fn a_bypass_leaves_the_line_too_and_once_begun_runs_to_its_end() {
    let cache = builder(&ManualClock::new()).build();
    let line = Line::new();
    let bypass = with(&line_request(&line), Freshness::Bypass);
    let waiting = ask(&cache, bypass.clone());
    until(|| line.standing() == 1).await;
    waiting.abort();
    until(|| line.standing() == 0).await;
    let leaving = ask(&cache, bypass);
    line.turns.add_permits(1);
    until(|| line.begun() == 1).await;
    leaving.abort();
    assert!(leaving.await.unwrap_err().is_cancelled());
    line.ends.add_permits(1);
    until(|| cache.stats().requests.generations == 1).await;
    assert_eq!(cache.stats().requests.bypasses, 2);
    assert!(cache.peek(line_request(&line).key()).await.is_none(), "nothing is kept of it");
}

#[tokio::test]
async fn how_far_it_has_got_is_known_by_its_key() {
    let cache = builder(&ManualClock::new()).build();
    let line = Line::new();
    let asked = line_request(&line);
    let key = asked.key();
    assert_eq!(cache.progress(&key, None), None);
    let waiting = ask(&cache, in_variant(&asked, "stl"));
    until(|| cache.progress(&key, None) == Some(Progress::Queued { ahead: 4 })).await;
    let of_stl = cache.progress(&in_variant(&asked, "stl").key(), Some(&key));
    assert_eq!(of_stl, Some(Progress::Queued { ahead: 4 }), "it waits with its source");
    line.turns.add_permits(1);
    let working = Progress::Working { fraction: 0.5, step: "paint" };
    until(|| cache.progress(&key, None) == Some(working)).await;
    line.ends.add_permits(1);
    waiting.await.unwrap().unwrap();
    assert_eq!(cache.progress(&key, None), None);
}
