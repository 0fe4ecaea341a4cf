//! Which handler answers which request, and who may ask it.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::{Extension, Router};
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::timeout::RequestBodyTimeoutLayer;

use super::credential::API_KEY;
use super::problem::Problem;
use super::routes::{Needs, Route, Routes};
use super::state::State;
use super::{
    backends, batch, front, generate, guard, health, jobs, linger, management, metrics, models,
    openapi, page, session,
};
use crate::access::Right;
use crate::limits::{BODY_PAUSE_MAX, PREFLIGHT_MAX_AGE};

/// Lists every route there is.
pub fn routes() -> Vec<Route> {
    table().all
}

fn table() -> Routes {
    let (generate_right, fetch) = (Needs::Right(Right::Generate), Needs::Right(Right::Fetch));
    let (read, observe) = (Needs::Right(Right::Read), Needs::Right(Right::Observe));
    let manage = Needs::Right(Right::Manage);
    Routes::default()
        .get("/", Needs::Nothing, page::page)
        .get("/page.css", Needs::Nothing, page::style)
        .post("/sign-in", Needs::Nothing, session::sign_in)
        .post("/sign-out", Needs::Nothing, session::sign_out)
        .get("/api/health", Needs::Nothing, health::health)
        .get("/api/ready", Needs::Nothing, health::ready)
        .get("/openapi.json", Needs::Nothing, openapi::openapi)
        .post("/api/generate", generate_right, generate::generate)
        .post("/api/generate/batch", generate_right, batch::batch)
        .get("/api/jobs/{id}", fetch, jobs::job)
        .delete("/api/jobs/{id}", generate_right, jobs::leave)
        .get("/api/jobs/{id}/events", fetch, jobs::events)
        .get("/api/models/{file}", fetch, models::model)
        .get("/metrics", observe, metrics::metrics)
        .get("/api/backends", observe, backends::backends)
        .post("/api/backends/drain", manage, backends::drain)
        .post("/api/backends/resume", manage, backends::resume)
        .get("/api/cache/stats", read, management::stats)
        .get("/api/cache/entries", read, management::entries)
        .get("/api/cache/entries/{key}", read, management::entry)
        .delete("/api/cache/entries/{key}", manage, management::remove_entry)
        .get("/api/cache/config", observe, management::config)
        .post("/api/cache/config", manage, management::change_config)
        .post("/api/cache/clear", manage, management::clear)
        .post("/api/cache/warm", manage, management::warm)
        .post("/api/cache/purge", manage, management::purge)
}

/// Returns what answers this server's own paths.
pub(super) fn own(state: Arc<State>) -> Router {
    let router = table().router().fallback(no_route).method_not_allowed_fallback(no_method);
    let router = match cors(&state.config.access.cors_origins) {
        Some(cors) => router.layer(cors),
        None => router,
    };
    observed(router, &state).layer(map_response(mark)).with_state(state)
}

/// Returns what answers all other paths, where there is a backend with clients of its own.
pub(super) fn of_backend(state: Arc<State>) -> Router {
    let router = Router::new().fallback(front::front);
    let router = router.layer(from_fn_with_state(Needs::Backend, guard::check));
    observed(router, &state).with_state(state)
}

/// Adds what every request passes through.
fn observed(router: Router<Arc<State>>, state: &Arc<State>) -> Router<Arc<State>> {
    router
        .layer(Extension(Arc::clone(state)))
        .layer(from_fn_with_state(Arc::clone(state), metrics::observe))
        .layer(from_fn_with_state(Arc::clone(state), linger::linger))
        .layer(RequestBodyTimeoutLayer::new(BODY_PAUSE_MAX))
}

/// Lets pages of these origins read, and no others; none may send cookies.
fn cors(origins: &[HeaderValue]) -> Option<CorsLayer> {
    let allowed = match origins {
        [] => return None,
        all if all.iter().any(|origin| origin == "*") => AllowOrigin::any(),
        listed => AllowOrigin::list(listed.iter().cloned()),
    };
    let asked = [
        API_KEY,
        header::AUTHORIZATION,
        header::RANGE,
        header::IF_RANGE,
        header::IF_MATCH,
        header::IF_NONE_MATCH,
    ];
    let told = [
        header::ETAG,
        header::LINK,
        header::CONTENT_RANGE,
        header::ACCEPT_RANGES,
        header::RETRY_AFTER,
        super::answer::CACHE_STATUS,
    ];
    let layer = CorsLayer::new().allow_origin(allowed).allow_methods([Method::GET, Method::HEAD]);
    Some(layer.allow_headers(asked).expose_headers(told).max_age(PREFLIGHT_MAX_AGE))
}

async fn no_route(request: Request) -> Problem {
    let path: String = request.uri().path().chars().take(200).collect();
    Problem::not_found(format!("there is nothing at `{path}`"))
}

async fn no_method(request: Request) -> Problem {
    let detail = format!("`{}` does not take `{}`", request.uri().path(), request.method());
    Problem::new(axum::http::StatusCode::METHOD_NOT_ALLOWED, detail)
}

/// Marks every answer as ours, and as one that no browser is to guess about or to lend to the pages
/// of others.
async fn mark(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let marks: [(HeaderName, &str); 5] = [
        (header::SERVER, "meshmemo"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // Not `no-referrer`: forms of the page are to say where they come from.
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in marks {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
