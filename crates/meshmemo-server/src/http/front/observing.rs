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
use meshmemo::{Clock, Key};
use meshmemo_gateway::{Door, Gateway, Keeping, Known, whole};

use super::generation::{Read, read};
use super::{arrival, through};
use crate::access::Caller;
use crate::http::answer::{CACHE_STATUS, ascii};
use crate::http::problem::Problem;
use crate::http::session::cookie_name;
use crate::http::state::State;
use crate::observed::{UnderWay, Would};

/// Bytes of an answer that are looked at; a larger one counts as no result.
const LOOKED_AT_MAX_BYTES: usize = 256 << 20;

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
    let under_way = match known.meaning.keeping {
        Keeping::Kept => Some(observed.see(key)),
        Keeping::PassedThrough(_) => {
            observed.see_bypass();
            None
        }
    };
    let would = under_way.as_ref().map_or(Would::Bypass, |it| it.would);
    tell(would, key);
    let begun_at = state.clock.now();
    let response = meshmemo_gateway::pass_on(gateway.backend(), request, arrival).await?;
    let mut response = response.map(Body::new);
    let status = format!("meshmemo; fwd=bypass; detail={}", would.as_str());
    response.headers_mut().insert(CACHE_STATUS, ascii(&status));
    let Some(under_way) = under_way else { return Ok(response) };
    if door == Door::Submit {
        // The result goes by in the answer to another request: neither size nor time is known.
        if response.status() == StatusCode::OK {
            under_way.kept(0, Duration::ZERO);
        }
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let watched = Watched {
        body,
        seen: Some(BytesMut::new()),
        status: parts.status,
        headers: parts.headers.clone(),
        gateway: Arc::clone(gateway),
        known,
        under_way,
        clock: Arc::clone(&state.clock),
        begun_at,
    };
    Ok(Response::from_parts(parts, Body::new(watched)))
}

fn tell(would: Would, key: Key) {
    tracing::info!(%key, would = would.as_str(), "observed");
}

/// An answer on its way, which is judged when all of it has gone by.
struct Watched {
    body: Body,
    /// What has gone by; nothing, once it is too much.
    seen: Option<BytesMut>,
    status: StatusCode,
    headers: HeaderMap<HeaderValue>,
    gateway: Arc<Gateway>,
    known: Known,
    under_way: UnderWay,
    clock: Arc<dyn Clock>,
    begun_at: Duration,
}

impl Watched {
    fn note(&mut self, piece: &Bytes) {
        let Some(seen) = &mut self.seen else { return };
        if seen.len() + piece.len() > LOOKED_AT_MAX_BYTES {
            self.seen = None;
        } else {
            seen.extend_from_slice(piece);
        }
    }

    fn judge(&mut self) {
        let Some(seen) = self.seen.take() else { return };
        let (bytes, cost) = (seen.len() as u64, self.clock.now().saturating_sub(self.begun_at));
        let headers = std::mem::take(&mut self.headers);
        if self.gateway.is_result(&self.known, self.status, headers, seen.freeze()) {
            self.under_way.kept(bytes, cost);
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
