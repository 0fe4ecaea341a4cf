//! `GET` and `POST /api/cache/config`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State as Extract;
use axum::response::Response;
use meshmemo::{Limits, Policy, Removed};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{MB, mb};
use crate::http::extract::RawBody;
use crate::http::json;
use crate::http::problem::Problem;
use crate::http::state::State;

/// The fields that may be changed while the server runs.
const CHANGEABLE: [&str; 4] = ["max_size", "max_memory_mb", "default_ttl_seconds", "policy"];

/// What holds now.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ConfigReport {
    config: CacheConfig,
}

/// What holds after a change.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ConfigChanged {
    status: &'static str,
    message: String,
    config: CacheConfig,
}

/// The limits of the memory tier.
#[derive(Debug, Serialize, ToSchema)]
struct CacheConfig {
    /// How many entries may be in memory.
    max_size: usize,
    max_memory_mb: f64,
    /// How long a result lives; null is for ever.
    default_ttl_seconds: Option<f64>,
    policy: &'static str,
}

/// What may be changed; fields left out stay as they are.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes the body, which is read field by field")]
pub(in crate::http) struct ConfigChange {
    max_size: Option<usize>,
    max_memory_mb: Option<f64>,
    default_ttl_seconds: Option<f64>,
    /// `lru`.
    policy: Option<String>,
}

impl CacheConfig {
    fn of(state: &State) -> Self {
        let Limits { max_bytes, max_entries, ttl } = state.cache.config();
        Self {
            max_size: max_entries,
            max_memory_mb: mb(max_bytes),
            default_ttl_seconds: ttl.map(|ttl| ttl.as_secs_f64()),
            policy: state.config.policy.as_str(),
        }
    }
}

/// Reports the limits that hold now.
#[utoipa::path(
    get,
    path = "/api/cache/config",
    tag = "management",
    responses((status = 200, description = "The limits", body = ConfigReport))
)]
pub(in crate::http) async fn config(Extract(state): Extract<Arc<State>>) -> Response {
    json::answer(&ConfigReport { config: CacheConfig::of(&state) })
}

/// Changes limits on this node until it restarts; they hold, and what no longer fits has left,
/// before the answer.
#[utoipa::path(
    post,
    path = "/api/cache/config",
    tag = "management",
    request_body = ConfigChange,
    responses(
        (status = 200, description = "What holds now", body = ConfigChanged),
        (status = 400, description = "An empty body, or an unknown or invalid field; nothing was changed", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "From a foreign page", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(in crate::http) async fn change_config(
    Extract(state): Extract<Arc<State>>,
    RawBody(body): RawBody,
) -> Result<Response, Problem> {
    let fields = json::object(&body, &CHANGEABLE)?;
    if fields.is_empty() {
        let detail = format!("nothing to change: give any of {}", CHANGEABLE.join(", "));
        return Err(Problem::bad_request(detail));
    }
    let mut limits = state.cache.config();
    for (name, value) in &fields {
        match name.as_str() {
            "max_size" => limits.max_entries = max_entries(value)?,
            "max_memory_mb" => limits.max_bytes = max_bytes(value)?,
            "default_ttl_seconds" => limits.ttl = ttl(value)?,
            _ => policy(value)?,
        }
    }
    let Removed { entries, bytes } = state.cache.reconfigure(limits);
    tracing::info!(?limits, evicted = entries, "the configuration was changed");
    let message = format!("changed; {entries} entries ({:.1} MB) were evicted", mb(bytes));
    let config = CacheConfig::of(&state);
    Ok(json::answer(&ConfigChanged { status: "success", message, config }))
}

fn max_entries(value: &Value) -> Result<usize, Problem> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    match number {
        Some(number) if (1..u32::MAX).contains(&number) => Ok(number as usize),
        _ => Err(invalid("max_size", value, "a whole number from 1 to 4294967294")),
    }
}

fn max_bytes(value: &Value) -> Result<u64, Problem> {
    const MAX_MB: f64 = 1e9;
    let number = value.as_f64().filter(|mb| (1.0 / MB..=MAX_MB).contains(mb));
    let mb = number
        .ok_or_else(|| invalid("max_memory_mb", value, "a number above 0 and up to 1000000000"))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    let bytes = (mb * MB).round() as u64;
    Ok(bytes)
}

fn ttl(value: &Value) -> Result<Option<Duration>, Problem> {
    if value.is_null() {
        return Ok(None);
    }
    let ttl = value.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match ttl {
        Some(ttl) if !ttl.is_zero() => Ok(Some(ttl)),
        _ => Err(invalid("default_ttl_seconds", value, "a number above 0, or null for none")),
    }
}

/// Checks that the policy is one there is; with one, there is nothing to change.
fn policy(value: &Value) -> Result<(), Problem> {
    match value.as_str().map(str::parse::<Policy>) {
        Some(Ok(_)) => Ok(()),
        _ => Err(invalid("policy", value, "`lru`")),
    }
}

fn invalid(name: &str, value: &Value, range: &str) -> Problem {
    let value: String = value.to_string().chars().take(80).collect();
    Problem::bad_request(format!("`{name}` is {value}, but must be {range}"))
}
