//! A generation request in the backend's protocol: answered with its result, or with the name of a job.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request as HttpRequest;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use meshmemo::{Error, ErrorKind, Freshness, Request};
use meshmemo_gateway::{
    Gateway, Keeping, Known, Letter, Reason, Report, RequestHead, Wanted, forward,
};
use tokio::task::spawn_blocking;

use super::replay::{Answered, fail, let_pages_read, replay};
use super::{arrival, owner, plain};
use crate::access::{Caller, Right};
use crate::body_budget::BodyBudget;
use crate::http::generate::{freshness, obtain};
use crate::http::job::{Speaks, hold, start};
use crate::http::problem::Problem;
use crate::http::session::cookie_name;
use crate::http::state::State;
use crate::http::upload::read_body;

/// A request that was read.
pub(super) struct Read {
    pub(super) letter: Letter,
    pub(super) known: Known,
    /// The headers as they came.
    pub(super) headers: HeaderMap,
    /// What it took to know its key, from the last byte on.
    pub(super) key_took: Duration,
}

/// Answers with the result.
pub(super) async fn generate(
    state: &Arc<State>,
    gateway: &Arc<Gateway>,
    caller: &Caller,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let Read { letter, known, headers, key_took } = read(state, gateway, caller, request).await?;
    let origin = headers.get(header::ORIGIN);
    let request = gateway.request(&known, letter, wanted(state, caller, &headers));
    let (key, freshness) = (request.key(), request.freshness);
    match obtain(state, caller.clone(), request).await {
        Ok(served) => {
            let keeping = known.meaning.keeping;
            replay(state, gateway, origin, Answered { served, key, key_took, keeping }).await
        }
        Err(error) => fail(gateway, origin, (freshness, error)),
    }
}

/// Answers with the name of a job, whose result is there at once if the cache has it.
pub(super) async fn submit(
    state: &Arc<State>,
    gateway: &Arc<Gateway>,
    caller: &Caller,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let Read { letter, known, headers, .. } = read(state, gateway, caller, request).await?;
    let letter = as_generation(letter);
    let origin = headers.get(header::ORIGIN);
    let request = gateway.request(&known, letter, wanted(state, caller, &headers));
    if known.meaning.keeping == Keeping::PassedThrough(Reason::NotUnderstood) {
        return submit_unread(state, gateway, caller, (request, origin)).await;
    }
    let id = start(state, caller, Speaks::Backends, request).await?;
    taken(gateway, id, origin)
}

/// Has the backend answer a job's request that could not be read: what it refuses, it refuses at once,
/// and of what it takes the job has ended.
async fn submit_unread(
    state: &State,
    gateway: &Gateway,
    caller: &Caller,
    (request, origin): (Request, Option<&HeaderValue>),
) -> Result<Response, Problem> {
    let (key, freshness) = (request.key(), request.freshness);
    match obtain(state, caller.clone(), request).await {
        Ok(served) => {
            let id = hold(state, caller.namespace(), key, served.stored).await?;
            taken(gateway, id, origin)
        }
        Err(error) => fail(gateway, origin, (freshness, error)),
    }
}

/// Answers with the name of a job that was taken.
fn taken(gateway: &Gateway, id: String, origin: Option<&HeaderValue>) -> Result<Response, Problem> {
    let reply = gateway.adapter().report(&Report::Taken(id)).ok_or_else(no_jobs)?;
    let mut response = plain(reply.status, reply.media_type, reply.before);
    let_pages_read(gateway, origin, response.headers_mut());
    Ok(response)
}

/// Reads a request's body, and what the request means; one that came before, to the byte, is not
/// parsed again.
pub(super) async fn read(
    state: &State,
    gateway: &Arc<Gateway>,
    caller: &Caller,
    request: HttpRequest,
) -> Result<Read, Problem> {
    let cookie = cookie_name(state);
    let arrival = arrival(state, &request, &cookie);
    let owner = owner(state, caller, request.headers());
    let headers = request.headers().clone();
    let sent_on = forward(headers.clone(), arrival);
    let head = RequestHead::new(request.method().clone(), request.uri(), sent_on);
    let mut digest = gateway.digest(&owner, &head);
    let (body, mut share) = read_body(state, request, |piece| digest.add(piece)).await?;
    let arrived_at = state.clock.now();
    let body_bytes = body.len() as u64;
    let mut letter = Letter::new(head, body);
    let known = match gateway.recall(&digest) {
        Some(known) => known,
        None => {
            let (gateway, letter) = (Arc::clone(gateway), letter.clone());
            let reading = spawn_blocking(move || gateway.read(&owner, &letter, &digest));
            reading.await.map_err(|panic| {
                let message = "the request could not be read";
                Error::with_source(ErrorKind::BackendFailed, message, panic)
            })?
        }
    };
    // What it was taken apart into is gone; the body waits for its turn.
    share.shrink_to(body_bytes);
    letter.body = BodyBudget::hold(letter.body, Box::new(share));
    let key_took = state.clock.now().saturating_sub(arrived_at);
    Ok(Read { letter, known, headers, key_took })
}

/// Answers who asks for a job where the protocol has none.
pub(super) fn no_jobs() -> Problem {
    Problem::not_found("there are no jobs in this protocol")
}

/// Says what is asked for besides the model.
pub(super) fn wanted(state: &State, caller: &Caller, headers: &HeaderMap) -> Wanted {
    let freshness = state.freshness(may_be(caller, headers));
    Wanted { label: None, freshness, quota: caller.places() }
}

/// Says what of the cache a request may use. Clients of a backend know nothing of this server: who asks
/// for a generation that it may not have is answered from the cache.
pub(super) fn may_be(caller: &Caller, headers: &HeaderMap) -> Freshness {
    let asked = freshness(headers);
    let is_costly = matches!(asked, Freshness::Refresh | Freshness::Bypass);
    if is_costly && !caller.may(Right::Regenerate) { Freshness::Cached } else { asked }
}

/// Writes the request for a job as one for its result: this server does the waiting.
fn as_generation(letter: Letter) -> Letter {
    let head = RequestHead { path: "/generate".to_owned(), ..letter.head };
    Letter { head, ..letter }
}
