//! The way in for clients of the backend: what its adapter knows is answered from the cache, or by the
//! backend and kept; all else goes through.

mod generation;
mod observing;
mod replay;
mod status;
pub(crate) mod studio;

use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State as Extract};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use meshmemo::Scope;
use meshmemo_gateway::{Arrival, Door, Gateway, Owner, pass_on};
use tower_http::timeout::TimeoutBody;

use super::guard::Peer;
use super::metrics::RouteName;
use super::problem::Problem;
use super::session::cookie_name;
use super::shown::hash;
use super::state::State;
use crate::access::Caller;
use crate::limits::THROUGH_PAUSE_MAX;

/// Answers what is none of this server's own paths.
pub(super) async fn front(
    Extract(state): Extract<Arc<State>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    let Some(gateway) = state.backend.gateway().map(Arc::clone) else {
        return Problem::not_found("there is no backend behind this server").into_response();
    };
    if *request.method() == Method::CONNECT {
        let detail = "this is a gateway, and no proxy to anywhere: it takes no `CONNECT`";
        return Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).into_response();
    }
    let path = request.uri().path().to_owned();
    let origin = request.headers().get(axum::http::header::ORIGIN).cloned();
    let (name, answered) = match gateway.recognise(request.method(), &path) {
        Door::Elsewhere => ("backend", through(&state, &gateway, request).await),
        door if state.observed.is_some() => {
            ("backend generate", observing::observe(&state, &gateway, &caller, door, request).await)
        }
        Door::Studio(door) => {
            let asked = (door, request);
            (studio::name(door), studio::answer(&state, &gateway, &caller, asked).await)
        }
        Door::Generate => {
            ("backend generate", generation::generate(&state, &gateway, &caller, request).await)
        }
        Door::Submit => {
            ("backend submit", generation::submit(&state, &gateway, &caller, request).await)
        }
        Door::Status(id) => {
            let own = Scope::Namespace(caller.namespace().into());
            ("backend status", status::status(&state, &gateway, &own, id).await)
        }
    };
    let mut response = answered.unwrap_or_else(|problem| {
        let mut response = problem.into_response();
        replay::let_pages_read(&gateway, origin.as_ref(), response.headers_mut());
        response
    });
    response.extensions_mut().insert(RouteName(name));
    response
}

/// Passes a request on as it is.
async fn through(state: &State, gateway: &Gateway, request: Request) -> Result<Response, Problem> {
    let cookie = cookie_name(state);
    let arrival = arrival(state, &request, &cookie);
    let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
    let response = pass_on(gateway.backends(), request, arrival).await?;
    Ok(response.map(timed))
}

/// Ends an answer that goes through if the backend is silent for too long.
fn timed<B>(body: B) -> Body
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    Body::new(TimeoutBody::new(THROUGH_PAUSE_MAX, body))
}

/// Says where a request came in.
fn arrival<'a>(state: &State, request: &Request, cookie_name: &'a str) -> Arrival<'a> {
    let from = request.extensions().get::<Peer>().map(|Peer(address)| *address);
    Arrival { from, scheme: state.scheme(), cookie_name }
}

/// Says whose result it is to be that a request is for: who shows the backend who they are is answered
/// with what they were answered, and not with what others were, unless the operator lets them share.
fn owner(state: &State, caller: &Caller, headers: &HeaderMap) -> Owner {
    let namespace = caller.namespace().to_owned();
    let is_shared = state.config.backend.shares_credentials();
    let credentials = if is_shared { None } else { hash(state, headers) };
    Owner { namespace, credentials }
}

/// Answers with a status and a body that is all there.
fn plain(status: StatusCode, media_type: &'static str, body: String) -> Response {
    (status, [(axum::http::header::CONTENT_TYPE, media_type)], body).into_response()
}
