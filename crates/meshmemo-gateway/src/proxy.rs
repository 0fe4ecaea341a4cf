//! What is no generation goes through untouched, in both directions, as a stream; and what upgrades
//! becomes a tunnel.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use meshmemo::{Error, ErrorKind, Result};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;

use crate::backends::Backends;
use crate::headers::{Arrival, forward, remove_hop_by_hop};
use crate::remote::{Body, whole};

/// How long both sides of a tunnel may be silent.
const TUNNEL_PAUSE_MAX: Duration = Duration::from_hours(1);

/// Passes a request on to a server, and returns its answer. A tunnel that comes about lives in a task
/// of its own.
///
/// # Errors
/// As [`Remote::send`](crate::remote::Remote::send).
pub async fn pass_on(
    backends: &Backends,
    mut request: Request<Body>,
    arrival: Arrival<'_>,
) -> Result<Response<Body>> {
    let upgrade =
        request.headers().get(header::UPGRADE).filter(|_| wants_upgrade(&request)).cloned();
    let client_side = upgrade.as_ref().map(|_| hyper::upgrade::on(&mut request));
    let (mut parts, body) = request.into_parts();
    // Where the client sends no body, the backend is sent none: not even the end of one.
    let has_body = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING]
        .iter()
        .any(|name| parts.headers.contains_key(name));
    let body = if has_body { body } else { whole(Bytes::new()) };
    // A stream whose length is not known is sent in chunks, which is the connection's own affair.
    parts.headers = forward(parts.headers, arrival);
    parts.extensions = http::Extensions::new();
    parts.version = http::Version::HTTP_11;
    if let Some(upgrade) = upgrade {
        parts.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        parts.headers.insert(header::UPGRADE, upgrade);
    }
    let place = client_side.as_ref().map(|_| backends.tunnel()).transpose()?;
    let mut response = backends.first().send(Request::from_parts(parts, body)).await?;
    // This hop's version is its own.
    *response.version_mut() = http::Version::HTTP_11;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let backend_side = hyper::upgrade::on(&mut response);
        let Some((client_side, place)) = client_side.zip(place) else {
            let message = "the backend changes the protocol, though nobody asked for that";
            return Err(Error::new(ErrorKind::BackendFailed, message));
        };
        start_tunnel(client_side, backend_side, place);
        return Ok(response.map(boxed));
    }
    remove_hop_by_hop(response.headers_mut());
    Ok(response.map(boxed))
}

/// Sends on a request that is ready for it, and returns the answer.
///
/// # Errors
/// As [`Remote::send`](crate::remote::Remote::send).
pub async fn send_on(backends: &Backends, request: Request<Body>) -> Result<Response<Body>> {
    let mut response = backends.first().send(request).await?;
    *response.version_mut() = http::Version::HTTP_11;
    remove_hop_by_hop(response.headers_mut());
    Ok(response.map(boxed))
}

/// Returns whether a request asks for another protocol on this connection.
fn wants_upgrade(request: &Request<Body>) -> bool {
    let connection = request.headers().get_all(header::CONNECTION).iter();
    let mut names = connection.filter_map(|it| it.to_str().ok()).flat_map(|it| it.split(','));
    names.any(|name| name.trim().eq_ignore_ascii_case("upgrade"))
}

fn boxed(body: Incoming) -> Body {
    body.map_err(Into::into).boxed_unsync()
}

/// Nobody waits for a tunnel's end: it goes with its connections, or with the process.
#[expect(clippy::disallowed_methods, reason = "it is no work to be drained")]
fn start_tunnel(client_side: OnUpgrade, backend_side: OnUpgrade, place: OwnedSemaphorePermit) {
    tokio::spawn(async move {
        let sides = futures_util::future::try_join(client_side, backend_side).await;
        let (client, backend) = match sides {
            Ok(sides) => sides,
            Err(error) => return tracing::debug!(%error, "no tunnel came about"),
        };
        let reads = Arc::new(AtomicU64::new(0));
        let (mut client, mut backend) = (Side::new(client, &reads), Side::new(backend, &reads));
        tokio::select! {
            ended = tokio::io::copy_bidirectional(&mut client, &mut backend) => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a tunnel ended early");
                }
            }
            () = silence(&reads) => tracing::debug!("a tunnel was silent for too long"),
        }
        drop(place);
    });
}

/// Waits until neither side has said anything for too long.
async fn silence(reads: &AtomicU64) {
    let mut before = None;
    loop {
        let now = reads.load(Ordering::Relaxed);
        if before.replace(now) == Some(now) {
            return;
        }
        tokio::time::sleep(TUNNEL_PAUSE_MAX).await;
    }
}

/// One side of a tunnel, whose words are counted together with the other's.
struct Side {
    stream: TokioIo<Upgraded>,
    reads: Arc<AtomicU64>,
}

impl Side {
    fn new(stream: Upgraded, reads: &Arc<AtomicU64>) -> Self {
        Self { stream: TokioIo::new(stream), reads: Arc::clone(reads) }
    }
}

impl AsyncRead for Side {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            self.reads.fetch_add(1, Ordering::Relaxed);
        }
        read
    }
}

impl AsyncWrite for Side {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
