//! `POST /api/generate`: a photo becomes a model, or comes from the cache.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request as HttpRequest, State as Extract};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use meshmemo::{Error, ErrorKind, Freshness, Outcome, Removed, Request, Served};
use meshmemo_gateway::{Asked, ReliefGeneration};

use super::answer::{Generated, answer};
use super::audit;
use super::change::carry_out;
use super::guard::may_not;
use super::problem::Problem;
use super::state::State;
use super::upload::Upload;
use crate::access::{Caller, Refusal, Right};

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
    let freshness = state.freshness(asked);
    let upload = Upload::read(&state, request).await?;
    let started_at = state.clock.now();
    let Upload { image, parameters, label } = upload;
    let format = parameters.format;
    let backend = Arc::clone(&state.backend);
    let generation = ReliefGeneration::new(backend, image, parameters, Arc::new(|_| {}));
    let (namespace, model_id) = (caller.namespace(), state.config.model_id.as_str());
    let asked = Asked { namespace, model_id, label: label.clone(), freshness };
    let request = generation.within(caller.places()).into_request(asked);
    let key_took = state.clock.now().saturating_sub(started_at);
    let key = request.key();
    let served = match freshness {
        Freshness::Refresh => regenerate(&state, caller, request).await?,
        _ => state.cache.get_or_generate(request).await,
    };
    let served = served.inspect_err(|error| {
        if matches!(error.kind(), ErrorKind::OverQuota { .. }) {
            state.access.refusals.count(Refusal::Queue);
        }
    })?;
    answer(&state, Generated { served, key, key_took, label, format }).await
}

/// Replaces what is cached, which is a change.
async fn regenerate(
    state: &State,
    caller: Caller,
    request: Request,
) -> Result<Result<Served, Error>, Problem> {
    let cache = state.cache.clone();
    let action = format!("regenerate {}", request.key());
    let regenerating = async move {
        let served = cache.get_or_generate(request).await;
        if let Ok(served) = &served {
            let bytes = served.stored.meta().size_bytes;
            let is_stored = served.outcome == Outcome::Bypass { is_stored: true };
            audit::note(&caller, &action, Removed { entries: is_stored.into(), bytes });
        }
        served
    };
    carry_out(&state.tasks, regenerating).await
}

/// Checks that who wants a generation for what may be cached may have one.
fn check_freshness(state: &State, caller: &Caller, asked: Freshness) -> Result<(), Problem> {
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
fn freshness(headers: &HeaderMap) -> Freshness {
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
