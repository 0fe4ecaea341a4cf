//! `GET` and `POST /api/cache/config`.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State as Extract;
use axum::response::Response;
use meshmemo::{Limits, Policy, Removed};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{MB, invalid, mb};
use crate::access::Caller;
use crate::http::audit;
use crate::http::change::carry_out;
use crate::http::extract::RawBody;
use crate::http::json;
use crate::http::problem::Problem;
use crate::http::state::State;

/// The fields that may be changed while the server runs.
const CHANGEABLE: [&str; 5] =
    ["max_size", "max_memory_mb", "default_ttl_seconds", "policy", "disk_max_mb"];

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
    /// What results on disk may take; null keeps none there.
    disk_max_mb: Option<f64>,
    data_dir: Option<String>,
    durability: Option<&'static str>,
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
    /// Where there is a disk tier.
    disk_max_mb: Option<f64>,
}

impl CacheConfig {
    fn of(state: &State) -> Self {
        let Limits { max_bytes, max_entries, ttl } = state.cache.config();
        let disk = state.disk.as_ref();
        Self {
            max_size: max_entries,
            max_memory_mb: mb(max_bytes),
            default_ttl_seconds: ttl.map(|ttl| ttl.as_secs_f64()),
            policy: state.config.policy.as_str(),
            disk_max_mb: state.disk_usage().map(|usage| mb(usage.max_bytes)),
            data_dir: disk.map(|_| state.config.data_dir.display().to_string()),
            durability: disk.map(|_| state.config.durability.as_str()),
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
    )
)]
pub(in crate::http) async fn change_config(
    Extract(state): Extract<Arc<State>>,
    Extension(caller): Extension<Caller>,
    RawBody(body): RawBody,
) -> Result<Response, Problem> {
    let fields = json::object(&body, &CHANGEABLE)?;
    if fields.is_empty() {
        let detail = format!("nothing to change: give any of {}", CHANGEABLE.join(", "));
        return Err(Problem::bad_request(detail));
    }
    let mut limits = state.cache.config();
    let mut disk_max_bytes = None;
    for (name, value) in &fields {
        match name.as_str() {
            "max_size" => limits.max_entries = max_entries(value)?,
            "max_memory_mb" => limits.max_bytes = max_bytes("max_memory_mb", value)?,
            "default_ttl_seconds" => limits.ttl = ttl(value)?,
            "disk_max_mb" => disk_max_bytes = Some(max_bytes("disk_max_mb", value)?),
            _ => policy(value)?,
        }
    }
    if disk_max_bytes.is_some() && state.disk.is_none() {
        return Err(Problem::bad_request("`disk_max_mb` can not be set: there is no disk tier"));
    }
    let action = format!("configure {}", Value::Object(fields));
    let changing = change(Arc::clone(&state), caller, action, limits, disk_max_bytes);
    let message = carry_out(&state.tasks, changing).await?;
    let config = CacheConfig::of(&state);
    Ok(json::answer(&ConfigChanged { status: "success", message, config }))
}

/// Sets the limits and the budget of the disk; returns what that came to.
async fn change(
    state: Arc<State>,
    caller: Caller,
    action: String,
    limits: Limits,
    disk_max_bytes: Option<u64>,
) -> String {
    let on_disk = || state.disk_usage().map_or((0, 0), |usage| (usage.entries, usage.bytes));
    let before = on_disk();
    if let (Some(disk), Some(max_bytes)) = (&state.disk, disk_max_bytes) {
        disk.set_max_bytes(max_bytes).await;
    }
    let after = on_disk();
    let evicted = state.cache.reconfigure(limits);
    let from_disk = Removed {
        entries: before.0.saturating_sub(after.0),
        bytes: before.1.saturating_sub(after.1),
    };
    let all = Removed {
        entries: evicted.entries + from_disk.entries,
        bytes: evicted.bytes + from_disk.bytes,
    };
    audit::note(&caller, &action, all);
    let Removed { entries, bytes } = evicted;
    let on_disk = match disk_max_bytes {
        Some(_) => format!(", and {} from disk", from_disk.entries),
        None => String::new(),
    };
    format!("changed; {entries} entries ({:.1} MB) were evicted from memory{on_disk}", mb(bytes))
}

fn max_entries(value: &Value) -> Result<usize, Problem> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    match number {
        Some(number) if (1..u32::MAX).contains(&number) => Ok(number as usize),
        _ => Err(invalid("max_size", value, "a whole number from 1 to 4294967294")),
    }
}

fn max_bytes(name: &str, value: &Value) -> Result<u64, Problem> {
    const MAX_MB: f64 = 1e9;
    let number = value.as_f64().filter(|mb| (1.0 / MB..=MAX_MB).contains(mb));
    let mb = number.ok_or_else(|| invalid(name, value, "a number above 0 and up to 1000000000"))?;
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
