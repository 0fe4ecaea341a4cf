//! Who may ask: every request passes here before its handler.
//!
//! 1. the key it shows, or that none is needed;
//! 2. what the key has left of its requests;
//! 3. whether the caller may do this;
//! 4. whether a page from elsewhere may have sent it.
//!
//! Who comes from an address that may not come is sent away before, in `listener.rs`.
//!
//! Handlers find the [`Caller`] in the request's extensions.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State as Extract};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::credential::Credential;
use super::origin::{Silence, check_host, check_origin};
use super::problem::Problem;
use super::routes::Needs;
use super::session::cookie_name;
use super::state::State;
use crate::access::{Auth, Caller, RateLimit, Refusal, Right, Who};

/// Where a connection comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// Lets a request through to its handler, or says why not.
pub(super) async fn check(
    Extract(needs): Extract<Needs>,
    Extension(state): Extension<Arc<State>>,
    mut request: Request,
    next: Next,
) -> Response {
    let (answer, limit) = match admit(&state, needs, &request) {
        Ok((caller, limit)) => {
            request.extensions_mut().insert(caller);
            (next.run(request).await, limit)
        }
        Err(refused) => {
            state.access.refusals.count(refused.reason);
            (refused.problem.into_response(), refused.limit)
        }
    };
    match limit {
        Some(limit) => with_rate_limit(answer, limit),
        None => answer,
    }
}

/// Why a request does not reach its handler.
struct Refused {
    reason: Refusal,
    problem: Box<Problem>,
    limit: Option<RateLimit>,
}

impl Refused {
    fn new(reason: Refusal, problem: Problem) -> Self {
        Self { reason, problem: Box::new(problem), limit: None }
    }
}

fn admit(
    state: &State,
    needs: Needs,
    request: &Request,
) -> Result<(Caller, Option<RateLimit>), Refused> {
    let headers = request.headers();
    let credential = match needs {
        // What else a client shows is the backend's.
        Needs::Backend => Credential::own(headers),
        _ => Credential::of(headers, &cookie_name(state)),
    };
    let from = request.extensions().get::<Peer>().map(|Peer(address)| *address);
    let is_preflight = needs == Needs::Backend && is_preflight(request);
    let caller = identify(state, credential, (needs, is_preflight), from)?;
    if is_preflight {
        return Ok((caller, None));
    }
    let right = match needs {
        Needs::Nothing => return Ok((unless_misled(state, caller, headers), None)),
        Needs::Right(right) => right,
        Needs::Backend => Right::Generate,
    };
    let limit = take_request(&caller)?;
    let refused = |reason, detail: String| Refused {
        limit,
        ..Refused::new(reason, Problem::new(StatusCode::FORBIDDEN, detail))
    };
    if !caller.may(right) {
        return Err(refused(Refusal::Forbidden, may_not(&caller, right)));
    }
    match needs {
        // Whose pages may ask the backend, the backend says; but on loopback, none under a name that was
        // made to point there.
        Needs::Backend if state.address.ip().is_loopback() && caller.key().is_none() => {
            check_host(headers, state.address, &state.node)
        }
        Needs::Backend => Ok(()),
        _ => check_page(state, credential, &caller, request.method(), headers),
    }
    .map_err(|detail| refused(Refusal::Origin, detail))?;
    Ok((caller, limit))
}

/// Shows who is nobody in particular no more than a stranger if a foreign name has led them here.
fn unless_misled(state: &State, caller: Caller, headers: &HeaderMap) -> Caller {
    let is_led_here = check_host(headers, state.address, &state.node).is_ok();
    if caller.key().is_some() || is_led_here {
        return caller;
    }
    Caller { who: Who::Anyone(Auth::All), ..caller }
}

/// Finds out who asks.
fn identify(
    state: &State,
    credential: Option<Credential<'_>>,
    (needs, is_preflight): (Needs, bool),
    from: Option<IpAddr>,
) -> Result<Caller, Refused> {
    let auth = state.access.auth();
    let anyone = Caller { who: Who::Anyone(auth), from };
    let is_open = |caller: &Caller| match needs {
        Needs::Nothing => true,
        Needs::Right(right) => caller.may(right),
        Needs::Backend => is_preflight || caller.may(Right::Generate),
    };
    match credential {
        // Where nobody needs a key, none is looked at.
        Some(credential) if auth != Auth::None => match state.access.key_of(credential.token()) {
            Some(key) => Ok(Caller { who: Who::Key(key), from }),
            None if needs == Needs::Nothing => Ok(anyone),
            // Its browser sends an old cookie whether its user wants to or not.
            None if matches!(credential, Credential::Cookie(_)) && is_open(&anyone) => Ok(anyone),
            None => Err(Refused::new(Refusal::WrongKey, wrong_key())),
        },
        _ if is_open(&anyone) => Ok(anyone),
        _ => Err(Refused::new(Refusal::MissingKey, missing_key(needs))),
    }
}

/// Returns whether a browser asks on behalf of a page what the page may ask. It never sends a key along;
/// whose pages may ask the backend, the backend says.
fn is_preflight(request: &Request) -> bool {
    let headers = request.headers();
    *request.method() == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        && ![header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::UPGRADE]
            .iter()
            .any(|name| headers.contains_key(name))
}

fn take_request(caller: &Caller) -> Result<Option<RateLimit>, Refused> {
    let Some(key) = caller.key() else { return Ok(None) };
    key.take_request().map_err(|limit| {
        let detail = format!(
            "this key may make {0} requests at once, and {0} in each minute after",
            limit.per_minute
        );
        let problem = Problem::too_many(detail, limit.wait);
        Refused { limit: Some(limit), ..Refused::new(Refusal::RateLimit, problem) }
    })
}

/// Checks that no page from elsewhere makes a browser ask this. A key in a header is no browser's
/// doing.
fn check_page(
    state: &State,
    credential: Option<Credential<'_>>,
    caller: &Caller,
    method: &Method,
    headers: &HeaderMap,
) -> Result<(), String> {
    let is_change = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    match (credential, caller.key()) {
        (Some(Credential::Cookie(_)), Some(_)) if is_change => {
            check_origin(headers, Silence::Refused)
        }
        (Some(_), Some(_)) => Ok(()),
        _ => {
            check_host(headers, state.address, &state.node)?;
            if is_change { check_origin(headers, Silence::Fine) } else { Ok(()) }
        }
    }
}

/// Describes what a caller may not do.
pub(super) fn may_not(caller: &Caller, right: Right) -> String {
    match caller.key() {
        Some(key) => {
            let (name, role) = (&key.record.name, key.record.role);
            format!("the key `{name}` (role {role}) may not {}", right.as_str())
        }
        None => format!("without a key, nobody may {}", right.as_str()),
    }
}

fn missing_key(needs: Needs) -> Problem {
    let detail = match needs {
        // There, all else is the backend's.
        Needs::Backend => "this needs an API key: send it as `X-Meshmemo-Api-Key: KEY`",
        _ => {
            "this needs an API key: send it as `X-Meshmemo-Api-Key: KEY` or as `Authorization: \
             Bearer KEY`"
        }
    };
    unauthorized(detail, "Bearer realm=\"meshmemo\"")
}

fn wrong_key() -> Problem {
    let challenge = "Bearer realm=\"meshmemo\", error=\"invalid_token\"";
    unauthorized("this API key does not hold here: it is wrong, or was revoked", challenge)
}

fn unauthorized(detail: &str, challenge: &'static str) -> Problem {
    let challenge = HeaderValue::from_static(challenge);
    Problem::new(StatusCode::UNAUTHORIZED, detail).with_header(header::WWW_AUTHENTICATE, challenge)
}

/// Says what is left of a key's requests, as the IETF's draft on rate limits has it.
fn with_rate_limit(mut answer: Response, limit: RateLimit) -> Response {
    const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
    const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
    let RateLimit { per_minute, remaining, wait } = limit;
    let wait_seconds = (wait + Duration::from_millis(999)).as_secs();
    let values = [
        (POLICY, format!("\"requests\";q={per_minute};w=60")),
        (LIMIT, format!("\"requests\";r={remaining};t={wait_seconds}")),
    ];
    answer.headers_mut().extend(values.map(|(name, value)| {
        (name, HeaderValue::from_str(&value).expect("digits and letters are a header"))
    }));
    answer
}
