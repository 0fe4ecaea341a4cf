//! Routes that make no model: what a gateway has to hand through as it is.

use std::convert::Infallible;
use std::iter::repeat_n;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::header::{CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, LOCATION, UPGRADE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{any, get};
use bytes::Bytes;
use futures_util::stream;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use tokio::io::{copy, split};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::seen::path;
use super::{Server, reply};

/// The route whose request bodies are streamed.
pub(super) const MIRROR: &str = "/mirror";

/// What `/gzip` answers: a line of text, compressed by another program.
pub(crate) const GZIP: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03K\xce\xcf-(J-.NMQH\xaaT(\xc9HU(N-*K-RH\xcc)JML\
      \xa9\xe4\x02\x00\x91\xa9\xe7*!\x00\x00\x00";

/// One chunk of what `/big` answers.
static ZEROS: [u8; 65_536] = [0; 65_536];

/// What has happened on `/events`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Events {
    pub(super) count: usize,
    pub(super) have_ended: bool,
}

pub(super) fn routes() -> Router<Arc<Server>> {
    Router::new()
        .route("/echo", get(echo))
        .route(MIRROR, any(mirror))
        .route("/events", get(events))
        .route("/ws", get(web_socket))
        .route("/big", get(big))
        .route("/redirect", get(redirect))
        .route("/gzip", get(gzip))
}

/// Tells what has arrived.
async fn echo(request: Request) -> Response {
    let headers = request.headers().iter().map(|(name, value)| {
        [name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()]
    });
    let headers: Vec<[String; 2]> = headers.collect();
    let method = request.method().as_str();
    let told = json!({ "method": method, "path": path(request.uri()), "headers": headers });
    reply::whole(reply::json(200, told.to_string()))
}

/// Sends the body back while it arrives.
async fn mirror(request: Request) -> Response {
    let (head, body) = request.into_parts();
    let mut response = Response::new(body);
    if let Some(content_type) = head.headers.get(CONTENT_TYPE) {
        response.headers_mut().insert(CONTENT_TYPE, content_type.clone());
    }
    response
}

/// Who listens to events.
struct Listener {
    events: watch::Receiver<Events>,
    /// How many events there were before.
    missed: usize,
    sent: usize,
}

async fn events(State(server): State<Arc<Server>>) -> Response {
    let events = server.events.subscribe();
    let missed = events.borrow().count;
    let chunks = stream::unfold(Listener { events, missed, sent: 0 }, next_event);
    let mut response = Response::new(Body::from_stream(chunks));
    let content_type = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// Waits for an event. The first one is there at once; it is what tells a test that it listens.
async fn next_event(mut listener: Listener) -> Option<(Result<Bytes, Infallible>, Listener)> {
    let due = listener.missed + listener.sent;
    let is_told = |now: &Events| now.count >= due || now.have_ended;
    let now = *listener.events.wait_for(is_told).await.ok()?;
    if now.count < due {
        return None;
    }
    let event = format!("data: {}\n\n", listener.sent);
    listener.sent += 1;
    Some((Ok(event.into()), listener))
}

/// Sends back whatever comes after the upgrade: frames are nothing to it but bytes.
async fn web_socket(mut request: Request) -> Response {
    let Some(protocol) = request.headers().get(UPGRADE).cloned() else {
        return reply::whole(reply::answer(426, "text/plain", "Upgrade Required"));
    };
    let upgrade = hyper::upgrade::on(&mut request);
    Handle::current().spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let (mut reader, mut writer) = split(TokioIo::new(upgraded));
        // It ends when the client does, one way or another.
        let _echoed = copy(&mut reader, &mut writer).await;
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    response.headers_mut().insert(UPGRADE, protocol);
    response
}

/// How much is asked for.
#[derive(Debug, Deserialize)]
struct Size {
    bytes: usize,
}

async fn big(Query(size): Query<Size>) -> Response {
    let full = repeat_n(Bytes::from_static(&ZEROS), size.bytes / ZEROS.len());
    let rest = Bytes::from_static(&ZEROS[..size.bytes % ZEROS.len()]);
    let chunks = full.chain([rest]).map(Ok::<Bytes, Infallible>);
    let mut response = Response::new(Body::from_stream(stream::iter(chunks)));
    let content_type = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

async fn redirect() -> Response {
    let mut reply = reply::answer(302, "text/plain", "");
    reply.headers_mut().insert(LOCATION, HeaderValue::from_static("/echo"));
    reply::whole(reply)
}

async fn gzip() -> Response {
    let mut reply = reply::answer(200, "text/plain", GZIP);
    reply.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    reply::whole(reply)
}
