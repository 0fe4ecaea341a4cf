//! `/api/jobs/<id>`: how a job stands, once or as it goes on, and leaving it.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State as Extract;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use meshmemo::Progress;
use meshmemo_gateway::{FoundJob, JobState, JobView};
use meshmemo_gen::Format;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;

use super::answer::{ascii, model_url};
use super::extract::PathText;
use super::json;
use super::problem::Problem;
use super::state::State;
use crate::access::Caller;
use crate::limits::{JOB_ELSEWHERE_INTERVAL, JOB_EVENTS_INTERVAL, JOB_SILENCE_MAX, RETRY_AFTER};

/// How a job stands.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(super) struct JobReport {
    id: String,
    /// `queued`, `running`, `done` or `failed`.
    status: &'static str,
    /// From 0 to 1.
    progress: f32,
    /// What is being done.
    step: Option<&'static str>,
    /// How many are before it.
    queue_position: Option<usize>,
    /// Whether no generation was needed.
    cached: Option<bool>,
    key: String,
    /// Where the model is fetched, for as long as it is in the cache.
    model_url: Option<String>,
    /// Why it has failed.
    error: Option<String>,
}

/// Reports how a job stands.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}",
    tag = "generation",
    params(("id" = String, Path, description = "The job, as `Location` gives it")),
    responses(
        (status = 200, description = "How it stands", body = JobReport),
        (status = 404, description = "Not remembered", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn job(
    Extract(state): Extract<Arc<State>>,
    Extension(caller): Extension<Caller>,
    PathText(id): PathText,
) -> Result<Response, Problem> {
    let job = find(&state, &caller, &id).await?;
    Ok(json::answer(&report(&state, &job)))
}

/// Reports how a job stands, again and again until it ends, as server-sent events.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}/events",
    tag = "generation",
    params(("id" = String, Path, description = "The job, as `Location` gives it")),
    responses(
        (status = 200, description = "Events with how it stands; the last one is its end", content_type = "text/event-stream"),
        (status = 404, description = "Not remembered", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many are watched", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn events(
    Extract(state): Extract<Arc<State>>,
    Extension(caller): Extension<Caller>,
    PathText(id): PathText,
) -> Result<Response, Problem> {
    find(&state, &caller, &id).await?;
    let watcher = Watcher::new(&state, caller, id)?;
    let told = stream::unfold(Some(watcher), |watcher| async move {
        let (event, watcher) = watcher?.next().await?;
        Some((Ok::<_, Infallible>(event), watcher))
    });
    let mut response = Response::new(Body::from_stream(told));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Leaves a job, and the queue if it waits there; a generation that has begun goes on and is kept.
#[utoipa::path(
    delete,
    path = "/api/jobs/{id}",
    tag = "generation",
    params(("id" = String, Path, description = "The job, as `Location` gives it")),
    responses(
        (status = 200, description = "How it stands now", body = JobReport),
        (status = 404, description = "Not remembered", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It runs at another gateway", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn leave(
    Extract(state): Extract<Arc<State>>,
    Extension(caller): Extension<Caller>,
    PathText(id): PathText,
) -> Result<Response, Problem> {
    let job = find(&state, &caller, &id).await?;
    let is_here = matches!(state.jobs.find(&id, &caller.scope()), FoundJob::Job(_));
    if !is_here && matches!(job.state, JobState::Running) {
        let detail = format!("the job `{id}` runs at another gateway, and is left there");
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    state.jobs.cancel(&id);
    let job = find(&state, &caller, &id).await?;
    Ok(json::answer(&report(&state, &job)))
}

/// Answers with a job that was taken.
pub(super) async fn accepted(
    state: &State,
    caller: &Caller,
    id: &str,
) -> Result<Response, Problem> {
    let job = find(state, caller, id).await?;
    let mut response = json::answer(&report(state, &job));
    *response.status_mut() = StatusCode::ACCEPTED;
    let location = ascii(&state.own(&format!("/api/jobs/{id}")));
    response.headers_mut().insert(header::LOCATION, location);
    let applied = HeaderValue::from_static("respond-async");
    response.headers_mut().insert("preference-applied", applied);
    Ok(response)
}

async fn find(state: &State, caller: &Caller, id: &str) -> Result<JobView, Problem> {
    let found = state.jobs.find_anywhere(id, &caller.scope()).await;
    let id: String = id.chars().take(80).collect();
    match found {
        FoundJob::Job(job) => Ok(*job),
        FoundJob::Forgotten => {
            Err(Problem::not_found(format!("the job `{id}` is not remembered any more")))
        }
        FoundJob::Unknown => Err(Problem::not_found(format!("there is no job `{id}`"))),
        FoundJob::Unsure => {
            let detail = "the shared tier does not answer: it may know the job";
            Err(Problem::busy(detail, RETRY_AFTER))
        }
    }
}

fn report(state: &State, job: &JobView) -> JobReport {
    let blank = JobReport {
        id: job.id.clone(),
        status: "running",
        progress: 0.0,
        step: None,
        queue_position: None,
        cached: None,
        key: job.key.to_string(),
        model_url: None,
        error: None,
    };
    match &job.state {
        JobState::Failed(error) => {
            JobReport { status: "failed", error: Some(error.clone()), ..blank }
        }
        JobState::Done(done) => {
            let url = match done.variant.parse::<Format>() {
                Ok(format) => model_url(state, done.digest, format),
                Err(_) => state.own(&format!("/api/models/{}.{}", done.digest, done.variant)),
            };
            let (progress, cached) = (1.0, Some(done.is_cached));
            JobReport { status: "done", progress, cached, model_url: Some(url), ..blank }
        }
        JobState::Running => match state.cache.progress(&job.key, job.source_key.as_ref()) {
            Some(Progress::Queued { ahead }) => {
                JobReport { status: "queued", queue_position: Some(ahead), ..blank }
            }
            Some(Progress::Working { fraction, step }) => {
                JobReport { progress: fraction, step: Some(step), ..blank }
            }
            _ => blank,
        },
    }
}

/// Somebody who watches a job.
struct Watcher {
    state: Arc<State>,
    caller: Caller,
    id: String,
    /// What tells of changes, where the job was taken here.
    changes: Option<tokio::sync::watch::Receiver<()>>,
    last: Option<JobReport>,
    _seat: OwnedSemaphorePermit,
}

impl Watcher {
    fn new(state: &Arc<State>, caller: Caller, id: String) -> Result<Self, Problem> {
        let busy = || Problem::busy("too many jobs are watched already", RETRY_AFTER);
        let seat = Arc::clone(&state.watchers).try_acquire_owned().map_err(|_| busy())?;
        let changes = state.jobs.watch(&id);
        let state = Arc::clone(state);
        Ok(Self { state, caller, id, changes, last: None, _seat: seat })
    }

    /// Waits for news, or says after a while that there are none, so that nobody in between takes the
    /// connection for dead; after a job's end, and after the server's, nothing follows.
    async fn next(mut self) -> Option<(Bytes, Option<Self>)> {
        let since = self.state.clock.now();
        loop {
            let job = match find(&self.state, &self.caller, &self.id).await {
                Ok(job) => job,
                // Who knows the job can not be asked now.
                Err(problem) if problem.is_busy() => {
                    if self.state.tasks.is_closed() {
                        return None;
                    }
                    tokio::time::sleep(JOB_ELSEWHERE_INTERVAL).await;
                    continue;
                }
                Err(_) => return None,
            };
            let has_ended = !matches!(job.state, JobState::Running);
            let now = report(&self.state, &job);
            if self.last.as_ref() != Some(&now) {
                let text = serde_json::to_string(&now).unwrap_or_default();
                let event = Bytes::from(format!("event: job\ndata: {text}\n\n"));
                self.last = Some(now);
                return Some((event, (!has_ended).then_some(self)));
            }
            if has_ended || self.state.tasks.is_closed() {
                return None;
            }
            if self.state.clock.now().saturating_sub(since) > JOB_SILENCE_MAX {
                return Some((Bytes::from_static(b":\n\n"), Some(self)));
            }
            // The end is told at once; how far it has got, now and then.
            match &mut self.changes {
                Some(changes) => {
                    let end = tokio::time::timeout(JOB_EVENTS_INTERVAL, changes.changed());
                    let _either = end.await;
                }
                None => tokio::time::sleep(JOB_ELSEWHERE_INTERVAL).await,
            }
        }
    }
}
