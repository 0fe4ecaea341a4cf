//! The connections of a stand-in, and what every request goes through whatever its route is.
//!
//! A request is answered in five steps:
//! 1. it is noted, as it arrived;
//! 2. it waits where the real server's event loop is blocked;
//! 3. it is answered by its route, or by CORS;
//! 4. the answer gets the headers that all of the server's answers have;
//! 5. the connection is closed instead, where the script says so.

use std::io;
use std::net;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Method, Request};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tower::Service;

use super::{Protocol, Server, generic, hunyuan, orfeas, proxied, reply, stability};

/// Accepts connections until the runtime ends.
pub(super) async fn accept(listener: net::TcpListener, server: Arc<Server>) {
    let listener = TcpListener::from_std(listener).unwrap();
    let router = router(&server);
    loop {
        // A client that left before it was accepted is no reason to end.
        let Ok((stream, _from)) = listener.accept().await else { continue };
        Handle::current().spawn(converse(stream, router.clone(), Arc::clone(&server)));
    }
}

fn router(server: &Arc<Server>) -> Router {
    let own = match server.protocol {
        Protocol::Hunyuan2 | Protocol::Hunyuan21 => hunyuan::routes(server.protocol),
        Protocol::Generic => generic::routes(),
        Protocol::Orfeas => orfeas::routes(),
        Protocol::Stability => stability::routes(),
    };
    own.merge(proxied::routes())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::disable())
        .with_state(Arc::clone(server))
}

async fn not_found(State(server): State<Arc<Server>>, method: Method) -> Response {
    match server.protocol {
        Protocol::Orfeas => orfeas::stray(&method),
        Protocol::Stability => stability::not_found(),
        _ => reply::whole(reply::json(404, r#"{"detail":"Not Found"}"#)),
    }
}

async fn method_not_allowed(State(server): State<Arc<Server>>, method: Method) -> Response {
    match server.protocol {
        Protocol::Orfeas => orfeas::stray(&method),
        _ => reply::whole(reply::json(405, r#"{"detail":"Method Not Allowed"}"#)),
    }
}

/// Answers what a connection asks.
async fn converse(stream: TcpStream, router: Router, server: Arc<Server>) {
    // Small events must not wait for the acknowledgement of those before them.
    stream.set_nodelay(true).unwrap();
    let service = service_fn(move |request: Request<Incoming>| {
        answer(Arc::clone(&server), router.clone(), request)
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // A client that leaves and a cut of the script end it with an error, which is nobody's concern.
    let _ended = connection.with_upgrades().await;
}

async fn answer(
    server: Arc<Server>,
    mut router: Router,
    request: Request<Incoming>,
) -> io::Result<Response> {
    let request = server.requests.note(request).await.map_err(io::Error::other)?;
    let is_hunyuan = matches!(server.protocol, Protocol::Hunyuan2 | Protocol::Hunyuan21);
    if is_hunyuan && request.uri().path() != hunyuan::BLOCKING {
        drop(server.event_loop.lock().await);
    }
    let is_preflight = request.method() == Method::OPTIONS;
    let mut response = match server.protocol {
        Protocol::Hunyuan2 | Protocol::Hunyuan21 if is_preflight => hunyuan::preflight(),
        Protocol::Orfeas if is_preflight => orfeas::preflight(),
        _ => route(&mut router, request).await,
    };
    match server.protocol {
        Protocol::Hunyuan2 | Protocol::Hunyuan21 => hunyuan::sign(response.headers_mut()),
        Protocol::Orfeas => orfeas::sign(response.headers_mut()),
        Protocol::Stability => stability::sign(response.headers_mut()),
        Protocol::Generic => {}
    }
    if reply::is_hangup(&response) {
        return Err(io::Error::other("the script hangs up"));
    }
    Ok(response)
}

async fn route(router: &mut Router, request: Request<Body>) -> Response {
    let Ok(response) = router.call(request).await;
    response
}
