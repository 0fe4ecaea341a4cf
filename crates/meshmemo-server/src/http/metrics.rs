//! `GET /metrics`: what Prometheus reads.
//!
//! Counters that the engine keeps are read from it at each scrape, so that they are exact; only
//! durations are observed as they happen.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State as Extract};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use meshmemo::{Cause, ResultStats};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::state::State;

/// The durations that are observed as they happen.
#[derive(Debug)]
pub struct Metrics {
    generation_seconds: Histogram,
    http_request_seconds: Family<RequestLabels, Histogram>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: String,
    status: u16,
}

impl Metrics {
    /// Starts with nothing observed.
    pub fn new() -> Self {
        Self {
            generation_seconds: Histogram::new(exponential_buckets(0.05, 2.0, 13)),
            http_request_seconds: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.0005, 2.5, 14))
            }),
        }
    }

    /// Notes how long a generation took.
    pub fn observe_generation(&self, took: Duration) {
        self.generation_seconds.observe(took.as_secs_f64());
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns all series in Prometheus' text format.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operation",
    responses((status = 200, description = "All series", content_type = "text/plain"))
)]
pub(super) async fn metrics(Extract(state): Extract<Arc<State>>) -> Response {
    let mut registry = Registry::with_prefix("meshmemo");
    let version = vec![("version", env!("CARGO_PKG_VERSION"))];
    registry.register("build", "The version that runs", Info::new(version));
    registry.register_with_unit(
        "generation",
        "How long generations took that ended well",
        Unit::Seconds,
        state.metrics.generation_seconds.clone(),
    );
    registry.register_with_unit(
        "http_request",
        "How long requests took until their answer's first byte",
        Unit::Seconds,
        state.metrics.http_request_seconds.clone(),
    );
    registry.register_collector(Box::new(FromState(Arc::downgrade(&state))));
    let mut text = String::new();
    encode(&mut text, &registry).expect("a string takes whatever is written");
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], classic(&text)).into_response()
}

/// Turns the `OpenMetrics` text, which is what the encoder writes, into Prometheus' own text format, which
/// everything reads: there, metadata bear the full name of the series, an info is a gauge, and
/// neither units nor an end are marked.
fn classic(openmetrics: &str) -> String {
    let kinds: HashMap<&str, &str> = openmetrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .collect();
    let mut text = String::new();
    for line in openmetrics.lines() {
        let mut words = line.splitn(4, ' ');
        let (hash, word) = (words.next(), words.next());
        let (Some("#"), Some(word @ ("HELP" | "TYPE"))) = (hash, word) else {
            if !line.starts_with('#') {
                text.extend([line, "\n"]);
            }
            continue;
        };
        let (name, rest) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let suffix = match kinds.get(name) {
            Some(&"counter") => "_total",
            Some(&"info") => "_info",
            _ => "",
        };
        let rest = if (word, rest) == ("TYPE", "info") { "gauge" } else { rest };
        text.extend(["# ", word, " ", name, suffix, " ", rest, "\n"]);
    }
    text
}

/// Observes how long a request took, under its route and not its path, which anybody may vary.
pub(super) async fn observe(
    Extract(state): Extract<Arc<State>>,
    request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("other", MatchedPath::as_str).to_owned();
    let method = method_name(request.method()).to_owned();
    let started_at = state.clock.now();
    let response = next.run(request).await;
    let took = state.clock.now().saturating_sub(started_at).as_secs_f64();
    let labels = RequestLabels { route, method, status: response.status().as_u16() };
    state.metrics.http_request_seconds.get_or_create(&labels).observe(took);
    response
}

/// Names the methods there are; a client may invent others, and each would be a series.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}

/// Reads the engine's counters at each scrape.
#[derive(Debug)]
struct FromState(Weak<State>);

type Labels<'a> = [(&'static str, &'a str)];

impl Collector for FromState {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(state) = self.0.upgrade() else { return Ok(()) };
        let stats = state.cache.stats();
        encode_lookups(&stats, &mut encoder)?;
        encode_memory(&state, &stats, &mut encoder)?;
        encode_generations(&stats, &mut encoder)?;
        encode_bodies(&state, &mut encoder)
    }
}

fn encode_lookups(stats: &ResultStats, to: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
    let requests = &stats.requests;
    let mut series: Vec<(Vec<(&'static str, &str)>, u64)> = vec![
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

fn encode_memory(
    state: &State,
    stats: &ResultStats,
    to: &mut DescriptorEncoder<'_>,
) -> Result<(), fmt::Error> {
    let memory = &stats.memory;
    let tier: &Labels<'_> = &[("tier", "memory")];
    gauge(to, "entries", "Entries there are", tier, float(memory.entries as u64))?;
    gauge(to, "bytes", "Bytes that the entries weigh", tier, float(memory.bytes))?;
    let limit = float(state.cache.config().max_bytes);
    gauge(to, "limit_bytes", "Bytes that the entries may weigh", tier, limit)?;
    let removals: Vec<_> = Cause::ALL
        .iter()
        .map(|cause| {
            let labels = vec![("tier", "memory"), ("cause", cause.as_str())];
            (labels, memory.removals.of(*cause))
        })
        .collect();
    counters(to, "removals", "Entries that left, by cause", &removals)
}

fn encode_generations(
    stats: &ResultStats,
    to: &mut DescriptorEncoder<'_>,
) -> Result<(), fmt::Error> {
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

fn encode_bodies(state: &State, to: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
    let depth = float(state.backend.queue().depth() as u64);
    gauge(to, "queue_depth", "Generations that wait for their turn", &[], depth)?;
    let flights = float(state.cache.in_flight().len() as u64);
    gauge(to, "in_flight", "Keys that are looked up or generated now", &[], flights)?;
    let help = "Bytes of request and response bodies held for their way in or out";
    let bodies: [(&Labels<'_>, u64); 2] = [
        (&[("direction", "in")], state.uploads.bytes()),
        (&[("direction", "out")], state.sends.bytes()),
    ];
    let kind = ConstGauge::new(0.0).metric_type();
    let mut family = to.encode_descriptor("body_bytes", help, None, kind)?;
    for (labels, bytes) in bodies {
        ConstGauge::new(float(bytes)).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn counters(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    series: &[(Vec<(&'static str, &str)>, u64)],
) -> Result<(), fmt::Error> {
    let kind = ConstCounter::new(0_u64).metric_type();
    let mut family = to.encode_descriptor(name, help, None, kind)?;
    for (labels, value) in series {
        let counter = ConstCounter::new(*value);
        if labels.is_empty() {
            return counter.encode(family);
        }
        counter.encode(family.encode_family(&labels.as_slice())?)?;
    }
    Ok(())
}

fn gauge(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    labels: &Labels<'_>,
    value: f64,
) -> Result<(), fmt::Error> {
    let gauge = ConstGauge::new(value);
    let mut family = to.encode_descriptor(name, help, None, gauge.metric_type())?;
    if labels.is_empty() {
        return gauge.encode(family);
    }
    gauge.encode(family.encode_family(&labels)?)
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus' values are floats")]
fn float(value: u64) -> f64 {
    value as f64
}
