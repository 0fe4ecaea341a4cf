//! The embedded backend: the relief generator, behind its queue, in the blocking pool.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use meshmemo::{
    Audience, Clock, Derived, Error, ErrorKind, Freshness, Generated, Generation, Request, Result,
    Variants,
};
use meshmemo_gen::relief::{GenerateError, GenerateErrorKind};
use meshmemo_gen::{Format, Parameters, canonical, mesh, relief};
use tokio::task::spawn_blocking;

use crate::lane::Verdict;
use crate::queue::{Place, Queue, QueueOptions};
use crate::quota::PlaceQuota;

/// How the embedded backend is run.
#[derive(Debug, Clone, Copy)]
pub struct ReliefOptions {
    /// How many generations run at a time.
    pub concurrency: usize,
    /// How many wait for their turn.
    pub queue: usize,
    /// How long one generation may take, without its wait.
    pub timeout: Duration,
}

/// The embedded backend.
pub struct Relief {
    queue: Queue,
    /// Derivations have a line of their own, so that they do not wait behind generations.
    derivations: Queue,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    observer: Box<dyn Fn(Duration) + Send + Sync>,
}

impl Relief {
    /// Starts the backend; `observer` is told how long each generation took that ended well.
    pub fn new(
        options: ReliefOptions,
        clock: Arc<dyn Clock>,
        observer: impl Fn(Duration) + Send + Sync + 'static,
    ) -> Self {
        let ReliefOptions { concurrency, queue: waiting_max, timeout } = options;
        let line = QueueOptions { backend_count: 1, concurrency, waiting_max };
        let queue = || Queue::new(line, Arc::clone(&clock));
        Self { queue: queue(), derivations: queue(), timeout, clock, observer: Box::new(observer) }
    }

    /// Returns the line in front of the generator.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    async fn generate(&self, work: &ReliefGeneration, audience: &Audience) -> Result<Generated> {
        let asked_at = self.clock.now();
        let quota = work.quota.as_ref().map(|quota| &quota.generations);
        let place = self.queue.enter_for(audience, quota, &[]).await?;
        let begun_at = self.clock.now();
        let lane = place.lane();
        let made = self.make(work, place, audience).await;
        let verdict = Verdict::of(&made);
        self.queue.report(lane, verdict);
        if verdict == Verdict::Failed {
            self.queue.count_failed(lane);
        }
        let body = made?;
        let cost = self.clock.now().saturating_sub(begun_at);
        self.queue.note_work(cost);
        (self.observer)(cost);
        let queued = begun_at.saturating_sub(asked_at);
        let media_type = Format::Glb.media_type().to_owned();
        Ok(Generated { body: body.into(), media_type, head: None, cost, queued })
    }

    async fn make(
        &self,
        work: &ReliefGeneration,
        place: Place,
        audience: &Audience,
    ) -> Result<Vec<u8>> {
        let stop = StopOnDrop::default();
        let generated =
            spawn_blocking(work.job(place, audience.clone(), Arc::clone(&stop.is_stopped)));
        match tokio::time::timeout(self.timeout, generated).await {
            Ok(Ok(generated)) => generated.map_err(|error| refused(&error)),
            Ok(Err(panic)) => {
                let message = "the relief generator ended in a panic";
                Err(Error::with_source(ErrorKind::BackendFailed, message, panic))
            }
            Err(_elapsed) => {
                let message =
                    format!("the generation took longer than {} s", self.timeout.as_secs_f64());
                Err(Error::new(ErrorKind::BackendTimeout, message))
            }
        }
    }

    async fn derive(
        &self,
        work: &ReliefGeneration,
        source: Bytes,
        format: Format,
    ) -> Result<Derived> {
        let quota = work.quota.as_ref().map(|quota| &quota.derivations);
        let place = self.derivations.enter_within(quota, |_| {}).await?;
        // It ends when it ends, also if nobody waits for it any more: until then it has its place.
        let convert = move || {
            let _place = place;
            mesh::convert(&source, format)
        };
        let converted = spawn_blocking(convert).await;
        let failed = |source| {
            let message = format!("the {format} file could not be derived from the GLB");
            Error::with_source(ErrorKind::BackendFailed, message, source)
        };
        let body = converted.map_err(|panic| failed(Box::from(panic)))?;
        let body =
            body.map_err(|error| failed(Box::<dyn std::error::Error + Send + Sync>::from(error)))?;
        Ok(Derived { body: body.into(), media_type: format.media_type().to_owned() })
    }
}

impl fmt::Debug for Relief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relief")
            .field("queue", &self.queue)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// One photo, bound to the embedded backend.
pub struct ReliefGeneration {
    backend: Arc<Relief>,
    photo: Bytes,
    parameters: Parameters,
    quota: Option<Arc<PlaceQuota>>,
}

/// What is asked for besides the model itself.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// Whose entry it is to be.
    pub namespace: &'a str,
    /// The operator's name for the model.
    pub model_id: &'a str,
    /// A name for people.
    pub label: String,
    /// What may come from the cache.
    pub freshness: Freshness,
}

impl ReliefGeneration {
    /// Binds the bytes of a photo, and what is asked for.
    pub fn new(backend: Arc<Relief>, photo: Bytes, parameters: Parameters) -> Self {
        Self { backend, photo, parameters, quota: None }
    }

    /// Takes its places in the lines from a quota.
    #[must_use]
    pub fn within(self, quota: Option<Arc<PlaceQuota>>) -> Self {
        Self { quota, ..self }
    }

    /// Makes the engine's request for this.
    pub fn into_request(self, asked: Asked<'_>) -> Request {
        let Asked { namespace, model_id, label, freshness } = asked;
        let identity = canonical::identity(namespace, model_id, &self.parameters, &self.photo);
        Request {
            generation_key: identity.generation_key(),
            identity: Arc::new(identity),
            variant: self.parameters.format.as_str().to_owned(),
            label,
            freshness,
            generation: Arc::new(self),
        }
    }

    /// Returns the work as a function for the blocking pool, which ends early once it is stopped
    /// and gives its place back when it really ends.
    fn job(
        &self,
        place: Place,
        audience: Audience,
        is_stopped: Arc<AtomicBool>,
    ) -> impl FnOnce() -> Result<Vec<u8>, GenerateError> + Send + 'static {
        let (photo, parameters) = (self.photo.clone(), self.parameters.clone());
        move || {
            let _place = place;
            relief::generate(&photo, &parameters, &mut |now| {
                audience.tell_working(now.fraction, now.step.as_str());
                if is_stopped.load(Ordering::Relaxed) {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })
        }
    }
}

impl Generation for ReliefGeneration {
    fn generate<'a>(
        &'a self,
        _variant: &'a str,
        audience: &'a Audience,
    ) -> BoxFuture<'a, Result<Generated>> {
        self.backend.generate(self, audience).boxed()
    }

    fn validate(&self, variant: &str, body: &Bytes) -> BoxFuture<'_, Result<()>> {
        let (format, body) = (format_of(variant), body.clone());
        validate(format, body).boxed()
    }

    fn variants(&self) -> Variants {
        Variants { canonical: "glb", derived: &["stl", "obj", "ply"] }
    }

    fn derive(&self, source: Bytes, variant: &str) -> BoxFuture<'_, Result<Derived>> {
        let format = format_of(variant);
        async move { self.backend.derive(self, source, format?).await }.boxed()
    }
}

impl fmt::Debug for ReliefGeneration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReliefGeneration")
            .field("photo_bytes", &self.photo.len())
            .field("parameters", &self.parameters)
            .finish_non_exhaustive()
    }
}

/// Stops the work in the blocking pool when nobody waits for it any more.
#[derive(Default)]
struct StopOnDrop {
    is_stopped: Arc<AtomicBool>,
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }
}

async fn validate(format: Result<Format>, body: Bytes) -> Result<()> {
    let format = format?;
    let checked = spawn_blocking(move || mesh::check(&body, format)).await;
    let incomplete = |source: Box<dyn std::error::Error + Send + Sync>| {
        let message = format!("the backend's answer is not a complete model: {source}");
        Error::with_source(ErrorKind::BackendFailed, message, source)
    };
    let summary = checked.map_err(|panic| incomplete(Box::from(panic)))?;
    summary.map(drop).map_err(|error| incomplete(Box::from(error)))
}

fn format_of(variant: &str) -> Result<Format> {
    variant.parse().map_err(|error: meshmemo_gen::FieldError| {
        Error::new(ErrorKind::Invalid, error.to_string())
    })
}

/// Says in the engine's words why the generator made nothing.
fn refused(error: &GenerateError) -> Error {
    let kind = match error.kind() {
        GenerateErrorKind::Cancelled => ErrorKind::Cancelled,
        GenerateErrorKind::Mesh => ErrorKind::BackendFailed,
        _ => ErrorKind::Invalid,
    };
    Error::new(kind, error.to_string())
}
