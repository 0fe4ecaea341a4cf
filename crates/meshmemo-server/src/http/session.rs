//! Signing in with a browser: the key goes into a cookie that no script reads and no other site
//! makes a browser send.

use std::sync::Arc;

use axum::extract::State as Extract;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::extract::RawBody;
use super::origin::{Silence, check_origin};
use super::page::sign_in_page;
use super::problem::Problem;
use super::state::State;
use crate::access::{Auth, Refusal};

const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

/// Returns the name of the cookie: servers on other ports of a machine share its cookies, but over TLS
/// none of them can set one of this name.
pub(super) fn cookie_name(state: &State) -> String {
    let prefix = if state.tls.is_some() { "__Host-" } else { "" };
    format!("{prefix}meshmemo-key-{}", state.address.port())
}

/// Takes the key of a form, and shows the page to who has one.
pub(super) async fn sign_in(
    Extract(state): Extract<Arc<State>>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, Problem> {
    check_form(&state, &headers)?;
    if state.access.auth() == Auth::None {
        return Ok(to_page(&state, &headers, None));
    }
    let fields: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
    let key = fields.iter().find(|(name, _)| name == "key").map_or("", |(_, key)| key.trim());
    match state.access.key_of(key) {
        Some(known) => {
            tracing::info!(who = known.record.name, id = known.record.id, "signed in");
            Ok(to_page(&state, &headers, Some(key)))
        }
        None => {
            state.access.refusals.count(Refusal::WrongKey);
            Ok(sign_in_page(
                &state,
                Some("This key does not hold here: it is wrong, or was revoked."),
            ))
        }
    }
}

/// Forgets the key.
pub(super) async fn sign_out(
    Extract(state): Extract<Arc<State>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    check_form(&state, &headers)?;
    let mut response = to_page(&state, &headers, None);
    let kept = HeaderValue::from_static("\"cache\"");
    response.headers_mut().insert(CLEAR_SITE_DATA, kept);
    Ok(response)
}

/// Nobody is signed in or out by another's page: what they then did would be seen by its owner.
fn check_form(state: &State, headers: &HeaderMap) -> Result<(), Problem> {
    check_origin(headers, Silence::Refused).map_err(|detail| {
        state.access.refusals.count(Refusal::Origin);
        Problem::new(StatusCode::FORBIDDEN, detail)
    })
}

/// Sends the browser to the page, with this key in its cookie, or without one.
fn to_page(state: &State, headers: &HeaderMap, key: Option<&str>) -> Response {
    let name = cookie_name(state);
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let is_secure = state.tls.is_some() || origin.is_some_and(|it| it.starts_with("https://"));
    let secure = if is_secure { "; Secure" } else { "" };
    let cookie = match key {
        Some(key) => format!("{name}={key}; Path=/; HttpOnly; SameSite=Strict{secure}"),
        None => format!("{name}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0{secure}"),
    };
    let mut response =
        (StatusCode::SEE_OTHER, [(header::LOCATION, state.own("/"))]).into_response();
    let cookie = HeaderValue::from_str(&cookie).expect("a key that holds is letters and digits");
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response
}
