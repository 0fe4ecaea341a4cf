//! A backend's answer, from the cache or just made: its status, its headers, its bytes.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use meshmemo::{Error, Freshness, Key, Served};
use meshmemo_gateway::{BackendAnswer, Gateway, Keeping};

use crate::http::answer::{self, CACHE_KEY, CACHE_STATUS, SERVER_TIMING, send};
use crate::http::problem::Problem;
use crate::http::state::State;

/// What a request was answered with.
pub(super) struct Answered {
    pub(super) served: Served,
    pub(super) key: Key,
    /// What it took to know the key.
    pub(super) key_took: Duration,
    pub(super) keeping: Keeping,
}

/// Answers with a result, as the backend did.
pub(super) async fn replay(
    state: &State,
    gateway: &Gateway,
    origin: Option<&HeaderValue>,
    answered: Answered,
) -> Result<Response, Problem> {
    let Answered { served, key, key_took, keeping } = answered;
    let Served { stored, outcome, timings } = served;
    let meta = stored.meta();
    let status = meta.head.as_ref().map_or(200, |head| head.status);
    let mut headers = HeaderMap::new();
    for (name, value) in meta.head.iter().flat_map(|head| &head.headers) {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) {
            headers.append(name, value);
        }
    }
    if let (false, Ok(media_type)) = (meta.media_type.is_empty(), meta.media_type.parse()) {
        headers.insert(header::CONTENT_TYPE, media_type);
    }
    headers.insert(header::CONTENT_LENGTH, meta.size_bytes.into());
    let mut cache_status = answer::cache_status(outcome, meta.ttl(state.clock.wall()));
    if let Keeping::PassedThrough(reason) = keeping {
        cache_status = format!("{cache_status}; detail={}", reason.as_str());
    }
    headers.insert(CACHE_STATUS, answer::ascii(&cache_status));
    headers.insert(CACHE_KEY, answer::ascii(&key.to_string()));
    let timing = answer::server_timing(key_took, timings);
    headers.insert(SERVER_TIMING, answer::ascii(&timing));
    let_pages_read(gateway, origin, &mut headers);
    let body = send(state, &stored, 0..meta.size_bytes).await?;
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    *response.headers_mut() = headers;
    Ok(response)
}

/// Answers with what the backend said, if it said anything; else with what is wrong.
pub(super) fn fail(
    gateway: &Gateway,
    origin: Option<&HeaderValue>,
    (freshness, error): (Freshness, Error),
) -> Result<Response, Problem> {
    let Some(answer) = BackendAnswer::of_error(&error) else { return Err(error.into()) };
    let mut response = Response::new(Body::from(answer.body.clone()));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers.clone();
    // It goes to all who waited, and a cookie is for one.
    response.headers_mut().remove(header::SET_COOKIE);
    let status = match freshness {
        Freshness::Refresh | Freshness::Bypass => "meshmemo; fwd=bypass; detail=not-kept",
        _ => "meshmemo; fwd=uri-miss; detail=not-kept",
    };
    response.headers_mut().insert(CACHE_STATUS, HeaderValue::from_static(status));
    let_pages_read(gateway, origin, response.headers_mut());
    Ok(response)
}

/// Lets the page that asks read the answer, where the backend lets every page. Of an answer that was
/// given to another page by name, this one is told nothing.
pub(super) fn let_pages_read(
    gateway: &Gateway,
    origin: Option<&HeaderValue>,
    headers: &mut HeaderMap,
) {
    let named = headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
    let is_of_another = named.is_some_and(|named| named != "*" && Some(named) != origin);
    if is_of_another {
        headers.remove(header::ACCESS_CONTROL_ALLOW_ORIGIN);
    }
    let is_for_any = gateway.adapter().manner().lets_any_page_read;
    let is_named = headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN);
    if is_for_any && origin.is_some() && !is_named {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
}
