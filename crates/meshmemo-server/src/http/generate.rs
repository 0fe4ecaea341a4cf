//! `POST /api/generate`: a photo becomes a model, or comes from the cache.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Request as HttpRequest, State as Extract};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use meshmemo::{
    Error, ErrorKind, Freshness, Outcome, Progress, Removed, Request, ResultCache, Served,
};
use meshmemo_gateway::{Ask, Shown};
use meshmemo_gen::Format;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use super::answer::{Generated, answer};
use super::audit;
use super::change::carry_out;
use super::guard::may_not;
use super::job::Speaks;
use super::problem::Problem;
use super::shown::shown;
use super::state::State;
use super::upload::Upload;
use super::{job, jobs};
use crate::access::{Caller, Refusal, Right};
use crate::backend::Order;

/// Generates a model of a photo, or answers from the cache.
///
/// Send `multipart/form-data` with the file `image`, or JSON with `image` in base64 or as a data
/// URI. `Cache-Control: no-cache` generates anew and replaces, `no-store` keeps nothing,
/// `only-if-cached` generates nothing.
#[utoipa::path(
    post,
    path = "/api/generate",
    tag = "generation",
    request_body(content(
        (super::openapi::GenerateForm = "multipart/form-data"),
        (super::openapi::GenerateForm = "application/json"),
    )),
    params(
        ("Cache-Control" = Option<String>, Header, description = "`no-cache`, `no-store` or `only-if-cached`"),
        ("X-Meshmemo-Backend-Authorization" = Option<String>, Header, description = "Sent to the server behind this one as `Authorization`; what is made with it is for who sends it"),
        ("Prefer" = Option<String>, Header, description = "`respond-async`: answers 202 with a job, unless the model is cached"),
    ),
    responses(
        (
            status = 200,
            description = "The model: `model/gltf-binary`, `model/stl`, `model/obj` or, for PLY, `application/octet-stream`",
            content_type = "model/gltf-binary",
            headers(
                ("Cache-Status" = String, description = "Where it came from (RFC 9211)"),
                ("ETag" = String, description = "The BLAKE3 digest of the bytes"),
                ("Link" = String, description = "The model's own address, as `alternate`"),
                ("X-Meshmemo-Cache-Key" = String, description = "The entry's key"),
                ("Server-Timing" = String, description = "Milliseconds for `key`, `lookup`, `queue` and `generate`"),
                ("Content-Disposition" = String, description = "A file name from the label"),
            )
        ),
        (status = 202, description = "A job, at the address of `Location`", body = jobs::JobReport, headers(("Location" = String, description = "The job's address"))),
        (status = 400, description = "Malformed", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not an image", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "An undecodable image, or a field out of its range", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "The key has used up its requests or its places in the queue; see `Retry-After`", body = Problem, content_type = "application/problem+json"),
        (status = 502, description = "The generator failed", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Busy; see `Retry-After`", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "The generator took too long, or the model was to come from the cache and is not there", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn generate(
    Extract(state): Extract<Arc<State>>,
    Extension(caller): Extension<Caller>,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let asked = freshness(request.headers());
    check_freshness(&state, &caller, asked)?;
    let is_patient = prefers_async(request.headers());
    let shown = shown(&state, request.headers())?;
    let upload = Upload::read(&state, request).await?;
    let Prepared { request, label, format, key_took } =
        prepare(&state, &caller, upload, (state.freshness(asked), shown)).await?;
    let key = request.key();
    if is_patient && !job::is_there(&state, &request).await {
        let id = job::start(&state, &caller, Speaks::Ours, request).await?;
        return jobs::accepted(&state, &caller, &id).await;
    }
    let served = obtain(&state, caller, request).await?;
    answer(&state, Generated { served, key, key_took, label, format }).await
}

/// A request that is ready for the engine.
pub(super) struct Prepared {
    pub(super) request: Request,
    pub(super) label: String,
    pub(super) format: Format,
    /// What it took to know its key.
    pub(super) key_took: Duration,
}

/// Makes the engine's request of an upload, off the threads that serve others: the photo is hashed.
pub(super) async fn prepare(
    state: &State,
    caller: &Caller,
    upload: Upload,
    (freshness, shown): (Freshness, Option<Shown>),
) -> Result<Prepared, Problem> {
    let started_at = state.clock.now();
    let Upload { image: photo, parameters, given, label } = upload;
    let (backend, quota) = (state.backend.clone(), caller.places());
    let (namespace, named) = (caller.namespace().to_owned(), label.clone());
    let preparing = spawn_blocking(move || {
        let order = Order { namespace: &namespace, label: named, freshness, shown, quota };
        backend.request(Ask { photo, parameters, given }, order)
    });
    let request = preparing.await.map_err(|panic| {
        Error::with_source(ErrorKind::BackendFailed, "the photo could not be read", panic)
    })??;
    let format = request.variant.parse()?;
    let key_took = state.clock.now().saturating_sub(started_at);
    Ok(Prepared { request, label, format, key_took })
}

/// Has a request answered on behalf of a caller.
pub(super) async fn obtain(
    state: &State,
    caller: Caller,
    request: Request,
) -> Result<Served, Error> {
    let served = match request.freshness {
        Freshness::Refresh => regenerate(state, caller, request).await,
        _ => state.cache.get_or_generate(request).await,
    };
    served.inspect_err(|error| {
        if matches!(error.kind(), ErrorKind::OverQuota { .. }) {
            state.access.refusals.count(Refusal::Queue);
        }
    })
}

/// Replaces what is cached, which is a change: it is carried to its end.
async fn regenerate(state: &State, caller: Caller, request: Request) -> Result<Served, Error> {
    let (client, client_has_left) = oneshot::channel::<Infallible>();
    let (cache, key, source) = (state.cache.clone(), request.key(), request.source_key());
    let fetching = carry_out(&state.tasks, async move {
        let mut fetching = pin!(fetch(cache.clone(), caller, request));
        tokio::select! {
            served = &mut fetching => return served,
            _ = client_has_left => {}
        }
        // What has begun is a change that is told of; what has not, need not begin for nobody.
        match cache.progress(&key, source.as_ref()) {
            Some(Progress::Queued { .. }) => {
                Err(Error::new(ErrorKind::Cancelled, "nobody waits for it any more"))
            }
            _ => fetching.await,
        }
    });
    let served = fetching.await?;
    drop(client);
    served
}

/// Has a request answered that replaces what is cached, and tells of the change.
async fn fetch(cache: ResultCache, caller: Caller, request: Request) -> Result<Served, Error> {
    let action = format!("regenerate {}", request.key());
    let served = cache.get_or_generate(request).await;
    if let Ok(served) = &served {
        let bytes = served.stored.meta().size_bytes;
        let is_stored = served.outcome == Outcome::Bypass { is_stored: true };
        audit::note(&caller, &action, Removed { entries: is_stored.into(), bytes });
    }
    served
}

/// Returns whether a client would rather come back for the model than wait for it (RFC 7240).
fn prefers_async(headers: &HeaderMap) -> bool {
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(|value| value.split(','));
    preferences.any(|it| {
        let name = it.split(';').next().unwrap_or_default();
        name.trim().eq_ignore_ascii_case("respond-async")
    })
}

/// Checks that who wants a generation for what may be cached may have one.
pub(super) fn check_freshness(
    state: &State,
    caller: &Caller,
    asked: Freshness,
) -> Result<(), Problem> {
    let is_costly = matches!(asked, Freshness::Refresh | Freshness::Bypass);
    if is_costly && !caller.may(Right::Regenerate) {
        state.access.refusals.count(Refusal::Forbidden);
        let detail = may_not(caller, Right::Regenerate);
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    Ok(())
}

/// Reads from `Cache-Control` what a request may use of the cache. `no-store` counts before
/// `only-if-cached`, and that before `no-cache`.
pub(super) fn freshness(headers: &HeaderMap) -> Freshness {
    let values = headers.get_all(header::CACHE_CONTROL).iter();
    let mut asked = Freshness::Cached;
    for directive in values.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(',')) {
        match directive.trim().to_ascii_lowercase().as_str() {
            "no-store" => return Freshness::Bypass,
            "only-if-cached" => asked = Freshness::OnlyIfCached,
            "no-cache" if asked == Freshness::Cached => asked = Freshness::Refresh,
            _ => {}
        }
    }
    asked
}
