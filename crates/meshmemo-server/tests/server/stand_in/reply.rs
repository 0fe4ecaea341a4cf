//! The answers of a stand-in: whole ones, and those that break off.

use std::io;

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::task::yield_now;

/// What the servers of Tencent answer to whatever goes wrong.
const EXCEPTION: &str = concat!(
    r#"{"text":"**NETWORK ERROR DUE TO HIGH TRAFFIC. "#,
    r#"PLEASE REGENERATE OR REFRESH THIS PAGE.**","error_code":1}"#,
);

/// An answer that is there as a whole.
pub(super) type Reply = Response<Bytes>;

pub(super) fn answer(status: u16, content_type: &str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Reply::new(body.into());
    *reply.status_mut() = StatusCode::from_u16(status).unwrap();
    reply.headers_mut().insert(CONTENT_TYPE, content_type.parse().unwrap());
    reply
}

pub(super) fn json(status: u16, text: impl Into<Bytes>) -> Reply {
    answer(status, "application/json", text)
}

/// The server's own error, whatever has happened.
pub(super) fn exception() -> Reply {
    json(404, EXCEPTION)
}

pub(super) fn busy() -> Reply {
    let mut reply = json(503, r#"{"detail":"busy"}"#);
    reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("7"));
    reply
}

/// Sends an answer as it is.
pub(super) fn whole(reply: Reply) -> Response {
    reply.map(Body::from)
}

/// Announces all of an answer, and cuts the connection after so many bytes of its body.
pub(super) fn cut_after(reply: Reply, bytes: usize) -> Response {
    let (mut head, body) = reply.into_parts();
    head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    let sent = body.slice(..bytes.min(body.len()));
    let chunks = stream::iter([Ok(sent)]).chain(stream::once(cut()));
    Response::from_parts(head, Body::from_stream(chunks))
}

async fn cut() -> io::Result<Bytes> {
    // While the body has nothing to give, hyper sends what it has; at the error, it would throw it
    // away.
    yield_now().await;
    Err(io::Error::other("the script cuts the connection"))
}

/// Has the connection closed without an answer.
pub(super) fn hangup() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Hangup);
    response
}

pub(super) fn is_hangup(response: &Response) -> bool {
    response.extensions().get::<Hangup>().is_some()
}

/// Marks what is never to be sent.
#[derive(Debug, Clone, Copy)]
struct Hangup;
