//! `GET /`: what this is, a form that works without scripts, and the statistics.

use std::sync::Arc;

use axum::extract::State as Extract;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::state::State;
use crate::units::{show_duration, show_size};

const PAGE: &str = include_str!("../../assets/page.html");

/// No script and nothing from elsewhere runs on the page, and no other page shows it in a frame.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; \
     img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Shows the page.
pub(super) async fn page(Extract(state): Extract<Arc<State>>) -> Response {
    let stats = state.cache.stats();
    let (requests, memory) = (stats.requests, stats.memory);
    let limits = state.cache.config();
    let values = [
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("address", state.address.to_string()),
        ("max_body", show_size(state.config.max_body_bytes)),
        ("cache", if state.config.is_cache_on { "on" } else { "off" }.to_owned()),
        ("hits", requests.hits().to_string()),
        ("coalesced", requests.coalesced.to_string()),
        ("misses", requests.misses.to_string()),
        ("hit_rate", format!("{:.1}", requests.hit_rate() * 100.0)),
        ("generations", requests.generations.to_string()),
        ("generation_time", show_duration(requests.generation_time)),
        ("saved_time", show_duration(requests.saved_time)),
        ("entries", memory.entries.to_string()),
        ("max_entries", limits.max_entries.to_string()),
        ("entries_percent", percent(memory.entries as u64, limits.max_entries as u64)),
        ("bytes", show_size(memory.bytes)),
        ("max_bytes", show_size(limits.max_bytes)),
        ("bytes_percent", percent(memory.bytes, limits.max_bytes)),
    ];
    let page = values.iter().fold(PAGE.to_owned(), |page, (name, value)| {
        page.replace(&format!("{{{{{name}}}}}"), value)
    });
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    ];
    (headers, page).into_response()
}

/// Writes how much of a limit is used, for the width of a bar; a limit of zero shows as unused.
fn percent(used: u64, limit: u64) -> String {
    let per_mille = used.saturating_mul(1_000).checked_div(limit).unwrap_or(0).min(1_000);
    format!("{}.{}", per_mille / 10, per_mille % 10)
}
