//! Whether the server lives, and whether it takes requests.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State as Extract;
use axum::response::Response;
use meshmemo::{Health, TierReport};
use serde::Serialize;
use utoipa::ToSchema;

use super::json;
use super::problem::Problem;
use super::state::State;
use crate::limits::RETRY_AFTER;

/// How the server is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HealthReport {
    /// `ok`, or `degraded` if a tier is not.
    status: &'static str,
    /// The version of meshmemo.
    version: &'static str,
    uptime_seconds: f64,
    /// By tier: `ok`, `degraded` or `down`.
    tiers: BTreeMap<&'static str, &'static str>,
    /// By tier that is not well: why.
    reasons: BTreeMap<&'static str, String>,
    backend: BackendReport,
}

/// How the backend is.
#[derive(Debug, Serialize, ToSchema)]
struct BackendReport {
    name: &'static str,
    model_id: String,
    status: &'static str,
    /// Generations that run now.
    working: usize,
    /// Generations that wait for their turn.
    queued: usize,
}

/// Reports how the server, its tiers and its backend are; answers while the backend works.
#[utoipa::path(
    get,
    path = "/api/health",
    tag = "operation",
    responses((status = 200, description = "How it is", body = HealthReport))
)]
pub(super) async fn health(Extract(state): Extract<Arc<State>>) -> Response {
    let lower = state.cache.tiers();
    let mut tiers: BTreeMap<_, _> =
        lower.iter().map(|tier| (tier.name, tier.status.health.as_str())).collect();
    tiers.insert("memory", Health::Ok.as_str());
    let reason = |tier: &TierReport| Some((tier.name, tier.status.health.trouble()?.to_string()));
    let reasons: BTreeMap<_, _> = lower.iter().filter_map(reason).collect();
    let queue = state.backend.queue();
    json::answer(&HealthReport {
        status: if reasons.is_empty() { "ok" } else { "degraded" },
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: state.clock.now().saturating_sub(state.started_at).as_secs_f64(),
        tiers,
        reasons,
        backend: BackendReport {
            name: "relief",
            model_id: state.config.model_id.clone(),
            status: "ok",
            working: queue.working(),
            queued: queue.depth(),
        },
    })
}

/// Says whether the server takes requests: not while it drains.
#[utoipa::path(
    get,
    path = "/api/ready",
    tag = "operation",
    responses(
        (status = 200, description = "It takes requests"),
        (status = 503, description = "It is ending", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn ready(Extract(state): Extract<Arc<State>>) -> Result<Response, Problem> {
    if state.tasks.is_closed() {
        return Err(Problem::busy("the server is shutting down", RETRY_AFTER));
    }
    Ok(json::answer(&serde_json::json!({ "status": "ready" })))
}
