//! Connections: accepted up to a bound, timed in every direction, and ended in order.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tokio_util::task::TaskTracker;

use super::router::router;
use super::state::State;
use crate::limits::{CONNECTIONS_MAX, HEADER_TIMEOUT, IDLE_END_MAX, SEND_PAUSE_MAX};

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
    let service = router(Arc::clone(&state));
    let graceful = GracefulShutdown::new();
    let connections = TaskTracker::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut stop = std::pin::pin!(stop);
    loop {
        let stream = tokio::select! {
            stream = accept(&listener, &places) => stream,
            () = &mut stop => break,
        };
        let (stream, place) = stream;
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .serve_connection(timed(stream), TowerToHyperService::new(service.clone()));
        let connection = graceful.watch(connection);
        connections.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    drain(&state, graceful, &connections).await
}

/// Accepts the next connection once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, tokio::sync::OwnedSemaphorePermit) {
    let place = Arc::clone(places).acquire_owned().await.expect("the places are never closed");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers go out in few large writes: waiting for more only delays them.
                let _unsupported = stream.set_nodelay(true);
                return (stream, place);
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

/// Ends a connection whose client takes no bytes for too long.
fn timed(stream: TcpStream) -> TokioIo<std::pin::Pin<Box<TimeoutStream<TcpStream>>>> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(SEND_PAUSE_MAX));
    TokioIo::new(Box::pin(stream))
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
    for key in state.cache.in_flight() {
        tracing::warn!(%key, "this generation is dropped");
    }
    Stopped { requests_dropped: state.requests.len(), generations_dropped: state.tasks.len() }
}
