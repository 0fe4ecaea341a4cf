//! `POST /api/generate`: a photo becomes a model, or comes from the cache.

use std::sync::Arc;

use axum::extract::{Request as HttpRequest, State as Extract};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use meshmemo::{Freshness, Request};
use meshmemo_gateway::ReliefGeneration;
use meshmemo_gen::canonical;

use super::model::{Generated, answer};
use super::problem::Problem;
use super::state::State;
use super::upload::Upload;

/// Generates a model of a photo, or answers from the cache.
///
/// Send `multipart/form-data` with the file `image`, or JSON with `image` in base64 or as a data
/// URI. `Cache-Control: no-cache` generates anew and replaces, `no-store` keeps nothing,
/// `only-if-cached` generates nothing.
#[utoipa::path(
    post,
    path = "/api/generate",
    tag = "generation",
    request_body(content_type = "multipart/form-data", content = super::openapi::GenerateForm),
    responses(
        (status = 200, description = "The model", content_type = "model/gltf-binary"),
        (status = 400, description = "Malformed", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "From a foreign page", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not an image", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "An undecodable image, or a field out of its range", body = Problem, content_type = "application/problem+json"),
        (status = 502, description = "The generator failed", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Busy; see `Retry-After`", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "The generator took too long, or the model was to come from the cache and is not there", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn generate(
    Extract(state): Extract<Arc<State>>,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let freshness = state.freshness(freshness(request.headers()));
    let upload = Upload::read(&state, request).await?;
    let started_at = state.clock.now();
    let request = bind(&state, &upload, freshness);
    let key_took = state.clock.now().saturating_sub(started_at);
    let (key, label) = (request.key(), upload.label.clone());
    let served = state.cache.get_or_generate(request).await?;
    let format = upload.parameters.format;
    answer(&state, Generated { served, key, key_took, label, format })
}

/// Makes the engine's request of what a client asks for.
fn bind(state: &State, upload: &Upload, freshness: Freshness) -> Request {
    let Upload { image, parameters, label } = upload;
    let identity = canonical::identity(&state.config.model_id, parameters, image);
    let generation = ReliefGeneration::new(
        Arc::clone(&state.backend),
        image.clone(),
        parameters.clone(),
        Arc::new(|_| {}),
    );
    Request {
        generation_key: identity.generation_key(),
        identity: Arc::new(identity),
        variant: parameters.format.as_str().to_owned(),
        label: label.clone(),
        freshness,
        generation: Arc::new(generation),
    }
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
