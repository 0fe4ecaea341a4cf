//! `GET /metrics`: what Prometheus reads.
//!
//! Counters that the engine keeps are read from it at each scrape, so that they are exact; only
//! durations are observed as they happen.

mod series;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State as Extract};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::state::State;
use series::FromState;

/// The durations that are observed as they happen.
#[derive(Debug)]
#[expect(clippy::struct_field_names, reason = "they are named as their series, with the unit last")]
pub struct Metrics {
    generation_seconds: Histogram,
    http_request_seconds: Family<RequestLabels, Histogram>,
    tier_seconds: Family<TierLabels, Histogram>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TierLabels {
    tier: &'static str,
    operation: &'static str,
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
            tier_seconds: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.0001, 2.5, 14))
            }),
        }
    }

    /// Notes how long a generation took.
    pub fn observe_generation(&self, took: Duration) {
        self.generation_seconds.observe(took.as_secs_f64());
    }

    /// Notes how long an operation of a lower tier took.
    pub(super) fn observe_tier(&self, tier: &'static str, operation: &'static str, took: Duration) {
        let labels = TierLabels { tier, operation };
        self.tier_seconds.get_or_create(&labels).observe(took.as_secs_f64());
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
    registry.register_with_unit(
        "tier",
        "How long operations of lower tiers took",
        Unit::Seconds,
        state.metrics.tier_seconds.clone(),
    );
    registry.register_collector(Box::new(FromState(Arc::downgrade(&state))));
    let mut text = String::new();
    encode(&mut text, &registry).expect("a string takes whatever is written");
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    let headers = [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-store")];
    (headers, classic(&text)).into_response()
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

/// What an answer's route is called, where no path says it.
#[derive(Debug, Clone, Copy)]
pub(super) struct RouteName(pub(super) &'static str);

/// Observes how long a request took, under its route and not its path, which anybody may vary.
pub(super) async fn observe(
    Extract(state): Extract<Arc<State>>,
    request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map(|route| route.as_str().to_owned());
    let method = method_name(request.method()).to_owned();
    let started_at = state.clock.now();
    let response = next.run(request).await;
    let took = state.clock.now().saturating_sub(started_at).as_secs_f64();
    let named = response.extensions().get::<RouteName>().map_or("other", |RouteName(name)| name);
    let route = route.unwrap_or_else(|| named.to_owned());
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
