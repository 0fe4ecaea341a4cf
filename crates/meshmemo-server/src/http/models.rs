//! `GET` and `HEAD /api/models/<digest>.<ext>`: a model by the digest of its bytes.

use std::ops::Range;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State as Extract;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use meshmemo::{Digest, ErrorKind, Meta, Scope, Stored};
use meshmemo_gateway::credentials_of;

use super::answer::{SendError, describe, send, send_later};
use super::extract::PathText;
use super::problem::Problem;
use super::range::Ranges;
use super::shown::may_have;
use super::state::State;
use crate::access::{Auth, Caller, Who};
use crate::limits::FINDS_MAX;

/// Separates the parts of a multi-range answer; long enough that no model contains it by chance.
const BOUNDARY: &str = "meshmemo-7f3a9c1e5b2d4860a1c9e7f2";

/// Returns a model by the digest of its bytes, whole or in ranges.
#[utoipa::path(
    get,
    path = "/api/models/{file}",
    tag = "generation",
    params(
        ("file" = String, Path, description = "`<digest>.<extension>`, as `Link` gives it"),
        ("X-Meshmemo-Backend-Authorization" = Option<String>, Header, description = "Needed for a model that was made with it"),
        ("Range" = Option<String>, Header, description = "One or more byte ranges"),
        ("If-None-Match" = Option<String>, Header, description = "Answers 304 if it names the model"),
        ("If-Match" = Option<String>, Header, description = "Answers 412 unless it names the model"),
        ("If-Range" = Option<String>, Header, description = "Sends the whole unless it names the model"),
    ),
    responses(
        (
            status = 200,
            description = "The model; `HEAD` answers the same without it",
            content_type = "model/gltf-binary",
            headers(("ETag" = String, description = "The BLAKE3 digest of the bytes"))
        ),
        (status = 206, description = "The ranges asked for"),
        (status = 304, description = "Not modified"),
        (status = 404, description = "Not in the cache (any more)", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "`If-Match` does not match", body = Problem, content_type = "application/problem+json"),
        (status = 416, description = "No such range", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn model(
    Extract(state): Extract<Arc<State>>,
    PathText(file): PathText,
    Extension(caller): Extension<Caller>,
    method: Method,
    asked: HeaderMap,
) -> Result<Response, Problem> {
    // A model that turns out to be corrupt has left its tier: the next look finds another, or none.
    for _ in 0..FINDS_MAX {
        match respond_with(&state, &caller, &file, (&method, &asked)).await {
            Err(Failure::Unreadable) => {}
            Err(Failure::Problem(problem)) => return Err(problem),
            Ok(response) => return Ok(response),
        }
    }
    Err(gone(&file))
}

/// Why there is no answer yet.
enum Failure {
    Problem(Problem),
    /// What was found can not be read.
    Unreadable,
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Unreadable(error) if error.kind() == ErrorKind::Corrupt => Self::Unreadable,
            error => Self::Problem(error.into()),
        }
    }
}

async fn respond_with(
    state: &State,
    caller: &Caller,
    file: &str,
    (method, asked): (&Method, &HeaderMap),
) -> Result<Response, Failure> {
    // Who may not have it is told what is told of a model that is not there.
    let may_have = |meta: &Meta| may_have(state, caller, asked, meta);
    let stored = find(state, file, &caller.scope(), may_have).await?;
    let length = stored.meta().size_bytes;
    let etag = format!("\"{}\"", stored.meta().digest);
    let mut headers = describe(&*stored);
    headers.extend(lifetime(caller, &stored));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));

    if names(asked, header::IF_MATCH, &etag) == Some(false) {
        let detail = "the model has another `ETag` than `If-Match` asks for";
        return Err(Problem::new(StatusCode::PRECONDITION_FAILED, detail).into());
    }
    if names(asked, header::IF_NONE_MATCH, &etag) == Some(true) {
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::CONTENT_TYPE);
        return Ok(respond(StatusCode::NOT_MODIFIED, headers, Body::empty()));
    }
    let ranges = match *method {
        Method::GET => ranges(asked, &etag, length),
        _ => Ranges::Whole,
    };
    match ranges {
        // To `HEAD`, nothing is read.
        Ranges::Whole if *method == Method::HEAD => {
            Ok(respond(StatusCode::OK, headers, Body::empty()))
        }
        Ranges::Whole => {
            let body = send(state, &stored, 0..length).await?;
            Ok(respond(StatusCode::OK, headers, body))
        }
        Ranges::Unsatisfiable => {
            let detail = format!("none of the ranges lies within the {length} bytes of the model");
            let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, detail);
            let content_range = value(&format!("bytes */{length}"));
            Err(problem.with_header(header::CONTENT_RANGE, content_range).into())
        }
        Ranges::Parts(parts) => partial(state, &stored, headers, &parts).await,
    }
}

/// Says how long a model may be kept, and by whom: bytes never change under their digest, but who may
/// see them depends on the key.
fn lifetime(caller: &Caller, stored: &Arc<dyn Stored>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let is_somebodys = credentials_of(&stored.meta().identity).is_some();
    let kept = match caller.key() {
        _ if is_somebodys => "private, no-store",
        Some(_) => "private, max-age=31536000, immutable",
        None => "public, max-age=31536000, immutable",
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
    if !matches!(caller.who, Who::Anyone(Auth::None)) {
        let vary = HeaderValue::from_static("X-Meshmemo-Api-Key, Authorization, Cookie");
        headers.insert(header::VARY, vary);
    }
    headers
}

async fn find(
    state: &State,
    file: &str,
    scope: &Scope,
    may_have: impl Fn(&Meta) -> bool + Sync + Send,
) -> Result<Arc<dyn Stored>, Problem> {
    let gone = || gone(file);
    let (digest, extension) = file.split_once('.').ok_or_else(gone)?;
    let digest: Digest = digest.parse().map_err(|_| gone())?;
    let held = || state.jobs.held(digest, scope).filter(|held| may_have(held.meta()));
    let stored = state.cache.find_where(digest, scope, &may_have).await;
    let stored = stored.or_else(held).ok_or_else(gone)?;
    if stored.meta().variant == extension { Ok(stored) } else { Err(gone()) }
}

fn gone(file: &str) -> Problem {
    let file: String = file.chars().take(100).collect();
    Problem::not_found(format!("the model `{file}` is not in the cache"))
}

/// Returns whether a list of entity tags names this one; `None` without a list.
fn names(asked: &HeaderMap, list: header::HeaderName, etag: &str) -> Option<bool> {
    let is_strong = list == header::IF_MATCH;
    let mut lists = asked.get_all(list).iter().peekable();
    lists.peek()?;
    let mut tags = lists.filter_map(|list| list.to_str().ok()).flat_map(|list| list.split(','));
    Some(tags.any(|tag| {
        let tag = tag.trim();
        tag == "*" || tag == etag || (!is_strong && tag.strip_prefix("W/") == Some(etag))
    }))
}

/// Reads which ranges are asked for, unless `If-Range` is of another model.
fn ranges(asked: &HeaderMap, etag: &str, length: u64) -> Ranges {
    let if_range = asked.get(header::IF_RANGE);
    let is_same = if_range.is_none_or(|tag| tag.to_str().is_ok_and(|tag| tag.trim() == etag));
    match asked.get(header::RANGE).map(HeaderValue::to_str) {
        Some(Ok(range)) if is_same => Ranges::parse(range, length),
        _ => Ranges::Whole,
    }
}

async fn partial(
    state: &State,
    stored: &Arc<dyn Stored>,
    mut headers: HeaderMap,
    parts: &[Range<u64>],
) -> Result<Response, Failure> {
    let length = stored.meta().size_bytes;
    if let [part] = parts {
        headers.insert(header::CONTENT_LENGTH, (part.end - part.start).into());
        headers.insert(header::CONTENT_RANGE, value(&content_range(part, length)));
        let body = send(state, stored, part.clone()).await?;
        return Ok(respond(StatusCode::PARTIAL_CONTENT, headers, body));
    }
    let mut total = 0;
    let mut pieces = Vec::new();
    for part in parts {
        let head = format!(
            "\r\n--{BOUNDARY}\r\nContent-Type: {}\r\nContent-Range: {}\r\n\r\n",
            stored.meta().media_type,
            content_range(part, length)
        );
        total += head.len() as u64 + part.end - part.start;
        pieces.push(Body::from(head));
        pieces.push(match pieces.len() {
            1 => send(state, stored, part.clone()).await?,
            _ => send_later(state, stored, part.clone())?,
        });
    }
    let end = format!("\r\n--{BOUNDARY}--\r\n");
    total += end.len() as u64;
    pieces.push(Body::from(Bytes::from(end)));
    headers.insert(header::CONTENT_LENGTH, total.into());
    let media_type = format!("multipart/byteranges; boundary={BOUNDARY}");
    headers.insert(header::CONTENT_TYPE, value(&media_type));
    let body = Body::from_stream(stream::iter(pieces).flat_map(Body::into_data_stream));
    Ok(respond(StatusCode::PARTIAL_CONTENT, headers, body))
}

fn content_range(part: &Range<u64>, length: u64) -> String {
    format!("bytes {}-{}/{length}", part.start, part.end - 1)
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("digits and ASCII letters are a header")
}

fn respond(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
