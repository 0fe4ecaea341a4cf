//! The series that are read from the engine at each scrape, so that they are exact.

use std::fmt;
use std::sync::Weak;

use meshmemo::{Cause, Removals, ResultStats, TierReport, Usage};
use meshmemo_gateway::{BackendView, LaneCounts, LaneView};
use meshmemo_tiers::Redis;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::access::Refusal;
use crate::http::state::State;

/// Reads the engine's counters at each scrape.
#[derive(Debug)]
pub(super) struct FromState(pub(super) Weak<State>);

/// One series of a family: its labels and its value.
type Series<'a, T> = (Vec<(&'static str, &'a str)>, T);

impl Collector for FromState {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(state) = self.0.upgrade() else { return Ok(()) };
        let (stats, tiers) = (state.cache.stats(), state.cache.tiers());
        lookups(&stats, &mut encoder)?;
        holdings(&state, &stats, &tiers, &mut encoder)?;
        conditions(&tiers, &mut encoder)?;
        shared_tier(&state, &stats, &mut encoder)?;
        generations(&stats, &mut encoder)?;
        backends(&state, &mut encoder)?;
        access(&state, &mut encoder)?;
        bodies(&state, &mut encoder)
    }
}

fn lookups(stats: &ResultStats, to: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
    let requests = &stats.requests;
    let mut series = vec![
        (vec![("outcome", "hit"), ("tier", "derived")], requests.derived_hits),
        (vec![("outcome", "coalesced"), ("tier", "none")], requests.coalesced),
        (vec![("outcome", "miss"), ("tier", "none")], requests.misses),
        (vec![("outcome", "bypass"), ("tier", "none")], requests.bypasses),
    ];
    for (tier, hits) in &requests.hits_by_tier {
        series.push((vec![("outcome", "hit"), ("tier", tier)], *hits));
    }
    counters(to, "lookups", "Requests by what they came to", &series)
}

/// What each tier holds, may hold, and has let go.
fn holdings(
    state: &State,
    stats: &ResultStats,
    tiers: &[TierReport],
    to: &mut DescriptorEncoder<'_>,
) -> Result<(), fmt::Error> {
    let memory = Usage {
        entries: stats.memory.entries as u64,
        bytes: stats.memory.bytes,
        max_bytes: state.cache.config().max_bytes,
        removals: stats.memory.removals,
        ..Usage::default()
    };
    let lower = tiers.iter().filter_map(|tier| Some((tier.name, tier.status.usage?)));
    let all: Vec<(&str, Usage)> = [("memory", memory)].into_iter().chain(lower).collect();
    let each = |of: fn(&Usage) -> u64| -> Vec<_> {
        all.iter().map(|(tier, usage)| (vec![("tier", *tier)], float(of(usage)))).collect()
    };
    gauges(to, "entries", "Entries there are", &each(|usage| usage.entries))?;
    gauges(to, "bytes", "Bytes that entries take", &each(|usage| usage.bytes))?;
    gauges(to, "limit_bytes", "Bytes that entries may take", &each(|usage| usage.max_bytes))?;
    let removals = |(tier, usage): &(&'static str, Usage)| {
        let (tier, removals): (_, Removals) = (*tier, usage.removals);
        Cause::ALL
            .map(|cause| (vec![("tier", tier), ("cause", cause.as_str())], removals.of(cause)))
    };
    let removals: Vec<_> = all.iter().flat_map(removals).collect();
    counters(to, "removals", "Entries that left, by cause", &removals)?;
    let quarantined: Vec<_> =
        all[1..].iter().map(|(tier, it)| (vec![("tier", *tier)], it.quarantined)).collect();
    counters(to, "quarantined", "Entries that were corrupt and put aside", &quarantined)
}

/// How each lower tier is.
fn conditions(tiers: &[TierReport], to: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
    let operations = |tier: &TierReport| {
        let (name, stats) = (tier.name, tier.stats);
        [
            ("open", stats.open_errors),
            ("put", stats.put_errors),
            ("remove", stats.remove_errors),
            ("list", stats.list_errors),
            ("verify", stats.corrupt),
        ]
        .map(|(operation, errors)| (vec![("tier", name), ("operation", operation)], errors))
    };
    let errors: Vec<_> = tiers.iter().flat_map(operations).collect();
    counters(to, "tier_errors", "Operations of lower tiers that failed", &errors)?;
    let refused: Vec<_> =
        tiers.iter().map(|tier| (vec![("tier", tier.name)], tier.stats.refused)).collect();
    counters(to, "tier_refused", "Entries that a lower tier did not take", &refused)?;
    let breakers: Vec<_> = tiers
        .iter()
        .map(|tier| (vec![("tier", tier.name)], float(tier.is_breaker_open.into())))
        .collect();
    gauges(to, "breaker_open", "Whether calls are kept away from a failing tier", &breakers)?;
    let health = |tier: &TierReport| {
        let (health, name) = (&tier.status.health, tier.name);
        let reason = health.trouble().map_or("none", |trouble| trouble.reason);
        (vec![("tier", name), ("state", health.as_str()), ("reason", reason)], 1.0)
    };
    let healths: Vec<_> = tiers.iter().map(health).collect();
    gauges(to, "tier_health", "How a tier is, and why", &healths)
}

/// What has gone to the tier that gateways share and come from it, and what has not.
fn shared_tier(
    state: &State,
    stats: &ResultStats,
    to: &mut DescriptorEncoder<'_>,
) -> Result<(), fmt::Error> {
    let Some(redis) = &state.redis else { return Ok(()) };
    let traffic = redis.traffic();
    let moved = [("read", traffic.read_bytes), ("written", traffic.written_bytes)];
    let moved = moved.map(|(way, bytes)| (vec![("tier", Redis::NAME), ("direction", way)], bytes));
    counters(to, "tier_moved_bytes", "Bytes of entries that a tier was given, and gave", &moved)?;
    let oversized = [(vec![("tier", Redis::NAME)], traffic.oversized)];
    let help = "Entries that were too large to be shared";
    counters(to, "tier_oversized", help, &oversized)?;
    let dropped = [(Vec::new(), stats.requests.writes_dropped)];
    counters(
        to,
        "writes_dropped",
        "Writes that were given up, as too many were under way",
        &dropped,
    )?;
    let alone = float((state.counts_for_all() == Some(false)).into());
    let help =
        "Whether what backends do is counted for this gateway alone, though it should not be";
    gauges(to, "counting_alone", help, &[(Vec::new(), alone)])
}

fn generations(stats: &ResultStats, to: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
    let requests = &stats.requests;
    let results = [
        (vec![("result", "ok")], requests.generations),
        (vec![("result", "failed")], requests.generation_failures),
    ];
    counters(to, "generations", "Generations by how they ended", &results)?;
    let derivations = [(Vec::new(), requests.derivations)];
    counters(to, "derivations", "Formats derived from a model in the cache", &derivations)?;
    let unstored = [(Vec::new(), requests.unstored)];
    counters(to, "unstored", "Results that no tier kept", &unstored)?;
    let saved = ConstCounter::new(requests.saved_time.as_secs_f64());
    let help = "Generation time that answers from the cache did not take again";
    let metric = to.encode_descriptor("seconds_saved", help, None, saved.metric_type())?;
    saved.encode(metric)
}

/// What each backend does, has done, and whether it is given work.
fn backends(state: &State, to: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
    let views = state.backend.views();
    let gauge = |value: fn(&LaneView) -> u64| -> Vec<Series<'_, f64>> {
        let series = |view: &'_ BackendView| float(value(&view.lane));
        views.iter().map(|view| (vec![("backend", view.url.as_str())], series(view))).collect()
    };
    let help = "Generations that a backend works at";
    gauges(to, "backend_working", help, &gauge(|lane| lane.working as u64))?;
    let help = "Whether a backend accepted the last connection";
    gauges(to, "backend_up", help, &gauge(|lane| lane.trouble.is_none().into()))?;
    let help = "Whether a backend is given no more work";
    gauges(to, "backend_drained", help, &gauge(|lane| lane.is_drained.into()))?;
    let help = "Whether others are preferred to a backend, as it failed again and again";
    gauges(to, "backend_breaker_open", help, &gauge(|lane| lane.is_breaker_open.into()))?;
    let series: Vec<_> = views.iter().flat_map(ends).collect();
    let help = "Generations that a backend was given, by how they ended there";
    counters(to, "backend_generations", help, &series)
}

/// Lists how the generations of a backend ended.
fn ends(view: &BackendView) -> [Series<'_, u64>; 3] {
    let LaneCounts { done, failed, moved_on } = view.lane.counts;
    let series = |result, count| (vec![("backend", view.url.as_str()), ("result", result)], count);
    [series("ok", done), series("failed", failed), series("moved_on", moved_on)]
}

/// How often somebody was refused, and how many keys hold.
fn access(state: &State, to: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
    let refusals = &state.access.refusals;
    let series =
        Refusal::ALL.map(|reason| (vec![("reason", reason.as_str())], refusals.of(reason)));
    counters(to, "refusals", "Requests that were refused, by why", &series)?;
    let keys = float(state.access.len() as u64);
    gauges(to, "api_keys", "API keys that hold", &[(Vec::new(), keys)])
}

fn bodies(state: &State, to: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
    let depth = float(state.backend.queue().depth() as u64);
    gauges(to, "queue_depth", "Generations that wait for their turn", &[(Vec::new(), depth)])?;
    let jobs = float(state.jobs.running() as u64);
    gauges(to, "jobs", "Jobs that have not ended", &[(Vec::new(), jobs)])?;
    let requests = float(state.requests.len() as u64);
    let help = "Requests whose answers are not all taken";
    gauges(to, "http_requests_in_progress", help, &[(Vec::new(), requests)])?;
    let flights = float(state.cache.in_flight().len() as u64);
    let help = "Keys that are looked up or generated now";
    gauges(to, "in_flight", help, &[(Vec::new(), flights)])?;
    let help = "Bytes of request and response bodies held for their way in or out";
    let bodies = [
        (vec![("direction", "in")], float(state.uploads.bytes())),
        (vec![("direction", "out")], float(state.sends.bytes())),
    ];
    gauges(to, "body_bytes", help, &bodies)
}

fn counters(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    series: &[Series<'_, u64>],
) -> Result<(), fmt::Error> {
    let metrics = series.iter().map(|(labels, value)| (labels, ConstCounter::new(*value)));
    family(to, name, help, metrics)
}

fn gauges(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    series: &[Series<'_, f64>],
) -> Result<(), fmt::Error> {
    let metrics = series.iter().map(|(labels, value)| (labels, ConstGauge::new(*value)));
    family(to, name, help, metrics)
}

/// Encodes the series of one family; one without labels is alone in its family.
fn family<'a, M: EncodeMetric>(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    series: impl Iterator<Item = (&'a Vec<(&'static str, &'a str)>, M)>,
) -> Result<(), fmt::Error> {
    let mut series = series.peekable();
    let Some((labels, first)) = series.peek() else { return Ok(()) };
    let mut family = to.encode_descriptor(name, help, None, first.metric_type())?;
    if labels.is_empty() {
        return first.encode(family);
    }
    for (labels, metric) in series {
        metric.encode(family.encode_family(&labels.as_slice())?)?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus' values are floats")]
fn float(value: u64) -> f64 {
    value as f64
}
