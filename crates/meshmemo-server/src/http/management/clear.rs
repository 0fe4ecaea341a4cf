//! `POST /api/cache/clear`.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State as Extract;
use axum::response::Response;
use meshmemo::{Removed, Selector};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{mb, succeed};
use crate::access::Caller;
use crate::http::audit;
use crate::http::change::carry_out;
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
    )
)]
pub(in crate::http) async fn clear(
    Extract(state): Extract<Arc<State>>,
    Extension(caller): Extension<Caller>,
    RawBody(body): RawBody,
) -> Result<Response, Problem> {
    let fields = json::object(&body, &["tiers"])?;
    let tiers = fields.get("tiers").map(|tiers| read_tiers(&state, tiers)).transpose()?;
    let action = match &tiers {
        None => "clear".to_owned(),
        Some(tiers) => format!("clear {tiers:?}"),
    };
    let cache = state.cache.clone();
    let removing = async move {
        let removal = match tiers {
            None => cache.remove(Selector::All).await,
            Some(tiers) => cache.remove_from(Selector::All, |tier| tiers.contains(tier)).await,
        };
        audit::note(&caller, &action, removal.removed);
        removal
    };
    let removal = carry_out(&state.tasks, removing).await?;
    let Removed { entries: removed, bytes } = succeed(&removal)?;
    let message = format!("removed {removed} entries ({:.1} MB)", mb(bytes));
    Ok(json::answer(&Cleared { status: "success", message, removed, bytes }))
}

/// Reads which tiers are meant; all of them must be there.
fn read_tiers(state: &State, tiers: &Value) -> Result<BTreeSet<String>, Problem> {
    let lower = state.cache.tiers();
    let known: Vec<_> = std::iter::once("memory").chain(lower.iter().map(|it| it.name)).collect();
    let names = tiers.as_array().filter(|names| !names.is_empty());
    let read = |tier: &Value| {
        let name = tier.as_str().filter(|name| known.contains(name));
        name.map(str::to_owned)
    };
    let names: Option<BTreeSet<String>> = names.and_then(|names| names.iter().map(read).collect());
    names.ok_or_else(|| {
        let tiers: String = tiers.to_string().chars().take(80).collect();
        let known = known.join(", ");
        Problem::bad_request(format!("`tiers` is {tiers}, but must be a list of any of: {known}"))
    })
}
