//! `GET /`: what this is, a form that works without scripts, and the statistics; or a form to sign in,
//! where a key is needed.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{RawQuery, State as Extract};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use meshmemo::{Limits, RequestStats, Scope};

use super::problem::Problem;
use super::state::State;
use crate::access::{Auth, Caller, KeyRecord, Right};
use crate::observed::{Observations, Observed};
use crate::units::{show_duration, show_size};

const STYLE: &str = include_str!("../../assets/page.css");

/// No script and nothing from elsewhere runs on the page, and no other page shows it in a frame.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The page of who may do anything here.
#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    version: &'static str,
    /// What stands before this server's own paths.
    prefix: &'static str,
    /// The embedded generator, or the adapter in front of a server.
    adapter: &'static str,
    scheme: &'static str,
    /// Under which name the browser came.
    address: String,
    max_body: String,
    auth: Auth,
    caller: &'a Caller,
    statistics: Option<Statistics>,
}

/// The page of who must show a key first.
#[derive(Template)]
#[template(path = "sign-in.html")]
struct SignIn<'a> {
    prefix: &'static str,
    refusal: Option<&'a str>,
}

/// What the caller's requests have come to.
struct Statistics {
    cache: &'static str,
    hits: u64,
    coalesced: u64,
    misses: u64,
    hit_rate: String,
    generations: u64,
    generation_time: String,
    saved_time: String,
    entries: usize,
    max_entries: usize,
    entries_percent: String,
    bytes: String,
    max_bytes: String,
    bytes_percent: String,
    /// What the cache would have done, where it only observes; for who sees everything.
    observed: Option<Observations>,
    observed_saved_time: String,
}

/// Shows the page, or the form to sign in.
pub(super) async fn page(
    Extract(state): Extract<Arc<State>>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let auth = state.access.auth();
    let wants_to_sign_in = query.as_deref() == Some("sign-in") && caller.key().is_none();
    if auth != Auth::None && (wants_to_sign_in || !caller.may(Right::Fetch)) {
        return sign_in_page(&state, None);
    }
    if !caller.may(Right::Fetch) {
        let detail = "under this name, nothing is shown without a key: use this server's address";
        return Problem::new(StatusCode::FORBIDDEN, detail).into_response();
    }
    let page = Page {
        version: env!("CARGO_PKG_VERSION"),
        prefix: state.prefix(),
        adapter: state.backend.adapter_name(),
        scheme: state.scheme(),
        address: headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok().map(str::to_owned))
            .unwrap_or_else(|| state.address.to_string()),
        max_body: show_size(state.config.max_body_bytes),
        auth,
        caller: &caller,
        statistics: caller.may(Right::Read).then(|| Statistics::of(&state, &caller)),
    };
    html(StatusCode::OK, &page)
}

/// Shows the form to sign in, and why that was not possible, if it was tried.
pub(super) fn sign_in_page(state: &State, refusal: Option<&str>) -> Response {
    let prefix = state.prefix();
    let mut response = html(StatusCode::UNAUTHORIZED, &SignIn { prefix, refusal });
    let challenge = HeaderValue::from_static("Bearer realm=\"meshmemo\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

/// Returns the page's style: a file of its own, so that nothing on the page need be trusted.
pub(super) async fn style() -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    (headers, STYLE).into_response()
}

fn html(status: StatusCode, page: &impl Template) -> Response {
    let Ok(page) = page.render() else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "the page can not be shown").into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    (status, headers, page).into_response()
}

impl Page<'_> {
    fn signed_in(&self) -> Option<&KeyRecord> {
        self.caller.key().map(|key| &key.record)
    }

    /// Returns whether there is more to be seen with a key.
    fn offers_sign_in(&self) -> bool {
        self.auth == Auth::Admin && self.signed_in().is_none()
    }

    fn is_native(&self) -> bool {
        self.adapter == "native"
    }

    fn needs_key(&self) -> bool {
        self.auth == Auth::All
    }

    fn may_generate(&self) -> bool {
        self.caller.may(Right::Generate)
    }

    fn may_observe(&self) -> bool {
        self.caller.may(Right::Observe)
    }
}

impl Statistics {
    fn of(state: &State, caller: &Caller) -> Self {
        let limits = state.cache.config();
        match caller.scope() {
            Scope::All => {
                let stats = state.cache.stats();
                let held = (stats.memory.entries, stats.memory.bytes);
                let observed = state.observed.as_ref().map(Observed::counts);
                let saved_time = observed.unwrap_or_default().saved_time;
                let observed_saved_time = show_duration(saved_time);
                let all = Self::new(state, &stats.requests, held, limits);
                Self { observed, observed_saved_time, ..all }
            }
            Scope::Namespace(name) => {
                let stats = state.cache.stats_of(&name);
                let max_bytes = stats.memory.max_bytes(limits.max_bytes);
                let limits = Limits { max_bytes, ..limits };
                let held = (stats.memory.entries, stats.memory.bytes);
                Self::new(state, &stats.requests, held, limits)
            }
        }
    }

    fn new(
        state: &State,
        requests: &RequestStats,
        (entries, bytes): (usize, u64),
        limits: Limits,
    ) -> Self {
        Self {
            cache: state.config.cache.as_str(),
            hits: requests.hits(),
            coalesced: requests.coalesced,
            misses: requests.misses,
            hit_rate: format!("{:.1}", requests.hit_rate() * 100.0),
            generations: requests.generations,
            generation_time: show_duration(requests.generation_time),
            saved_time: show_duration(requests.saved_time),
            entries,
            max_entries: limits.max_entries,
            entries_percent: percent(entries as u64, limits.max_entries as u64),
            bytes: show_size(bytes),
            max_bytes: show_size(limits.max_bytes),
            bytes_percent: percent(bytes, limits.max_bytes),
            observed: None,
            observed_saved_time: String::new(),
        }
    }
}

/// Writes how much of a limit is used, for the length of a bar; a limit of zero shows as unused.
fn percent(used: u64, limit: u64) -> String {
    let per_mille = used.saturating_mul(1_000).checked_div(limit).unwrap_or(0).min(1_000);
    format!("{}.{}", per_mille / 10, per_mille % 10)
}
