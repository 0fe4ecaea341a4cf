//! `POST /api/generate/batch`: many photos, one answer for each.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request as HttpRequest, State as Extract};
use axum::http::StatusCode;
use axum::response::Response;
use futures_util::{StreamExt, stream};
use meshmemo::Freshness;
use meshmemo_gateway::Shown;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::model_url;
use super::generate::{Prepared, check_freshness, freshness, obtain, prepare};
use super::problem::Problem;
use super::shown::shown;
use super::state::State;
use super::upload::Upload;
use super::{job, json};
use crate::access::Caller;
use crate::limits::BATCH_AT_ONCE;

/// What became of one photo.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum BatchItem {
    /// It has a model.
    Made(BatchResult),
    /// It has none.
    Problem(Problem),
}

/// The model of one photo.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BatchResult {
    /// Always 200.
    status: u16,
    label: String,
    key: String,
    /// `hit`, `miss`, `coalesced` or `bypass`.
    outcome: &'static str,
    /// Where the model is fetched, for as long as it is in the cache.
    model_url: String,
    media_type: &'static str,
    size_bytes: u64,
}

/// Generates models of many photos, or answers from the cache; a photo that is there twice is generated
/// once.
#[utoipa::path(
    post,
    path = "/api/generate/batch",
    tag = "generation",
    request_body(content((super::openapi::GenerateForm = "multipart/form-data"))),
    responses(
        (status = 207, description = "For each `image`, in their order: its model's address, or its problem", body = [BatchItem]),
        (status = 400, description = "Malformed", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not a form", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A field out of its range", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn batch(
    Extract(state): Extract<Arc<State>>,
    Extension(caller): Extension<Caller>,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let asked = freshness(request.headers());
    check_freshness(&state, &caller, asked)?;
    let means = (state.freshness(asked), shown(&state, request.headers())?);
    let uploads = Upload::read_many(&state, request).await?;
    let answers = uploads.into_iter().map(|upload| {
        let (state, caller, means) = (Arc::clone(&state), caller.clone(), means.clone());
        async move {
            let made = match upload {
                Ok(upload) => make(&state, caller, upload, means).await,
                Err(problem) => Err(problem),
            };
            made.map_or_else(BatchItem::Problem, BatchItem::Made)
        }
    });
    let answers: Vec<_> = stream::iter(answers).buffered(BATCH_AT_ONCE).collect().await;
    let mut response = json::answer(&answers);
    *response.status_mut() = StatusCode::MULTI_STATUS;
    Ok(response)
}

async fn make(
    state: &State,
    caller: Caller,
    upload: Upload,
    means: (Freshness, Option<Shown>),
) -> Result<BatchResult, Problem> {
    let Prepared { request, label, format, .. } = prepare(state, &caller, upload, means).await?;
    let (key, namespace) = (request.key(), caller.namespace().to_owned());
    let served = obtain(state, caller, request).await?;
    if !job::is_kept(state, key, &*served.stored).await {
        job::hold(state, &namespace, key, Arc::clone(&served.stored)).await?;
    }
    let meta = served.stored.meta();
    Ok(BatchResult {
        status: 200,
        label,
        key: key.to_string(),
        outcome: served.outcome.as_str(),
        model_url: model_url(state, meta.digest, format),
        media_type: format.media_type(),
        size_bytes: meta.size_bytes,
    })
}
