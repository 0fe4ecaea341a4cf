//! `POST /api/cache/warm`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State as Extract;
use axum::response::Response;
use meshmemo::{Key, Removed, Warm, Warmed};
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
use crate::limits::WARM_KEYS_MAX;

/// What was brought into memory.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct WarmReport {
    status: &'static str,
    /// Entries that came into memory.
    loaded: u64,
    bytes: u64,
    /// Entries that were meant and did not: in memory already, in no tier, or too large.
    skipped: u64,
}

/// What to bring into memory: one of the two.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes the body, which is read field by field")]
pub(in crate::http) struct WarmRequest {
    /// So many entries: the most valuable of those used last.
    top: Option<usize>,
    /// These entries, by their keys of 64 digits.
    keys: Option<Vec<String>>,
}

/// Brings entries from slower tiers into memory, which may evict others from there.
#[utoipa::path(
    post,
    path = "/api/cache/warm",
    tag = "management",
    request_body = WarmRequest,
    responses(
        (status = 200, description = "What came into memory", body = WarmReport),
        (status = 400, description = "An unknown or invalid field, or not one of the two", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(in crate::http) async fn warm(
    Extract(state): Extract<Arc<State>>,
    Extension(caller): Extension<Caller>,
    RawBody(body): RawBody,
) -> Result<Response, Problem> {
    let what = read(&json::object(&body, &["top", "keys"])?)?;
    let cache = state.cache.clone();
    let warming = async move {
        let warmed = cache.warm(what).await;
        audit::note(&caller, "warm", Removed { entries: warmed.loaded, bytes: warmed.bytes });
        warmed
    };
    let Warmed { loaded, bytes, skipped } = carry_out(&state.tasks, warming).await?;
    Ok(json::answer(&WarmReport { status: "success", loaded, bytes, skipped }))
}

fn read(fields: &Map<String, Value>) -> Result<Warm, Problem> {
    match (fields.get("top"), fields.get("keys")) {
        (Some(top), None) => {
            let count = top.as_u64().and_then(|count| usize::try_from(count).ok());
            let range = "a whole number from 1";
            let count = count.filter(|count| *count > 0).ok_or_else(|| invalid("top", top, range));
            count.map(Warm::Top)
        }
        (None, Some(keys)) => {
            let range = format!("a list of 1 to {WARM_KEYS_MAX} keys of 64 hexadecimal digits");
            let list = keys.as_array().filter(|list| (1..=WARM_KEYS_MAX).contains(&list.len()));
            let list = list.ok_or_else(|| invalid("keys", keys, &range))?;
            let key = |key: &Value| key.as_str()?.parse::<Key>().ok();
            let read = list.iter().map(|it| key(it).ok_or_else(|| invalid("keys", it, &range)));
            read.collect::<Result<_, _>>().map(Warm::Keys)
        }
        _ => Err(Problem::bad_request("give either `top` or `keys`")),
    }
}
