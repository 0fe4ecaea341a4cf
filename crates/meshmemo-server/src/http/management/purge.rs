//! `POST /api/cache/purge`.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State as Extract;
use axum::response::Response;
use meshmemo::{Filter, Removed, Selector};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::invalid;
use crate::access::Caller;
use crate::http::audit;
use crate::http::change::carry_out;
use crate::http::extract::RawBody;
use crate::http::json;
use crate::http::problem::Problem;
use crate::http::state::State;

const CONDITIONS: [&str; 4] = ["older_than_seconds", "model_id", "label_prefix", "namespace"];

/// What a purge matched and removed.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Purged {
    status: &'static str,
    /// Entries that met every condition.
    matched: u64,
    /// Entries that were removed: none in a dry run.
    removed: u64,
    /// Their bytes; in a dry run, those of the entries that matched.
    bytes: u64,
}

/// Conditions, all of which an entry must meet; at least one.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes the body, which is read field by field")]
pub(in crate::http) struct PurgeRequest {
    /// It was made longer ago than this.
    older_than_seconds: Option<f64>,
    /// The model that made it.
    model_id: Option<String>,
    /// What its label begins with.
    label_prefix: Option<String>,
    /// Whose it is.
    namespace: Option<String>,
    /// Whether nothing is to be removed.
    dry_run: Option<bool>,
}

/// Removes the entries that meet conditions from every tier. Generations that run now and meet them
/// do not bring theirs back.
#[utoipa::path(
    post,
    path = "/api/cache/purge",
    tag = "management",
    request_body = PurgeRequest,
    responses(
        (status = 200, description = "What was matched and removed", body = Purged),
        (status = 400, description = "No condition, or an unknown or invalid field", body = Problem, content_type = "application/problem+json"),
        (status = 500, description = "A tier could not remove entries; it may bring them back", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(in crate::http) async fn purge(
    Extract(state): Extract<Arc<State>>,
    Extension(caller): Extension<Caller>,
    RawBody(body): RawBody,
) -> Result<Response, Problem> {
    let known = [&CONDITIONS[..], &["dry_run"]].concat();
    let fields = json::object(&body, &known)?;
    let selector = Selector::Matching(read(&state, &fields)?);
    let is_dry_run = match fields.get("dry_run") {
        None => false,
        Some(Value::Bool(is_dry_run)) => *is_dry_run,
        Some(other) => return Err(invalid("dry_run", other, "true or false")),
    };
    if is_dry_run {
        let entries = state.cache.list(&caller.scope()).await;
        let matched = entries.iter().filter(|entry| selector.selects(&entry.summary));
        let (mut count, mut bytes) = (0, 0);
        matched.for_each(|entry| {
            count += 1;
            bytes += entry.summary.size_bytes;
        });
        let status = "success";
        return Ok(json::answer(&Purged { status, matched: count, removed: 0, bytes }));
    }
    let cache = state.cache.clone();
    let action = format!("purge {}", Value::Object(fields));
    let removing = async move {
        let removal = cache.remove(selector).await;
        audit::note(&caller, &action, removal.removed);
        removal
    };
    let removal = carry_out(&state.tasks, removing).await?;
    let Removed { entries, bytes } = super::succeed(&removal)?;
    Ok(json::answer(&Purged { status: "success", matched: entries, removed: entries, bytes }))
}

fn read(state: &State, fields: &Map<String, Value>) -> Result<Filter, Problem> {
    if !CONDITIONS.iter().any(|name| fields.contains_key(*name)) {
        let detail = format!("give at least one of {}", CONDITIONS.join(", "));
        return Err(Problem::bad_request(detail));
    }
    let text = |name: &str| match fields.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(other) => Err(invalid(name, other, "a text that is not empty")),
    };
    let created_before = match fields.get("older_than_seconds") {
        None => None,
        Some(value) => {
            let range = "a number of seconds, not below 0";
            let age = value.as_f64().and_then(|age| Duration::try_from_secs_f64(age).ok());
            let age = age.ok_or_else(|| invalid("older_than_seconds", value, range))?;
            Some(state.clock.wall().saturating_sub(age))
        }
    };
    Ok(Filter {
        key: None,
        namespace: text("namespace")?.map(Into::into),
        created_before,
        model_id: text("model_id")?,
        label_prefix: text("label_prefix")?,
    })
}
