//! What happens to a body that its handler did not read to the end.
//!
//! A client that is still sending may not read the answer before it is done, and loses it if the
//! connection is closed under it. So the rest is read and thrown away, within bounds, before the
//! answer goes out; if there is more, the connection is said to close.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State as Extract};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::state::State;
use crate::limits::{LINGER_MAX, LINGER_MAX_BYTES};

/// Lends the body to the handler, and reads what it leaves. The request counts as one under way
/// until the last byte of its answer is taken.
pub(super) async fn linger(
    Extract(state): Extract<Arc<State>>,
    request: Request,
    next: Next,
) -> Response {
    let under_way = state.requests.token();
    let waits_to_send = request.headers().contains_key(header::EXPECT);
    let (parts, body) = request.into_parts();
    let lent = Lent { body: Arc::new(Mutex::new(Loan { body, is_touched: false })) };
    let rest = Lent { body: Arc::clone(&lent.body) };
    let mut response = next.run(Request::from_parts(parts, Body::new(lent))).await;
    let is_unsent = waits_to_send && !rest.is_touched();
    // A body that is still lent is on its way to a backend, which answers meanwhile.
    if !rest.is_lent() && !rest.is_end_stream() && (is_unsent || !drained(rest).await) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response.map(|body| Body::new(UnderWay { body, _token: under_way }))
}

/// A body whose request counts as one under way for as long as it is there.
struct UnderWay {
    body: Body,
    _token: TaskTrackerToken,
}

impl HttpBody for UnderWay {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Reads a body to its end; returns whether that was within bounds.
async fn drained(mut rest: Lent) -> bool {
    let reading = async {
        let mut read_bytes = 0;
        while let Some(Ok(frame)) = rest.frame().await {
            read_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            if read_bytes > LINGER_MAX_BYTES {
                return false;
            }
        }
        true
    };
    tokio::time::timeout(LINGER_MAX, reading).await.unwrap_or(false)
}

/// A body of which two have a handle; they use it one after the other.
struct Lent {
    body: Arc<Mutex<Loan>>,
}

struct Loan {
    body: Body,
    is_touched: bool,
}

impl Lent {
    /// Returns whether the other one has it still.
    fn is_lent(&self) -> bool {
        Arc::strong_count(&self.body) > 1
    }

    fn is_touched(&self) -> bool {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).is_touched
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut loan = self.body.lock().unwrap_or_else(PoisonError::into_inner);
        loan.is_touched = true;
        Pin::new(&mut loan.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).body.size_hint()
    }
}
