//! How a job stands, in the backend's words.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use meshmemo::{Scope, Stored};
use meshmemo_gateway::{FoundJob, Gateway, JobState, Reply, Report};

use super::generation::no_jobs;
use super::plain;
use crate::http::answer::send;
use crate::http::problem::Problem;
use crate::http::state::State;

/// Bytes of a model that are encoded at a time.
const ENCODED_MAX_BYTES: usize = 192 << 10;

/// Answers who asks after a job; somebody else's is one that nobody has ever heard of.
pub(super) async fn status(
    state: &State,
    gateway: &Gateway,
    own: &Scope,
    id: &str,
) -> Result<Response, Problem> {
    let failed = |message: &str| Report::Failed(message.to_owned());
    let (report, stored) = match state.jobs.find_anywhere(id, own).await {
        FoundJob::Unknown | FoundJob::Unsure => (Report::Processing, None),
        FoundJob::Forgotten => (failed("this job is not remembered any more"), None),
        FoundJob::Job(job) => match job.state {
            JobState::Running => (Report::Processing, None),
            JobState::Failed(message) => (Report::Failed(message), None),
            JobState::Done(done) => {
                let stored = match done.held {
                    Some(held) => Some(held),
                    None => state.cache.find(done.digest, own).await,
                };
                match stored {
                    Some(stored) => (Report::Completed, Some(stored)),
                    None => (failed("its result is not in the cache any more"), None),
                }
            }
        },
    };
    let adapter = gateway.adapter();
    let reply = adapter.report(&report).ok_or_else(no_jobs)?;
    let mut response = match stored {
        Some(stored) => around(state, reply, &stored).await?,
        None => plain(reply.status, reply.media_type, reply.before),
    };
    if adapter.manner().lets_any_page_read {
        let any = HeaderValue::from_static("*");
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
    }
    Ok(response)
}

/// Answers with a model in base64, and what stands around it.
pub(super) async fn around(
    state: &State,
    reply: Reply,
    stored: &Arc<dyn Stored>,
) -> Result<Response, Problem> {
    let size_bytes = stored.meta().size_bytes;
    let after = reply.after.unwrap_or_default();
    let length = reply.before.len() as u64 + size_bytes.div_ceil(3) * 4 + after.len() as u64;
    let model = send(state, stored, 0..size_bytes).await?.into_data_stream();
    let before = stream::iter([Ok(Bytes::from(reply.before))]);
    let after = stream::iter([Ok(Bytes::from(after))]);
    let body = Body::from_stream(before.chain(encoded(model)).chain(after));
    let mut response = Response::new(body);
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(reply.media_type));
    headers.insert(header::CONTENT_LENGTH, length.into());
    Ok(response)
}

/// Encodes a stream in pieces of a bounded size; what is left over of one, to a multiple of three bytes,
/// goes with the next.
fn encoded(
    pieces: axum::body::BodyDataStream,
) -> impl futures_util::Stream<Item = Result<Bytes, axum::Error>> {
    let encoding = Encoding { pieces, waiting: Bytes::new(), rest: BytesMut::new() };
    stream::unfold(Some(encoding), |encoding| async move {
        let mut encoding = encoding?;
        match encoding.next().await {
            Some(Ok(text)) => Some((Ok(text), Some(encoding))),
            Some(Err(error)) => Some((Err(error), None)),
            None if encoding.rest.is_empty() => None,
            None => Some((Ok(Bytes::from(STANDARD.encode(&encoding.rest))), None)),
        }
    })
}

struct Encoding {
    pieces: axum::body::BodyDataStream,
    /// What has come, and is not encoded yet.
    waiting: Bytes,
    /// Less than three bytes of the piece before.
    rest: BytesMut,
}

impl Encoding {
    /// Returns the next piece of text; at the end, the rest is left.
    async fn next(&mut self) -> Option<Result<Bytes, axum::Error>> {
        loop {
            while !self.waiting.is_empty() {
                let taken = self.waiting.split_to(self.waiting.len().min(ENCODED_MAX_BYTES));
                self.rest.extend_from_slice(&taken);
                let whole = self.rest.split_to(self.rest.len() / 3 * 3);
                if !whole.is_empty() {
                    return Some(Ok(Bytes::from(STANDARD.encode(&whole))));
                }
            }
            match self.pieces.next().await? {
                Ok(piece) => self.waiting = piece,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
