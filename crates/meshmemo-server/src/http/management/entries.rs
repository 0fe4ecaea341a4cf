//! `GET /api/cache/entries`, and one entry by its key.

#![expect(unused_qualifications, reason = "the expansion of `utoipa::path` has them")]

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Query, State as Extract};
use axum::http::StatusCode;
use axum::response::Response;
use meshmemo::{Key, Listing as Entry, Scope, Selector};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{mb, succeed};
use crate::access::{Caller, Refusal};
use crate::http::audit;
use crate::http::change::carry_out;
use crate::http::extract::PathText;
use crate::http::json;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::limits::{PAGE_ENTRIES, PAGE_ENTRIES_MAX};

/// A part of the listing.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct EntriesReport {
    entries: Vec<EntryReport>,
    /// How many entries match, on all pages.
    total: usize,
    /// What matches of each namespace, on all pages; for keys that see all.
    #[serde(skip_serializing_if = "Option::is_none")]
    namespaces: Option<BTreeMap<String, NamespaceTotal>>,
    /// Give it as `cursor` for the next page; null at the end.
    next_cursor: Option<String>,
    /// Now, in seconds since the Unix epoch.
    timestamp: f64,
}

/// What of a listing belongs to a namespace.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(in crate::http) struct NamespaceTotal {
    entries: u64,
    size_mb: f64,
}

/// What is known of one entry.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct EntryReport {
    key: String,
    /// Whose it is.
    namespace: String,
    size_mb: f64,
    /// When it was made, in seconds since the Unix epoch.
    timestamp: f64,
    age_seconds: f64,
    access_count: u64,
    /// When its time is over, in seconds since the Unix epoch; null is never.
    expires_at: Option<f64>,
    expired: bool,
    media_type: String,
    /// What its generation took.
    cost_seconds: f64,
    /// The nearest tier that has it.
    tier: &'static str,
    label: String,
    model_url: String,
    /// Whether it survives a restart.
    durable: bool,
}

/// Which part of the listing.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Listing {
    /// How many entries on a page, from 1 to 1000; 100 if left out.
    limit: Option<usize>,
    /// Where to go on: the `next_cursor` of the page before.
    cursor: Option<String>,
    /// `recent` (the default), `size`, `cost`, `hits` or `age`; the greatest first.
    sort: Option<String>,
    /// Only entries whose label or key contains this.
    q: Option<String>,
    /// Only entries of this namespace, for keys that see all.
    namespace: Option<String>,
}

/// Lists the entries of all tiers, each once.
#[utoipa::path(
    get,
    path = "/api/cache/entries",
    tag = "management",
    params(Listing),
    responses(
        (status = 200, description = "A part of the listing", body = EntriesReport),
        (status = 400, description = "An invalid parameter", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(in crate::http) async fn entries(
    Extract(state): Extract<Arc<State>>,
    Extension(caller): Extension<Caller>,
    listing: Result<Query<Listing>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let Query(listing) = listing.map_err(|error| Problem::bad_request(error.body_text()))?;
    let limit = listing.limit()?;
    let start = listing.start()?;
    let scope = listing.scope(&state, &caller)?;
    let mut entries = state.cache.list(&scope).await;
    if let Some(q) = &listing.q {
        entries.retain(|entry| matches(entry, &q.to_lowercase()));
    }
    listing.sort(&mut entries)?;
    let total = entries.len();
    let page = entries.iter().skip(start).take(limit).map(|entry| report(&state, entry)).collect();
    let next = start.saturating_add(limit);
    Ok(json::answer(&EntriesReport {
        entries: page,
        total,
        namespaces: (scope == Scope::All).then(|| by_namespace(&entries)),
        next_cursor: (next < total).then(|| next.to_string()),
        timestamp: state.timestamp(),
    }))
}

/// Reports one entry.
#[utoipa::path(
    get,
    path = "/api/cache/entries/{key}",
    tag = "management",
    params(("key" = String, Path, description = "64 hexadecimal digits")),
    responses(
        (status = 200, description = "The entry", body = EntryReport),
        (status = 400, description = "Not a key", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Not in the cache", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(in crate::http) async fn entry(
    Extract(state): Extract<Arc<State>>,
    Extension(caller): Extension<Caller>,
    PathText(key): PathText,
) -> Result<Response, Problem> {
    let key = parse_key(&key)?;
    let entries = state.cache.list(&caller.scope()).await;
    let entry = entries.iter().find(|it| it.summary.key == key).ok_or_else(|| absent(key))?;
    Ok(json::answer(&report(&state, entry)))
}

/// Removes one entry from every tier.
#[utoipa::path(
    delete,
    path = "/api/cache/entries/{key}",
    tag = "management",
    params(("key" = String, Path, description = "64 hexadecimal digits")),
    responses(
        (status = 200, description = "It was removed", body = super::clear::Cleared),
        (status = 400, description = "Not a key", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Not in the cache", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(in crate::http) async fn remove_entry(
    Extract(state): Extract<Arc<State>>,
    Extension(caller): Extension<Caller>,
    PathText(key): PathText,
) -> Result<Response, Problem> {
    let key = parse_key(&key)?;
    let cache = state.cache.clone();
    let removing = async move {
        let removal = cache.remove(Selector::Key(key)).await;
        if removal.removed.entries > 0 || !removal.failures.is_empty() {
            audit::note(&caller, &format!("remove {key}"), removal.removed);
        }
        removal
    };
    let removal = carry_out(&state.tasks, removing).await?;
    let removed = succeed(&removal)?;
    if removed.entries == 0 {
        return Err(absent(key));
    }
    Ok(json::answer(&serde_json::json!({
        "status": "success",
        "message": format!("removed {key}"),
        "removed": removed.entries,
        "bytes": removed.bytes,
    })))
}

impl Listing {
    /// Returns whose entries are asked for, of those that the caller sees.
    fn scope(&self, state: &State, caller: &Caller) -> Result<Scope, Problem> {
        match (&self.namespace, caller.scope()) {
            (None, scope) => Ok(scope),
            (Some(asked), scope) if scope.covers(asked) => {
                Ok(Scope::Namespace(asked.as_str().into()))
            }
            (Some(_), _) => {
                state.access.refusals.count(Refusal::Forbidden);
                let detail = "`namespace` may only be one that this key sees";
                Err(Problem::new(StatusCode::FORBIDDEN, detail))
            }
        }
    }

    fn limit(&self) -> Result<usize, Problem> {
        let limit = self.limit.unwrap_or(PAGE_ENTRIES);
        if (1..=PAGE_ENTRIES_MAX).contains(&limit) {
            return Ok(limit);
        }
        let detail = format!("`limit` is {limit}, but must be from 1 to {PAGE_ENTRIES_MAX}");
        Err(Problem::bad_request(detail))
    }

    fn start(&self) -> Result<usize, Problem> {
        let Some(cursor) = &self.cursor else { return Ok(0) };
        cursor.parse().map_err(|_| {
            let cursor: String = cursor.chars().take(80).collect();
            Problem::bad_request(format!("`cursor` is `{cursor}`, which no page has given"))
        })
    }

    /// Sorts entries that come in the order of use.
    fn sort(&self, entries: &mut [Entry]) -> Result<(), Problem> {
        match self.sort.as_deref().unwrap_or("recent") {
            "recent" => {}
            "size" => entries.sort_by_key(|entry| Reverse(entry.summary.size_bytes)),
            "cost" => entries.sort_by_key(|entry| Reverse(entry.summary.cost)),
            "hits" => entries.sort_by_key(|entry| Reverse(entry.hits)),
            "age" => entries.sort_by_key(|entry| entry.summary.created),
            other => {
                let other: String = other.chars().take(80).collect();
                let range = "recent, size, cost, hits or age";
                let detail = format!("`sort` is `{other}`, but must be {range}");
                return Err(Problem::bad_request(detail));
            }
        }
        Ok(())
    }
}

fn by_namespace(entries: &[Entry]) -> BTreeMap<String, NamespaceTotal> {
    let mut totals: BTreeMap<String, NamespaceTotal> = BTreeMap::new();
    for entry in entries {
        let total = totals.entry(entry.summary.namespace.to_string()).or_default();
        total.entries += 1;
        total.size_mb += mb(entry.summary.size_bytes);
    }
    totals
}

fn matches(entry: &Entry, q: &str) -> bool {
    entry.summary.label.to_lowercase().contains(q) || entry.summary.key.to_string().contains(q)
}

fn report(state: &State, entry: &Entry) -> EntryReport {
    let summary = &entry.summary;
    let now = state.clock.wall();
    EntryReport {
        key: summary.key.to_string(),
        namespace: summary.namespace.to_string(),
        size_mb: mb(summary.size_bytes),
        timestamp: summary.created.as_secs_f64(),
        age_seconds: now.saturating_sub(summary.created).as_secs_f64(),
        access_count: entry.hits,
        expires_at: summary.expires.map(|expires| expires.as_secs_f64()),
        expired: summary.is_expired(now),
        media_type: summary.media_type.to_string(),
        cost_seconds: summary.cost.as_secs_f64(),
        tier: entry.tier,
        label: summary.label.to_string(),
        model_url: state.own(&format!("/api/models/{}.{}", summary.digest, summary.variant)),
        durable: entry.is_durable,
    }
}

fn parse_key(key: &str) -> Result<Key, Problem> {
    key.parse().map_err(|error: meshmemo::Error| Problem::bad_request(error.to_string()))
}

fn absent(key: Key) -> Problem {
    Problem::not_found(format!("the entry {key} is not in the cache"))
}
