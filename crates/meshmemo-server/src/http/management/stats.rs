//! `GET /api/cache/stats`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State as Extract;
use axum::response::Response;
use meshmemo::{Cause, Limits, ResultStats};
use serde::Serialize;
use utoipa::ToSchema;

use super::mb;
use crate::http::json;
use crate::http::state::State;

/// The counters of the cache, and where it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct StatsReport {
    status: &'static str,
    cache_enabled: bool,
    stats: Counters,
    /// The host.
    node: String,
    /// Now, in seconds since the Unix epoch.
    timestamp: f64,
}

/// Counters since the start. Each request is a hit, coalesced, a miss or a bypass.
#[derive(Debug, Serialize, ToSchema)]
struct Counters {
    /// Requests answered without waiting for a generation.
    hits: u64,
    /// Requests that found nothing: they began a generation, unless it was not wanted.
    misses: u64,
    /// Requests answered by a generation that another one began.
    coalesced: u64,
    /// Requests that did not want the cache.
    bypasses: u64,
    /// `100 × (hits + coalesced) / (lookups − bypasses)`.
    hit_rate_percent: f64,
    /// Entries that left memory to make room.
    evictions: u64,
    evictions_by_count: u64,
    evictions_by_size: u64,
    expirations: u64,
    current_items: usize,
    current_memory_mb: f64,
    max_items: usize,
    max_memory_mb: f64,
    memory_utilization_percent: f64,
    max_memory_seen_mb: f64,
    generations: u64,
    generation_failures: u64,
    /// Formats derived from a GLB in the cache.
    derivations: u64,
    generation_seconds: f64,
    /// Generation time that answers from the cache did not take again.
    seconds_saved: f64,
    /// Results that no tier kept, though they might have.
    unstored: u64,
    tiers: BTreeMap<&'static str, TierReport>,
}

/// One tier's own look-ups.
#[derive(Debug, Serialize, ToSchema)]
struct TierReport {
    hits: u64,
    misses: u64,
    errors: u64,
    /// Look-ups that found changed bytes; they are among the misses.
    corrupt: u64,
    /// Entries that were found corrupt, by look-ups or while they were sent, and put aside.
    quarantined: u64,
    /// Entries that it did not take: too large, or too early for it.
    refused: u64,
    /// Entries there are.
    items: u64,
    /// What they take; on disk in whole blocks.
    size_mb: f64,
    max_mb: f64,
    evictions: u64,
    expirations: u64,
}

/// Reports the counters of the cache.
#[utoipa::path(
    get,
    path = "/api/cache/stats",
    tag = "management",
    responses((status = 200, description = "The counters", body = StatsReport))
)]
pub(in crate::http) async fn stats(Extract(state): Extract<Arc<State>>) -> Response {
    json::answer(&StatsReport {
        status: "success",
        cache_enabled: state.config.is_cache_on,
        stats: counters(&state.cache.stats(), &state.cache.tiers(), state.cache.config()),
        node: state.node.clone(),
        timestamp: state.timestamp(),
    })
}

fn counters(stats: &ResultStats, tiers: &[meshmemo::TierReport], limits: Limits) -> Counters {
    let ResultStats { requests, memory, .. } = stats;
    let mut reports: BTreeMap<_, _> =
        tiers.iter().map(|tier| (tier.name, lower_tier(tier))).collect();
    let memory_report = TierReport {
        hits: memory.hits,
        misses: memory.misses,
        errors: 0,
        corrupt: 0,
        quarantined: 0,
        refused: memory.rejections,
        items: memory.entries as u64,
        size_mb: mb(memory.bytes),
        max_mb: mb(limits.max_bytes),
        evictions: memory.evictions(),
        expirations: memory.removals.of(Cause::Expired),
    };
    reports.insert("memory", memory_report);
    let used = mb(memory.bytes) / mb(limits.max_bytes).max(f64::MIN_POSITIVE);
    Counters {
        hits: requests.hits(),
        misses: requests.misses,
        coalesced: requests.coalesced,
        bypasses: requests.bypasses,
        hit_rate_percent: hundredths(requests.hit_rate() * 100.0),
        evictions: memory.evictions(),
        evictions_by_count: memory.removals.of(Cause::SizeCount),
        evictions_by_size: memory.removals.of(Cause::SizeBytes),
        expirations: memory.removals.of(Cause::Expired),
        current_items: memory.entries,
        current_memory_mb: mb(memory.bytes),
        max_items: limits.max_entries,
        max_memory_mb: mb(limits.max_bytes),
        memory_utilization_percent: hundredths(used * 100.0),
        max_memory_seen_mb: mb(memory.max_bytes_seen),
        generations: requests.generations,
        generation_failures: requests.generation_failures,
        derivations: requests.derivations,
        generation_seconds: requests.generation_time.as_secs_f64(),
        seconds_saved: requests.saved_time.as_secs_f64(),
        unstored: requests.unstored,
        tiers: reports,
    }
}

fn lower_tier(tier: &meshmemo::TierReport) -> TierReport {
    let (stats, usage) = (&tier.stats, tier.status.usage.unwrap_or_default());
    TierReport {
        hits: stats.hits,
        misses: stats.misses,
        errors: stats.open_errors + stats.put_errors + stats.remove_errors + stats.list_errors,
        corrupt: stats.corrupt,
        quarantined: usage.quarantined,
        refused: stats.refused,
        items: usage.entries,
        size_mb: mb(usage.bytes),
        max_mb: mb(usage.max_bytes),
        evictions: usage.removals.of(Cause::SizeBytes),
        expirations: usage.removals.of(Cause::Expired),
    }
}

/// Rounds a percentage to two digits, as people compare them.
fn hundredths(percent: f64) -> f64 {
    (percent * 100.0).round() / 100.0
}
