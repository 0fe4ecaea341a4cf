//! `GET /api/cache/stats`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State as Extract;
use axum::response::Response;
use meshmemo::{
    Cause, Holding, Limits, NamespaceStats, Removals, RequestStats, ResultStats, Scope,
};
use meshmemo_tiers::Redis;
use serde::Serialize;
use utoipa::ToSchema;

use super::mb;
use crate::access::Caller;
use crate::config::CacheUse;
use crate::http::json;
use crate::http::state::State;
use crate::observed::Observations;

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
    /// What the cache would have done, where it only observes; for keys that see all.
    #[serde(skip_serializing_if = "Option::is_none")]
    observed: Option<ObservedReport>,
    /// What each namespace has come to; for keys that see all.
    #[serde(skip_serializing_if = "Option::is_none")]
    namespaces: Option<BTreeMap<String, NamespaceReport>>,
}

/// What the requests would have come to.
#[derive(Debug, Serialize, ToSchema)]
struct ObservedReport {
    hits: u64,
    coalesced: u64,
    misses: u64,
    bypasses: u64,
    hit_rate_percent: f64,
    /// Generation time that hits would not have taken; of jobs, it is not known.
    seconds_saved: f64,
}

/// One tier's own look-ups.
#[derive(Debug, Default, Serialize, ToSchema)]
struct TierReport {
    hits: u64,
    /// Entries there are; null where the tier can not tell at once.
    items: Option<u64>,
    /// What they take; on disk in whole blocks; of Redis, all that it holds.
    size_mb: f64,
    /// What they may take; zero of Redis is without a limit.
    max_mb: f64,
    /// What concerns the whole tier; left out for keys that see one namespace.
    #[serde(flatten)]
    whole: Option<WholeTier>,
}

/// What is counted of a tier as a whole.
#[derive(Debug, Default, Serialize, ToSchema)]
struct WholeTier {
    misses: u64,
    errors: u64,
    /// Look-ups that found changed bytes; they are among the misses.
    corrupt: u64,
    /// Entries that were found corrupt, by look-ups or while they were sent, and put aside.
    quarantined: u64,
    /// Entries that it did not take: too large, or too early for it.
    refused: u64,
    evictions: u64,
    expirations: u64,
    /// What a lower tier is used for.
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'static str>,
    /// Whether calls are kept away from a lower tier, as they failed again and again.
    breaker_open: bool,
    /// Of the tier that gateways share.
    #[serde(flatten)]
    shared: Option<SharedTier>,
}

/// What has gone to the tier that gateways share and come from it.
#[derive(Debug, Serialize, ToSchema)]
struct SharedTier {
    /// How long small operations take, the last ones above all.
    latency_ms: f64,
    read_mb: f64,
    written_mb: f64,
    /// Entries that were too large to be shared.
    oversized: u64,
    /// Writes that were given up, as too many were under way.
    writes_dropped: u64,
}

/// What one namespace has come to.
#[derive(Debug, Serialize, ToSchema)]
struct NamespaceReport {
    hits: u64,
    misses: u64,
    coalesced: u64,
    bypasses: u64,
    generations: u64,
    generation_seconds: f64,
    seconds_saved: f64,
    /// Entries in memory, and what they take.
    items: usize,
    size_mb: f64,
    /// Entries on disk, and what they take there in whole blocks.
    disk_items: usize,
    disk_mb: f64,
    /// What they may take in each tier; null is as much as all.
    max_mb: Option<f64>,
}

/// Reports the counters of the cache; to a key that sees one namespace, those of its own.
#[utoipa::path(
    get,
    path = "/api/cache/stats",
    tag = "management",
    responses((status = 200, description = "The counters", body = StatsReport))
)]
pub(in crate::http) async fn stats(
    Extract(state): Extract<Arc<State>>,
    Extension(caller): Extension<Caller>,
) -> Response {
    let stats = match caller.scope() {
        Scope::All => of_everything(&state),
        Scope::Namespace(name) => of_namespace(&state, &name),
    };
    json::answer(&StatsReport {
        status: "success",
        cache_enabled: state.config.cache == CacheUse::On,
        stats,
        node: state.node.clone(),
        timestamp: state.timestamp(),
    })
}

fn of_everything(state: &State) -> Counters {
    let (stats, limits) = (state.cache.stats(), state.cache.config());
    let ResultStats { requests, memory, .. } = &stats;
    let tiers = state.cache.tiers();
    let mut reports: BTreeMap<_, _> =
        tiers.iter().map(|tier| (tier.name, lower_tier(state, tier))).collect();
    let whole = WholeTier {
        misses: memory.misses,
        refused: memory.rejections,
        evictions: memory.evictions(),
        expirations: memory.removals.of(Cause::Expired),
        ..WholeTier::default()
    };
    let memory_report = TierReport {
        hits: memory.hits,
        items: Some(memory.entries as u64),
        size_mb: mb(memory.bytes),
        max_mb: mb(limits.max_bytes),
        whole: Some(whole),
    };
    reports.insert("memory", memory_report);
    let held = Held {
        entries: memory.entries,
        bytes: memory.bytes,
        max_bytes_seen: memory.max_bytes_seen,
        removals: memory.removals,
    };
    let namespaces = Some(namespaces(state));
    let observed = state.observed.as_ref().map(|observed| report_of(observed.counts()));
    Counters { observed, namespaces, ..counters(requests, &held, limits, reports) }
}

fn report_of(observed: Observations) -> ObservedReport {
    let Observations { hits, coalesced, misses, bypasses, saved_time } = observed;
    let lookups = hits + coalesced + misses;
    #[expect(clippy::cast_precision_loss, reason = "a percentage of two digits")]
    let rate = 100.0 * (hits + coalesced) as f64 / lookups.max(1) as f64;
    ObservedReport {
        hits,
        coalesced,
        misses,
        bypasses,
        hit_rate_percent: hundredths(rate),
        seconds_saved: saved_time.as_secs_f64(),
    }
}

/// Reports what a namespace sees of itself, and of others nothing.
fn of_namespace(state: &State, name: &str) -> Counters {
    let NamespaceStats { requests, removals, memory, max_bytes_seen, .. } =
        state.cache.stats_of(name);
    let limits = state.cache.config();
    let max_bytes = memory.max_bytes(limits.max_bytes);
    let limits = Limits { max_bytes, ..limits };
    let hits = |tier| requests.hits_by_tier.iter().find(|(it, _)| *it == tier).map_or(0, |it| it.1);
    let report = |tier, holding: Holding, max_bytes: u64| TierReport {
        hits: hits(tier),
        items: Some(holding.entries as u64),
        size_mb: mb(holding.bytes),
        max_mb: mb(holding.max_bytes(max_bytes)),
        whole: None,
    };
    let mut reports = BTreeMap::from([("memory", report("memory", memory, max_bytes))]);
    if let Some(disk) = &state.disk {
        let max_bytes = state.disk_usage().map_or(0, |usage| usage.max_bytes);
        reports.insert("disk", report("disk", disk.holding(name), max_bytes));
    }
    let Holding { entries, bytes, .. } = memory;
    let held = Held { entries, bytes, max_bytes_seen, removals };
    counters(&requests, &held, limits, reports)
}

fn namespaces(state: &State) -> BTreeMap<String, NamespaceReport> {
    let on_disk = state.disk.iter().flat_map(|disk| disk.namespaces());
    let names = state.cache.namespaces().into_iter().chain(on_disk.map(|(name, _)| name));
    names.map(|name| (name.to_string(), namespace(state, &name))).collect()
}

fn namespace(state: &State, name: &str) -> NamespaceReport {
    let NamespaceStats { requests, memory, .. } = state.cache.stats_of(name);
    let disk = state.disk.as_ref().map(|disk| disk.holding(name)).unwrap_or_default();
    NamespaceReport {
        hits: requests.hits(),
        misses: requests.misses,
        coalesced: requests.coalesced,
        bypasses: requests.bypasses,
        generations: requests.generations,
        generation_seconds: requests.generation_time.as_secs_f64(),
        seconds_saved: requests.saved_time.as_secs_f64(),
        items: memory.entries,
        size_mb: mb(memory.bytes),
        disk_items: disk.entries,
        disk_mb: mb(disk.bytes),
        max_mb: memory.share_bytes.map(mb),
    }
}

/// What somebody has in memory, and what has left it.
struct Held {
    entries: usize,
    bytes: u64,
    max_bytes_seen: u64,
    removals: Removals,
}

fn counters(
    requests: &RequestStats,
    held: &Held,
    limits: Limits,
    tiers: BTreeMap<&'static str, TierReport>,
) -> Counters {
    let Held { entries, bytes, max_bytes_seen, removals } = held;
    let (by_count, by_size) = (removals.of(Cause::SizeCount), removals.of(Cause::SizeBytes));
    let used = mb(*bytes) / mb(limits.max_bytes).max(f64::MIN_POSITIVE);
    Counters {
        hits: requests.hits(),
        misses: requests.misses,
        coalesced: requests.coalesced,
        bypasses: requests.bypasses,
        hit_rate_percent: hundredths(requests.hit_rate() * 100.0),
        evictions: by_count + by_size,
        evictions_by_count: by_count,
        evictions_by_size: by_size,
        expirations: removals.of(Cause::Expired),
        current_items: *entries,
        current_memory_mb: mb(*bytes),
        max_items: limits.max_entries,
        max_memory_mb: mb(limits.max_bytes),
        memory_utilization_percent: hundredths(used * 100.0),
        max_memory_seen_mb: mb(*max_bytes_seen),
        generations: requests.generations,
        generation_failures: requests.generation_failures,
        derivations: requests.derivations,
        generation_seconds: requests.generation_time.as_secs_f64(),
        seconds_saved: requests.saved_time.as_secs_f64(),
        unstored: requests.unstored,
        tiers,
        observed: None,
        namespaces: None,
    }
}

fn lower_tier(state: &State, tier: &meshmemo::TierReport) -> TierReport {
    let (stats, usage) = (&tier.stats, tier.status.usage.unwrap_or_default());
    let whole = WholeTier {
        misses: stats.misses,
        errors: stats.open_errors + stats.put_errors + stats.remove_errors + stats.list_errors,
        corrupt: stats.corrupt,
        quarantined: usage.quarantined,
        refused: stats.refused,
        evictions: usage.removals.of(Cause::SizeBytes),
        expirations: usage.removals.of(Cause::Expired),
        mode: Some(tier.mode.as_str()),
        breaker_open: tier.is_breaker_open,
        shared: None,
    };
    if let Some(redis) = state.redis.as_ref().filter(|_| tier.name == Redis::NAME) {
        let traffic = redis.traffic();
        let shared = SharedTier {
            latency_ms: traffic.latency.as_secs_f64() * 1000.0,
            read_mb: mb(traffic.read_bytes),
            written_mb: mb(traffic.written_bytes),
            oversized: traffic.oversized,
            writes_dropped: state.cache.stats().requests.writes_dropped,
        };
        return TierReport {
            hits: stats.hits,
            items: None,
            size_mb: mb(traffic.used_bytes),
            max_mb: mb(traffic.max_bytes),
            whole: Some(WholeTier { shared: Some(shared), ..whole }),
        };
    }
    TierReport {
        hits: stats.hits,
        items: Some(usage.entries),
        size_mb: mb(usage.bytes),
        max_mb: mb(usage.max_bytes),
        whole: Some(whole),
    }
}

/// Rounds a percentage to two digits, as people compare them.
fn hundredths(percent: f64) -> f64 {
    (percent * 100.0).round() / 100.0
}
