//! `POST /api/cache/clear`.

use std::sync::Arc;

use axum::extract::State as Extract;
use axum::response::Response;
use meshmemo::Selector;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::mb;
use crate::http::extract::RawBody;
use crate::http::json;
use crate::http::problem::Problem;
use crate::http::state::State;

/// What a clear removed.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Cleared {
    status: &'static str,
    message: String,
    removed: u64,
    bytes: u64,
}

/// Which tiers to clear.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes the body, which is read field by field")]
pub(in crate::http) struct ClearRequest {
    /// Names of tiers; all, if left out.
    tiers: Option<Vec<String>>,
}

/// Removes every entry. Counters stay, and generations that run now do not bring theirs back.
#[utoipa::path(
    post,
    path = "/api/cache/clear",
    tag = "management",
    request_body = Option<ClearRequest>,
    responses(
        (status = 200, description = "What was removed", body = Cleared),
        (status = 400, description = "An unknown field or tier", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "From a foreign page", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(in crate::http) async fn clear(
    Extract(state): Extract<Arc<State>>,
    RawBody(body): RawBody,
) -> Result<Response, Problem> {
    let fields = json::object(&body, &["tiers"])?;
    if let Some(tiers) = fields.get("tiers") {
        check_tiers(tiers)?;
    }
    let removal = state.cache.remove(Selector::All).await;
    if let Some((tier, error)) = removal.failures.first() {
        let detail = format!("the tier `{tier}` could not be cleared: {error}");
        return Err(Problem::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, detail));
    }
    let (removed, bytes) = (removal.removed.entries, removal.removed.bytes);
    tracing::info!(removed, bytes, "the cache was cleared");
    let message = format!("removed {removed} entries ({:.1} MB)", mb(bytes));
    Ok(json::answer(&Cleared { status: "success", message, removed, bytes }))
}

/// Checks that the tiers named are there; with memory as the only one, that is all of them.
fn check_tiers(tiers: &Value) -> Result<(), Problem> {
    let names = tiers.as_array().filter(|tiers| !tiers.is_empty());
    let is_known = |tier: &Value| tier.as_str() == Some("memory");
    match names {
        Some(names) if names.iter().all(is_known) => Ok(()),
        _ => {
            let tiers: String = tiers.to_string().chars().take(80).collect();
            let detail = format!("`tiers` is {tiers}, but must be a list of: memory");
            Err(Problem::bad_request(detail))
        }
    }
}
