//! What makes the models: how each of them stands, and whether it is given work.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State as Extract;
use axum::response::Response;
use meshmemo::Removed;
use meshmemo_gateway::{BackendView, LaneCounts};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::audit;
use super::extract::RawBody;
use super::json;
use super::problem::Problem;
use super::state::State;
use crate::access::Caller;

/// Characters of a value that an error repeats.
const SHOWN_MAX_CHARS: usize = 200;

/// All backends.
#[derive(Debug, Serialize, ToSchema)]
struct BackendList {
    backends: Vec<BackendState>,
    /// Generations that wait for any of them.
    queued: usize,
}

/// A backend, and how it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BackendState {
    /// Its address, or `relief`.
    pub(super) backend: String,
    /// `ok`, `down` (it can not be reached), `failing` (it failed again and again), `draining` (it ends
    /// what it works at) or `drained`.
    pub(super) status: &'static str,
    /// Why it is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    model_id: String,
    /// Generations that it works at.
    working: usize,
    /// Generations that it may work at.
    concurrency: usize,
    /// Generations that ended well.
    done: u64,
    /// Generations that failed for its sake.
    failed: u64,
    /// Generations that it had not begun, and that went on to another backend.
    moved_on: u64,
}

/// Which backend is meant.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes the body, which is read field by field")]
pub(super) struct DrainRequest {
    /// Its address.
    backend: String,
}

/// Which backend is meant, and what it has.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes the body, which is read field by field")]
pub(super) struct ResumeRequest {
    /// Its address.
    backend: String,
    /// The name of the model that it has now, which must be that of the others.
    model_id: Option<String>,
}

/// Lists the backends.
pub(super) fn states(state: &State) -> Vec<BackendState> {
    let model_id = &state.config.model_id;
    state.backend.views().into_iter().map(|view| BackendState::new(view, model_id)).collect()
}

impl BackendState {
    fn new(view: BackendView, model_id: &str) -> Self {
        let lane = view.lane;
        let (status, reason) = match lane.working {
            0 if lane.is_drained => ("drained", None),
            _ if lane.is_drained => ("draining", None),
            _ if lane.trouble.is_some() => ("down", lane.trouble),
            _ if lane.is_breaker_open => {
                ("failing", Some("its last generations failed, one after the other".to_owned()))
            }
            _ => ("ok", None),
        };
        let LaneCounts { done, failed, moved_on } = lane.counts;
        Self {
            backend: view.url,
            status,
            reason,
            model_id: model_id.to_owned(),
            working: lane.working,
            concurrency: lane.concurrency,
            done,
            failed,
            moved_on,
        }
    }

    /// Returns whether it is given no work, as somebody wants it so.
    pub(super) fn is_out(&self) -> bool {
        matches!(self.status, "drained" | "draining")
    }
}

/// Lists the backends, and how they stand.
#[utoipa::path(
    get,
    path = "/api/backends",
    tag = "operation",
    responses((status = 200, description = "All backends", body = BackendList))
)]
pub(super) async fn backends(Extract(state): Extract<Arc<State>>) -> Response {
    // What is shown is to be what is.
    state.probe.probe(&state).await;
    json::answer(&BackendList { backends: states(&state), queued: state.backend.queue().depth() })
}

/// Gives a backend no more work; what it works at goes on. Until this server restarts.
#[utoipa::path(
    post,
    path = "/api/backends/drain",
    tag = "operation",
    request_body = DrainRequest,
    responses(
        (status = 200, description = "How it stands", body = BackendState),
        (status = 400, description = "An unknown field", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such backend", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn drain(
    Extract(state): Extract<Arc<State>>,
    Extension(caller): Extension<Caller>,
    RawBody(body): RawBody,
) -> Result<Response, Problem> {
    let fields = json::object(&body, &["backend"])?;
    set_drained(&state, &caller, &fields, true)
}

/// Gives a backend work again.
#[utoipa::path(
    post,
    path = "/api/backends/resume",
    tag = "operation",
    request_body = ResumeRequest,
    responses(
        (status = 200, description = "How it stands", body = BackendState),
        (status = 400, description = "An unknown field", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such backend", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It has another model than the others", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn resume(
    Extract(state): Extract<Arc<State>>,
    Extension(caller): Extension<Caller>,
    RawBody(body): RawBody,
) -> Result<Response, Problem> {
    let fields = json::object(&body, &["backend", "model_id"])?;
    if let Some(model_id) = fields.get("model_id") {
        check_model(&state, model_id)?;
    }
    set_drained(&state, &caller, &fields, false)
}

/// Refuses a backend whose model is not the one that all entries are of.
fn check_model(state: &State, model_id: &Value) -> Result<(), Problem> {
    let Some(named) = model_id.as_str() else { return Err(no_text("model_id", model_id)) };
    let known = &state.config.model_id;
    if named == known {
        return Ok(());
    }
    let detail = format!(
        "`model_id` is {}, but must be `{known}`, as that of the others: requests would be answered by \
         either; start another server for it, or restart this one with the new --model-id",
        shown(model_id)
    );
    Err(Problem::new(axum::http::StatusCode::CONFLICT, detail))
}

fn no_text(name: &str, value: &Value) -> Problem {
    Problem::bad_request(format!("`{name}` is {}, but must be a text", shown(value)))
}

fn set_drained(
    state: &State,
    caller: &Caller,
    fields: &Map<String, Value>,
    is_drained: bool,
) -> Result<Response, Problem> {
    let list = || {
        let views = state.backend.views().into_iter();
        views.map(|view| format!("`{}`", view.url)).collect::<Vec<_>>().join(", ")
    };
    let Some(wanted) = fields.get("backend") else {
        return Err(Problem::bad_request(format!("`backend` is missing: one of {}", list())));
    };
    let Some(address) = wanted.as_str() else { return Err(no_text("backend", wanted)) };
    let Some(index) = state.backend.find(address) else {
        let detail = format!("`backend` is {}, but must be one of {}", shown(wanted), list());
        return Err(Problem::not_found(detail));
    };
    state.backend.queue().set_drained(index, is_drained);
    let changed = states(state).swap_remove(index);
    let verb = if is_drained { "drain" } else { "resume" };
    audit::note(caller, &format!("{verb} {}", changed.backend), Removed::default());
    Ok(json::answer(&changed))
}

fn shown(value: &Value) -> String {
    value.to_string().chars().take(SHOWN_MAX_CHARS).collect()
}
