//! A generation that does what a test tells it, and the cache around it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use meshmemo::testing::{ManualClock, TokioSpawn};
use meshmemo::{
    Audience, Derived, Error, ErrorKind, Freshness, Generated, Generation, Identity, Request,
    Result, ResultCache, ResultCacheBuilder, Value, Variants,
};
use tokio::sync::Semaphore;

/// What a scripted generation takes, as it says.
pub(crate) const COST: Duration = Duration::from_secs(17);

/// Makes a model of a size, counts how often, and waits to be let go on if it was told to.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) size_bytes: usize,
    pub(crate) failure: Option<ErrorKind>,
    pub(crate) panics: bool,
    pub(crate) begun: AtomicUsize,
    pub(crate) derived: AtomicUsize,
    /// One permit lets one generation end; none are needed where it is closed.
    pub(crate) gate: Semaphore,
}

impl Script {
    /// Makes one that ends at once.
    pub(crate) fn new(size_bytes: usize) -> Self {
        let script = Self::gated(size_bytes);
        script.gate.close();
        script
    }

    /// Makes one that waits at its gate.
    pub(crate) fn gated(size_bytes: usize) -> Self {
        Self {
            size_bytes,
            failure: None,
            panics: false,
            begun: AtomicUsize::new(0),
            derived: AtomicUsize::new(0),
            gate: Semaphore::new(0),
        }
    }

    pub(crate) fn generations(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }
}

impl Generation for Script {
    fn generate<'a>(
        &'a self,
        _variant: &'a str,
        _audience: &'a Audience,
    ) -> BoxFuture<'a, Result<Generated>> {
        async move {
            let round = self.begun.fetch_add(1, Ordering::SeqCst);
            if let Ok(permit) = self.gate.acquire().await {
                permit.forget();
            }
            assert!(!self.panics, "the generation was told to panic");
            if let Some(kind) = self.failure {
                return Err(Error::new(kind, "the generation was told to fail"));
            }
            let body = vec![u8::try_from(round % 256).unwrap(); self.size_bytes];
            let media_type = "model/gltf-binary".to_owned();
            let (cost, queued) = (COST, Duration::ZERO);
            Ok(Generated { body: body.into(), media_type, head: None, cost, queued })
        }
        .boxed()
    }

    fn validate(&self, _variant: &str, body: &Bytes) -> BoxFuture<'_, Result<()>> {
        let is_model = body.len() != 13;
        let refused = || Error::new(ErrorKind::BackendFailed, "13 bytes are no model");
        async move { if is_model { Ok(()) } else { Err(refused()) } }.boxed()
    }

    fn variants(&self) -> Variants {
        Variants { canonical: "glb", derived: &["stl", "obj"] }
    }

    fn derive(&self, source: Bytes, variant: &str) -> BoxFuture<'_, Result<Derived>> {
        let body = [variant.as_bytes(), &source].concat();
        async move {
            self.derived.fetch_add(1, Ordering::SeqCst);
            Ok(Derived { body: body.into(), media_type: "model/stl".to_owned() })
        }
        .boxed()
    }
}

/// A request for the GLB of the photo `name`.
pub(crate) fn request(name: &str, script: &Arc<Script>) -> Request {
    let parameters = BTreeMap::from([("name".to_owned(), Value::Text(name.to_owned()))]);
    let identity = Arc::new(Identity { parameters, ..Identity::default() });
    Request {
        generation_key: identity.generation_key(),
        identity,
        variant: "glb".to_owned(),
        label: name.to_owned(),
        freshness: Freshness::Cached,
        generation: Arc::clone(script) as _,
    }
}

/// The same request in another variant.
pub(crate) fn in_variant(request: &Request, variant: &str) -> Request {
    Request { variant: variant.to_owned(), ..request.clone() }
}

/// The same request with another freshness.
pub(crate) fn with(request: &Request, freshness: Freshness) -> Request {
    Request { freshness, ..request.clone() }
}

pub(crate) fn builder(clock: &ManualClock) -> ResultCacheBuilder {
    ResultCache::builder(Arc::new(TokioSpawn::new())).clock(Arc::new(clock.clone()))
}

/// Waits until `condition` holds, giving way to other tasks in between.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}
