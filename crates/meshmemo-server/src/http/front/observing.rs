//! Every request goes through to the backend, and what the cache would have answered is counted and
//! logged: so that an operator can look for a week before trusting it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::BytesMut;
use hyper::body::{Frame, SizeHint};
use meshmemo::{Freshness, Key};
use meshmemo_gateway::{Door, Gateway, Keeping, Known, whole};

use super::generation::{Read, may_be, read};
use super::{arrival, through, timed};
use crate::access::Caller;
use crate::body_budget::Share;
use crate::http::answer::{CACHE_STATUS, ascii};
use crate::http::problem::Problem;
use crate::http::session::cookie_name;
use crate::http::state::State;
use crate::observed::{UnderWay, Would};

/// Bytes of an answer that are looked at; a larger one counts as no result.
const LOOKED_AT_MAX_BYTES: usize = 256 << 20;

/// Bytes of an answer that are judged at once.
const JUDGED_AT_ONCE_MAX_BYTES: usize = 256 << 10;

/// Passes a request on, and notes what it would have been.
pub(super) async fn observe(
    state: &Arc<State>,
    gateway: &Arc<Gateway>,
    caller: &Caller,
    door: Door<'_>,
    request: Request,
) -> Result<Response, Problem> {
    let Some(observed) = &state.observed else { return through(state, gateway, request).await };
    if matches!(door, Door::Status(_) | Door::Elsewhere) {
        return through(state, gateway, request).await;
    }
    let cookie = cookie_name(state);
    let arrival = arrival(state, &request, &cookie);
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let Read { letter, known, headers, .. } = read(state, gateway, caller, request).await?;
    let mut request = axum::http::Request::new(whole(letter.body));
    (*request.method_mut(), *request.uri_mut()) = (method, uri);
    *request.headers_mut() = headers;
    let key = known.generation_key.key(&known.meaning.variant);
    let asked = may_be(caller, request.headers());
    let is_for_cache = known.meaning.keeping == Keeping::Kept && asked == Freshness::Cached;
    let under_way = is_for_cache.then(|| observed.see(key));
    if under_way.is_none() {
        observed.see_bypass();
    }
    let would = under_way.as_ref().map_or(Would::Bypass, |it| it.would);
    tell(would, key, known.meaning.keeping);
    let begun_at = state.clock.now();
    let response = meshmemo_gateway::pass_on(gateway.backends(), request, arrival).await?;
    let mut response = response.map(Body::new);
    let status = format!("meshmemo; fwd=bypass; detail={}", would.as_str());
    response.headers_mut().insert(CACHE_STATUS, ascii(&status));
    let Some(under_way) = under_way else { return Ok(response.map(timed)) };
    if door == Door::Submit {
        // The result goes by in the answer to another request: neither size nor time is known.
        if response.status() == StatusCode::OK {
            under_way.kept(0, Duration::ZERO);
        }
        return Ok(response.map(timed));
    }
    let (parts, body) = response.into_parts();
    let case = Case {
        status: parts.status,
        headers: parts.headers.clone(),
        gateway: Arc::clone(gateway),
        known,
        under_way,
        begun_at,
    };
    let seen = state.sends.take(0).map(|share| (BytesMut::new(), share));
    let watched = Watched { body, seen, case: Some(case), state: Arc::clone(state) };
    Ok(Response::from_parts(parts, timed(watched)))
}

fn tell(would: Would, key: Key, keeping: Keeping) {
    let because = match keeping {
        Keeping::Kept => "",
        Keeping::PassedThrough(reason) => reason.as_str(),
    };
    tracing::info!(%key, would = would.as_str(), because, "observed");
}

/// An answer on its way, which is judged when all of it has gone by.
struct Watched {
    body: Body,
    /// What has gone by, with its part of the budget; nothing, once it is too much.
    seen: Option<(BytesMut, Share)>,
    /// What the judgement needs besides.
    case: Option<Case>,
    state: Arc<State>,
}

struct Case {
    status: StatusCode,
    headers: HeaderMap<HeaderValue>,
    gateway: Arc<Gateway>,
    known: Known,
    under_way: UnderWay,
    begun_at: Duration,
}

impl Watched {
    fn note(&mut self, piece: &Bytes) {
        let Some((seen, share)) = &mut self.seen else { return };
        let is_too_much = seen.len() + piece.len() > LOOKED_AT_MAX_BYTES;
        if is_too_much || !self.state.sends.grow_to(share, (seen.len() + piece.len()) as u64) {
            self.seen = None;
        } else {
            seen.extend_from_slice(piece);
        }
    }

    /// Judges what has gone by: a long one, where it holds up nobody.
    fn judge(&mut self) {
        let Some(((seen, share), case)) = self.seen.take().zip(self.case.take()) else { return };
        let cost = self.state.clock.now().saturating_sub(case.begun_at);
        let is_long = seen.len() > JUDGED_AT_ONCE_MAX_BYTES;
        let judge = move || {
            let Case { status, headers, gateway, known, under_way, .. } = case;
            let bytes = seen.len() as u64;
            if gateway.is_result(&known, status, headers, seen.freeze()) {
                under_way.kept(bytes, cost);
            }
            drop(share);
        };
        if is_long {
            drop(tokio::task::spawn_blocking(judge));
        } else {
            judge();
        }
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(piece) = frame.data_ref() {
                    self.note(&piece.clone());
                }
                // A connection does not ask again after the end of a body whose length it knows.
                if self.body.is_end_stream() {
                    self.judge();
                }
            }
            Poll::Ready(None) => self.judge(),
            Poll::Ready(Some(Err(_))) => self.seen = None,
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
