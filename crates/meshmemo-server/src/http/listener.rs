//! Connections: accepted up to a bound, timed in every direction, and ended in order.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Request, StatusCode};
use axum::response::Response;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use meshmemo_gateway::TUNNELS_MAX;
use nix::sys::resource::{Resource, getrlimit};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::server::TlsStream;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;

use super::doors::{Doors, doors};
use super::guard::Peer;
use super::problem::Problem;
use super::state::State;
use crate::access::Refusal;
use crate::limits::{
    CONNECTIONS_MAX, FILES_BESIDE_CONNECTIONS, HANDSHAKE_TIMEOUT, HEADER_TIMEOUT, IDLE_END_MAX,
    SEND_PAUSE_MAX, SENT_AWAY_MAX, SENT_AWAY_TIMEOUT,
};
use crate::tls::{HANDSHAKE, Tls};

/// How long the listener rests when the system has no socket left for it.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What was still under way when the time to drain was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// Requests whose answers were cut off.
    pub requests_dropped: usize,
    /// Generations that were given up.
    pub generations_dropped: usize,
}

/// Serves until `stop` ends, then lets what is under way end within `drain_timeout`. What fails to
/// be accepted is logged, and the next one is awaited.
pub async fn serve(
    listener: TcpListener,
    state: Arc<State>,
    stop: impl Future<Output = ()>,
) -> Stopped {
    let service = doors(&state);
    let graceful = GracefulShutdown::new();
    let connections = TaskTracker::new();
    let places = Arc::new(Semaphore::new(connections_max(&state)));
    let sent_away = Arc::new(Semaphore::new(SENT_AWAY_MAX));
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = &mut stop => break,
        };
        let Accepted { stream, from, place } = accepted;
        if !may_come(&state, from) {
            drop(place);
            state.access.refusals.count(Refusal::Address);
            if let Ok(place) = Arc::clone(&sent_away).try_acquire_owned() {
                let state = Arc::clone(&state);
                connections.spawn(async move {
                    send_away(&state, stream, from).await;
                    drop(place);
                });
            }
            continue;
        }
        let service = with_peer(service.clone(), from);
        let (state, watcher) = (Arc::clone(&state), graceful.watcher());
        connections.spawn(async move {
            converse(&state, stream, service, watcher).await;
            drop(place);
        });
    }
    drop(listener);
    drain(&state, graceful, &connections).await
}

/// Returns how many connections there may be, so that files are left for all else.
fn connections_max(state: &State) -> usize {
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((u64::MAX, u64::MAX));
    let files = usize::try_from(soft).unwrap_or(usize::MAX);
    // What goes through to a backend takes a second one there; and tunnels, which are no connections any
    // more, two each.
    let (files_each, tunnels) =
        if state.config.backend.is_native() { (1, 0) } else { (2, 2 * TUNNELS_MAX) };
    let connections = files.saturating_sub(FILES_BESIDE_CONNECTIONS + tunnels) / files_each;
    connections.clamp(1, CONNECTIONS_MAX)
}

/// A connection that has its place.
struct Accepted {
    stream: TcpStream,
    from: IpAddr,
    place: OwnedSemaphorePermit,
}

/// Tells the requests of a connection where it comes from.
fn with_peer(service: Doors, from: IpAddr) -> Service {
    BoxCloneSyncService::new(service.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(from));
        request
    }))
}

type Service = BoxCloneSyncService<Request<Incoming>, Response, Infallible>;

/// Answers what a connection asks, over TLS where the server has a certificate.
async fn converse(state: &State, stream: TcpStream, service: Service, watcher: Watcher) {
    let Some(tls) = &state.tls else {
        return converse_over(timed(stream), service, watcher).await;
    };
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, tls_over(tls, stream)).await {
        Ok(Ok(Some(stream))) => converse_over(stream, service, watcher).await,
        Ok(Ok(None)) => {}
        Ok(Err(error)) => tracing::debug!(%error, "no TLS connection came about"),
        Err(_elapsed) => tracing::debug!("a client took too long to agree upon TLS"),
    }
}

async fn converse_over<S>(stream: S, service: Service, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut server = auto::Builder::new(TokioExecutor::new()).http1_only();
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    let service = TowerToHyperService::new(service);
    let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Agrees upon TLS with a client; nothing, if it speaks plain HTTP and was told so.
async fn tls_over(tls: &Tls, stream: TcpStream) -> io::Result<Option<TlsStream<Timed>>> {
    let mut first = [0];
    let is_tls = stream.peek(&mut first).await? == 1 && first[0] == HANDSHAKE;
    if is_tls {
        return tls.acceptor().accept(timed(stream)).await.map(Some);
    }
    let problem = Problem::bad_request("this port speaks TLS: use an https:// URL");
    tell(stream, problem).await?;
    Ok(None)
}

/// Tells a client that speaks plain HTTP why it gets no other answer, and ends the connection.
async fn tell(mut stream: TcpStream, problem: Problem) -> io::Result<()> {
    let mut read = [0; 4096];
    // An answer to nothing is none.
    let _some_of_the_head = stream.read(&mut read).await?;
    let body = problem.document();
    let head = format!(
        "HTTP/1.1 {}\r\nContent-Type: application/problem+json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        problem.status_line(),
        body.len()
    );
    stream.write_all(&[head.as_bytes(), &body].concat()).await?;
    stream.shutdown().await?;
    // What the client still sends is read, or it may lose the answer.
    while stream.read(&mut read).await? > 0 {}
    Ok(())
}

/// Sends away who comes from an address that may not come: with an answer, if that can be understood
/// and not too many are being answered.
async fn send_away(state: &State, stream: TcpStream, from: IpAddr) {
    if state.tls.is_some() {
        return;
    }
    let detail = format!("{from} may not come here: it is in no network of `--allow-from`");
    let telling = tell(stream, Problem::new(StatusCode::FORBIDDEN, detail));
    let _lost = tokio::time::timeout(SENT_AWAY_TIMEOUT, telling).await;
}

fn may_come(state: &State, from: IpAddr) -> bool {
    let allowed = &state.config.access.allow_from;
    allowed.is_empty() || allowed.iter().any(|network| network.contains(&from))
}

/// Accepts the next connection once there is a place for it.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Accepted {
    let place = Arc::clone(places).acquire_owned().await.expect("the places are never closed");
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                // Answers go out in few large writes: waiting for more only delays them.
                let _unsupported = stream.set_nodelay(true);
                // An IPv4 address that came in over IPv6 is still one.
                return Accepted { stream, from: from.ip().to_canonical(), place };
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

type Timed = Pin<Box<TimeoutStream<TcpStream>>>;

/// Ends a connection whose client takes no bytes for too long.
fn timed(stream: TcpStream) -> Timed {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(SEND_PAUSE_MAX));
    Box::pin(stream)
}

/// Takes no new work, and waits for what is under way. Connections that are open may still ask, if
/// only whether the server is ready, until nothing is under way any more; then they are closed.
async fn drain(state: &State, graceful: GracefulShutdown, connections: &TaskTracker) -> Stopped {
    connections.close();
    state.requests.close();
    let limit = state.config.drain_timeout;
    let (requests, generations) = (state.requests.len(), state.tasks.len());
    tracing::info!(requests, generations, "draining for up to {} s", limit.as_secs_f64());
    let under_way = async { tokio::join!(state.tasks.drain(limit), state.requests.wait()) };
    let _elapsed = tokio::time::timeout(limit, under_way).await;
    if state.requests.is_empty() {
        let _half_sent_heads = tokio::time::timeout(IDLE_END_MAX, graceful.shutdown()).await;
    }
    let unwritten = state.cache.writing_behind();
    if unwritten > 0 {
        tracing::warn!(
            unwritten,
            "results did not reach a slower tier in time: they are dropped there"
        );
    }
    for key in state.cache.in_flight() {
        tracing::warn!(%key, "this generation is dropped");
    }
    Stopped { requests_dropped: state.requests.len(), generations_dropped: state.tasks.len() }
}
