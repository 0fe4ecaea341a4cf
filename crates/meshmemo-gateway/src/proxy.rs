//! What is no generation goes through untouched, in both directions, as a stream; and what upgrades
//! becomes a tunnel.

use std::time::Duration;

use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use meshmemo::Result;
use tokio_io_timeout::TimeoutStream;

use crate::headers::{Arrival, forward, remove_hop_by_hop};
use crate::remote::{Body, Remote};

/// How long both sides of a tunnel may be silent.
const TUNNEL_PAUSE_MAX: Duration = Duration::from_hours(1);

/// Passes a request on to a backend, and returns its answer. A tunnel that comes about lives in a task
/// of its own.
///
/// # Errors
/// As [`Remote::send`].
pub async fn pass_on(
    backend: &Remote,
    mut request: Request<Body>,
    arrival: Arrival<'_>,
) -> Result<Response<Body>> {
    let upgrade = request.headers().get(header::UPGRADE).cloned();
    let client_side = upgrade.as_ref().map(|_| hyper::upgrade::on(&mut request));
    let (mut parts, body) = request.into_parts();
    // A stream whose length is not known is sent in chunks, which is the connection's own affair.
    parts.headers = forward(parts.headers, arrival);
    parts.extensions = http::Extensions::new();
    parts.version = http::Version::HTTP_11;
    if let Some(upgrade) = upgrade {
        parts.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        parts.headers.insert(header::UPGRADE, upgrade);
    }
    let mut response = backend.send(Request::from_parts(parts, body)).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let backend_side = hyper::upgrade::on(&mut response);
        if let Some(client_side) = client_side {
            start_tunnel(client_side, backend_side);
        }
        return Ok(response.map(boxed));
    }
    remove_hop_by_hop(response.headers_mut());
    Ok(response.map(boxed))
}

fn boxed(body: Incoming) -> Body {
    body.map_err(Into::into).boxed_unsync()
}

/// Nobody waits for a tunnel's end: it goes with its connections, or with the process.
#[expect(clippy::disallowed_methods, reason = "it is no work to be drained")]
fn start_tunnel(client_side: OnUpgrade, backend_side: OnUpgrade) {
    tokio::spawn(async move {
        let sides = futures_util::future::try_join(client_side, backend_side).await;
        let (client, backend) = match sides {
            Ok(sides) => sides,
            Err(error) => return tracing::debug!(%error, "no tunnel came about"),
        };
        let (mut client, mut backend) = (timed(client), timed(backend));
        if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut backend).await {
            tracing::debug!(%error, "a tunnel ended early");
        }
    });
}

fn timed(side: Upgraded) -> std::pin::Pin<Box<TimeoutStream<TokioIo<Upgraded>>>> {
    let mut stream = TimeoutStream::new(TokioIo::new(side));
    stream.set_read_timeout(Some(TUNNEL_PAUSE_MAX));
    stream.set_write_timeout(Some(TUNNEL_PAUSE_MAX));
    Box::pin(stream)
}
