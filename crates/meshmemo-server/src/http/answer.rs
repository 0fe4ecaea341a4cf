//! A model as an answer: its bytes, its validators, and where it came from.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use meshmemo::{Digest, Error, ErrorKind, Key, Outcome, Served, Stored, Timings};
use meshmemo_gen::Format;
use std::ops::Range;

use super::problem::Problem;
use super::state::State;
use crate::body_budget::{BodyBudget, Share};
use crate::limits::{PIECE_MAX, RETRY_AFTER};

pub(super) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
pub(super) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
pub(super) const CACHE_KEY: HeaderName = HeaderName::from_static("x-meshmemo-cache-key");

/// What a generation request came to.
pub(super) struct Generated {
    pub(super) served: Served,
    pub(super) key: Key,
    pub(super) key_took: Duration,
    pub(super) label: String,
    pub(super) format: Format,
}

/// Answers a generation request.
pub(super) async fn answer(state: &State, generated: Generated) -> Result<Response, Problem> {
    let Generated { served, key, key_took, label, format } = generated;
    let Served { stored, outcome, timings } = served;
    let meta = stored.meta();
    let mut headers = describe(&*stored);
    let link = format!("<{}>; rel=\"alternate\"", model_url(state, meta.digest, format));
    let status = cache_status(outcome, meta.ttl(state.clock.wall()));
    headers.insert(header::LINK, ascii(&link));
    headers.insert(CACHE_KEY, ascii(&key.to_string()));
    headers.insert(CACHE_STATUS, ascii(&status));
    headers.insert(SERVER_TIMING, ascii(&server_timing(key_took, timings)));
    headers.insert(header::CONTENT_DISPOSITION, disposition(&label, format));
    let body = send(state, &stored, 0..meta.size_bytes).await?;
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    Ok(response)
}

/// Returns the headers that every answer with an entry's bytes has.
pub(super) fn describe(stored: &dyn Stored) -> HeaderMap {
    let meta = stored.meta();
    // A server's own word for it may be another.
    let media_type = match meta.variant.parse::<Format>() {
        Ok(format) => format.media_type(),
        Err(_) => &meta.media_type,
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, ascii(media_type));
    headers.insert(header::CONTENT_LENGTH, meta.size_bytes.into());
    headers.insert(header::ETAG, ascii(&format!("\"{}\"", meta.digest)));
    headers
}

/// Returns the path under which the model is fetched again.
pub(super) fn model_url(state: &State, digest: Digest, format: Format) -> String {
    state.own(&format!("/api/models/{digest}.{}", format.extension()))
}

/// Returns a body of a range of an entry. Its first piece has been read by then: a promise of bytes
/// that are not there is not made.
pub(super) async fn send(
    state: &State,
    stored: &Arc<dyn Stored>,
    range: Range<u64>,
) -> Result<Body, SendError> {
    let share = share(state, &**stored, &range)?;
    let mut chunks = timed(stored.read(range));
    let first = chunks.next().await.transpose().map_err(SendError::Unreadable)?;
    let chunks = stream::iter(first.map(Ok)).chain(chunks);
    Ok(body(chunks.boxed(), share))
}

/// Returns a body of a range of an entry that follows upon others of it, and is read when its turn
/// has come.
pub(super) fn send_later(
    state: &State,
    stored: &Arc<dyn Stored>,
    range: Range<u64>,
) -> Result<Body, SendError> {
    let share = share(state, &**stored, &range)?;
    Ok(body(timed(stored.read(range)), share))
}

/// Takes the part of the budget that a reader needs: for an entry in memory, one for all of them.
fn share(state: &State, stored: &dyn Stored, range: &Range<u64>) -> Result<Arc<Share>, SendError> {
    let meta = stored.meta();
    let share = match stored.piece_bytes() {
        None => state.sends.share(meta.digest, meta.size_bytes),
        Some(piece_bytes) => {
            state.sends.take(piece_bytes.min(range.end - range.start)).map(Arc::new)
        }
    };
    share.ok_or(SendError::Busy)
}

/// Makes a body that holds its part of the budget until it is sent.
fn body(chunks: BoxStream<'static, Result<Bytes, Error>>, share: Arc<Share>) -> Body {
    let chunks = chunks.inspect_err(|error| {
        tracing::error!(%error, "an entry could not be read to its end");
    });
    // The chunk that ends a body keeps its part of the budget until the connection has taken it.
    Body::from_stream(
        chunks.map(move |chunk| chunk.map(|bytes| BodyBudget::hold(bytes, Arc::clone(&share)))),
    )
}

/// Why a body can not be sent.
#[derive(Debug)]
pub(super) enum SendError {
    /// Too many are on their way.
    Busy,
    /// The tier that has the entry can not deliver it.
    Unreadable(Error),
}

impl From<SendError> for Problem {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Busy => Self::busy("too many bodies are on their way already", RETRY_AFTER),
            SendError::Unreadable(error) => error.into(),
        }
    }
}

/// Ends a stream whose tier takes too long for a piece.
fn timed(
    chunks: BoxStream<'static, Result<Bytes, Error>>,
) -> BoxStream<'static, Result<Bytes, Error>> {
    let next = async |mut chunks: BoxStream<'static, Result<Bytes, Error>>| {
        let piece = match tokio::time::timeout(PIECE_MAX, chunks.next()).await {
            Ok(piece) => piece?,
            Err(_elapsed) => {
                let message = "the tier that has the entry does not deliver it";
                Err(Error::new(ErrorKind::Storage, message))
            }
        };
        Some((piece, chunks))
    };
    stream::unfold(Some(chunks), move |chunks| async move {
        let (piece, chunks) = next(chunks?).await?;
        // Nothing follows an error.
        let rest = piece.is_ok().then_some(chunks);
        Some((piece, rest))
    })
    .boxed()
}

/// Writes the outcome as RFC 9211 does.
pub(super) fn cache_status(outcome: Outcome, ttl: Option<Duration>) -> String {
    let ttl = ttl.map(|ttl| format!("; ttl={}", ttl.as_secs())).unwrap_or_default();
    let stored = |is_stored: bool| if is_stored { "; stored" } else { "" };
    match outcome {
        Outcome::Hit { tier } => format!("meshmemo; hit{ttl}; detail={tier}"),
        Outcome::Derived => format!("meshmemo; hit{ttl}; detail=derived"),
        Outcome::Miss { is_stored } => format!("meshmemo; fwd=uri-miss{}", stored(is_stored)),
        Outcome::Coalesced => "meshmemo; fwd=uri-miss; collapsed".to_owned(),
        Outcome::Bypass { is_stored } => format!("meshmemo; fwd=bypass{}", stored(is_stored)),
        _ => "meshmemo".to_owned(),
    }
}

pub(super) fn server_timing(key: Duration, timings: Timings) -> String {
    let Timings { lookup, queue, generate } = timings;
    let steps = [("key", key), ("lookup", lookup), ("queue", queue), ("generate", generate)];
    let steps = steps.map(|(name, took)| format!("{name};dur={:.3}", took.as_secs_f64() * 1_000.0));
    steps.join(", ")
}

/// Names the file after the photo, in ASCII and in full (RFC 6266).
fn disposition(label: &str, format: Format) -> HeaderValue {
    let stem = label.rsplit_once('.').map_or(label, |(stem, _)| stem);
    let stem = if stem.is_empty() { "model" } else { stem };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
    let plain: String = stem.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let extension = format.extension();
    let in_ascii = format!("attachment; filename=\"{plain}.{extension}\"");
    if plain == stem {
        return ascii(&in_ascii);
    }
    let encoded: String = stem.bytes().map(percent_encoded).collect();
    ascii(&format!("{in_ascii}; filename*=UTF-8''{encoded}.{extension}"))
}

fn percent_encoded(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

/// Makes a header of a text that is ASCII by construction; a media type that a foreign backend
/// spelled otherwise becomes an opaque one.
pub(super) fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text)
        .unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_its_status() {
        let hit = Outcome::Hit { tier: "memory" };
        let minute = Some(Duration::from_mins(1));
        assert_eq!(cache_status(hit, minute), "meshmemo; hit; ttl=60; detail=memory");
        assert_eq!(cache_status(hit, None), "meshmemo; hit; detail=memory");
        assert_eq!(cache_status(Outcome::Derived, None), "meshmemo; hit; detail=derived");
        let miss = |is_stored| cache_status(Outcome::Miss { is_stored }, minute);
        assert_eq!(miss(true), "meshmemo; fwd=uri-miss; stored");
        assert_eq!(miss(false), "meshmemo; fwd=uri-miss");
        assert_eq!(cache_status(Outcome::Coalesced, None), "meshmemo; fwd=uri-miss; collapsed");
        let bypass = Outcome::Bypass { is_stored: false };
        assert_eq!(cache_status(bypass, None), "meshmemo; fwd=bypass");
    }

    #[test]
    fn file_names_survive_any_label() {
        let name = |label| disposition(label, Format::Stl).to_str().unwrap().to_owned();
        assert_eq!(name("cup.png"), "attachment; filename=\"cup.stl\"");
        assert_eq!(name(""), "attachment; filename=\"model.stl\"");
        assert_eq!(
            name("Krug \"blau\"é.jpg"),
            "attachment; filename=\"Krug _blau__.stl\"; filename*=UTF-8''Krug%20%22blau%22%C3%A9.stl"
        );
    }
}
