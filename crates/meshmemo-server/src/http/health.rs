//! Whether the server lives, and whether it takes requests.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Extension;
use axum::extract::State as Extract;
use axum::response::Response;
use meshmemo::{Health, TierReport};
use serde::Serialize;
use utoipa::ToSchema;

use super::backends::{BackendState, states};
use super::json;
use super::problem::Problem;
use super::state::State;
use crate::access::{ApiKey, Caller, Right};
use crate::backend::RELIEF;
use crate::limits::{PROBE_INTERVAL, RETRY_AFTER};
use crate::tls::Tls;

/// What an operator should know who has not named the model.
pub(crate) const MODEL_NOT_NAMED: &str = "no --model-id is given: when the model behind the URL changes, \
     the results of the old one will be served; name it, and change the name with the model";

/// What an operator should know while gateways can not count together.
const COUNTING_ALONE: &str = "Redis does not answer: what backends do at a time is counted for this gateway \
     alone, and they may be given as much by each other one";

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
    /// By what is not well: why; for who may read what concerns the whole server.
    #[serde(skip_serializing_if = "Option::is_none")]
    reasons: Option<BTreeMap<&'static str, String>>,
    /// By what works, and should be otherwise all the same: why; for who may read what concerns the
    /// whole server.
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<BTreeMap<&'static str, &'static str>>,
    backend: BackendReport,
    /// Whose key was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<CallerReport>,
}

/// Whose key was sent, and what it is for.
#[derive(Debug, Serialize, ToSchema)]
struct CallerReport {
    name: String,
    role: &'static str,
    namespace: String,
}

/// How the backend is.
#[derive(Debug, Serialize, ToSchema)]
struct BackendReport {
    /// `relief`, or the adapter of the server.
    name: &'static str,
    /// Where the server is, where there is one; for who may read what concerns the whole server.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// For who has a key, or needs none.
    #[serde(skip_serializing_if = "Option::is_none")]
    model_id: Option<String>,
    /// `ok`; `degraded` if one of several can not be reached, or fails; `down` if there is none to be given
    /// work.
    status: &'static str,
    /// For who may read what concerns the whole server.
    #[serde(flatten)]
    load: Option<Load>,
}

/// What the backend does now.
#[derive(Debug, Serialize, ToSchema)]
struct Load {
    /// Generations that run now.
    working: usize,
    /// Generations that wait for their turn.
    queued: usize,
    /// For whom what backends do at a time is counted: for this `gateway`, or for all of its `cluster`.
    counted_for: &'static str,
    /// Each of them.
    backends: Vec<BackendState>,
}

/// Reports how the server, its tiers and its backend are; answers while the backend works.
#[utoipa::path(
    get,
    path = "/api/health",
    tag = "operation",
    responses((status = 200, description = "How it is", body = HealthReport))
)]
pub(super) async fn health(
    Extract(state): Extract<Arc<State>>,
    Extension(caller): Extension<Caller>,
) -> Response {
    let lower = state.cache.tiers();
    let mut tiers: BTreeMap<_, _> =
        lower.iter().map(|tier| (tier.name, tier.status.health.as_str())).collect();
    tiers.insert("memory", Health::Ok.as_str());
    let reason = |tier: &TierReport| Some((tier.name, tier.status.health.trouble()?.to_string()));
    let mut reasons: BTreeMap<_, _> = lower.iter().filter_map(reason).collect();
    reasons.extend(state.access.trouble().map(|trouble| ("api_keys", trouble)));
    reasons.extend(state.tls.as_ref().and_then(Tls::trouble).map(|trouble| ("tls", trouble)));
    if let Some(missing) = &state.config.missing_data_dir {
        reasons.insert("disk", missing.clone());
    }
    state.probe.probe(&state).await;
    let backends = states(&state);
    let (backend_status, trouble) = sum_up(&backends);
    reasons.extend(trouble.map(|trouble| ("backend", trouble)));
    let is_operator = caller.may(Right::Observe);
    let queue = state.backend.queue();
    let url = is_operator.then(|| url(&backends)).flatten();
    let counted_for = if state.counts_for_all() == Some(true) { "cluster" } else { "gateway" };
    let load = Load { working: queue.working(), queued: queue.depth(), counted_for, backends };
    let report = |key: &Arc<ApiKey>| CallerReport {
        name: key.record.name.clone(),
        role: key.record.role.as_str(),
        namespace: key.record.namespace.clone(),
    };
    json::answer(&HealthReport {
        status: if reasons.is_empty() { "ok" } else { "degraded" },
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: state.clock.now().saturating_sub(state.started_at).as_secs_f64(),
        tiers,
        reasons: is_operator.then_some(reasons),
        warnings: is_operator.then(|| warnings(&state)),
        backend: BackendReport {
            name: match state.backend.adapter_name() {
                "native" => RELIEF,
                adapter => adapter,
            },
            url,
            model_id: caller.may(Right::Fetch).then(|| state.config.model_id.clone()),
            status: backend_status,
            load: is_operator.then_some(load),
        },
        caller: caller.key().map(report),
    })
}

/// Says how the backends are as one, and what is wrong. One that somebody has taken out is well.
fn sum_up(backends: &[BackendState]) -> (&'static str, Option<String>) {
    let told = |state: &BackendState| {
        let BackendState { backend, status, reason, .. } = state;
        let reason = reason.clone().unwrap_or_else(|| (*status).to_owned());
        if backends.len() == 1 { reason } else { format!("{backend}: {reason}") }
    };
    let is_in_trouble = |state: &&BackendState| matches!(state.status, "down" | "failing");
    let troubles: Vec<_> = backends.iter().filter(is_in_trouble).map(told).collect();
    if backends.iter().all(BackendState::is_out) {
        return ("down", Some("every backend is drained, and given no work".to_owned()));
    }
    let is_down = backends.iter().all(|state| state.is_out() || state.status == "down");
    match troubles.is_empty() {
        true => ("ok", None),
        false if is_down => ("down", Some(troubles.join("; "))),
        false => ("degraded", Some(troubles.join("; "))),
    }
}

/// Returns where the one backend is, if it is a server.
fn url(backends: &[BackendState]) -> Option<String> {
    match backends {
        [only] if only.backend != RELIEF => Some(only.backend.clone()),
        _ => None,
    }
}

fn warnings(state: &State) -> BTreeMap<&'static str, &'static str> {
    let is_named = state.config.backend.is_model_named();
    let model = (!is_named).then_some(("model_id", MODEL_NOT_NAMED));
    let is_alone = state.counts_for_all() == Some(false);
    let slots = is_alone.then_some(("concurrency", COUNTING_ALONE));
    model.into_iter().chain(slots).collect()
}

/// When the backends were last looked for.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    last: Mutex<Option<Duration>>,
    is_under_way: AtomicBool,
}

impl Probe {
    /// Looks whether the backends can be reached; not more often than every second, and once at a time,
    /// however many ask: the others are told what was found before.
    pub(super) async fn probe(&self, state: &State) {
        let Some(gateway) = state.backend.gateway() else { return };
        let is_fresh = |at: Duration| state.clock.now().saturating_sub(at) < PROBE_INTERVAL;
        if self.last().is_some_and(is_fresh) || self.is_under_way.swap(true, Ordering::AcqRel) {
            return;
        }
        let _under_way = UnderWay(&self.is_under_way);
        gateway.backends().probe().await;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(state.clock.now());
    }

    fn last(&self) -> Option<Duration> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that nothing is under way any more when it is dropped, also if whoever asked has left.
struct UnderWay<'a>(&'a AtomicBool);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
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
