//! Which handler answers which request.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderValue, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{get, post};
use tower_http::timeout::RequestBodyTimeoutLayer;

use super::problem::Problem;
use super::state::State;
use super::{access, generate, health, linger, management, metrics, models, openapi, page};
use crate::limits::{BODY_PAUSE_MAX, MANAGEMENT_BODY_MAX_BYTES};

/// Returns the service of a server that was put together in `wire.rs`.
pub fn router(state: Arc<State>) -> Router {
    let management = Router::new()
        .route("/api/cache/stats", get(management::stats))
        .route("/api/cache/config", get(management::config).post(management::change_config))
        .route("/api/cache/clear", post(management::clear))
        .route("/api/cache/warm", post(management::warm))
        .route("/api/cache/purge", post(management::purge))
        .route("/api/cache/entries", get(management::entries))
        .route("/api/cache/entries/{key}", get(management::entry).delete(management::remove_entry))
        .layer(DefaultBodyLimit::max(MANAGEMENT_BODY_MAX_BYTES));
    Router::new()
        .route("/", get(page::page))
        .route("/api/generate", post(generate::generate))
        .route("/api/models/{file}", get(models::model))
        .route("/api/health", get(health::health))
        .route("/api/ready", get(health::ready))
        .route("/metrics", get(metrics::metrics))
        .route("/openapi.json", get(openapi::openapi))
        .merge(management)
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(from_fn_with_state(Arc::clone(&state), access::check))
        .layer(from_fn_with_state(Arc::clone(&state), metrics::observe))
        .layer(from_fn_with_state(Arc::clone(&state), linger::linger))
        .layer(RequestBodyTimeoutLayer::new(BODY_PAUSE_MAX))
        .layer(map_response(mark))
        .with_state(state)
}

async fn no_route(request: Request) -> Problem {
    let path: String = request.uri().path().chars().take(200).collect();
    Problem::not_found(format!("there is nothing at `{path}`"))
}

async fn no_method(request: Request) -> Problem {
    let detail = format!("`{}` does not take `{}`", request.uri().path(), request.method());
    Problem::new(axum::http::StatusCode::METHOD_NOT_ALLOWED, detail)
}

/// Marks every answer as ours, and as one that no browser is to guess about.
async fn mark(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::SERVER, HeaderValue::from_static("meshmemo"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
