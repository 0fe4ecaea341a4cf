//! A backend behind a URL: the ways to talk to it.

use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response, Uri, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use meshmemo::{Error, ErrorKind, Result};
use tokio::net::TcpStream;

use crate::adapter::Letter;
use crate::answer::BackendAnswer;
use crate::headers::{ask_for_the_whole, remove_hop_by_hop};
use crate::queue::Place;

/// How long a backend may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long it may take when somebody only asks whether it is there.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long an idle connection is used again: servers of this kind end theirs after five seconds.
const IDLE_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes that an answer may have which is kept or passed on whole.
const ANSWER_MAX_BYTES: u64 = 1 << 30;
/// What is reserved at once on the word of a `Content-Length`.
const CAPACITY_MAX: u64 = 64 << 20;

/// The body of a request to a backend.
pub type Body = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// A backend behind a URL. Clones of its clients share their connections.
pub struct Remote {
    url: Uri,
    timeout: Duration,
    client: Client<HttpsConnector<HttpConnector>, Body>,
    /// For generations: none is lost on a connection that the backend is just closing.
    fresh: Client<HttpsConnector<HttpConnector>, Body>,
}

impl Remote {
    /// Takes the server at `http://host:port`, with a path that stands before all others or without one,
    /// and asks it nothing yet; a generation may take it as long as `timeout`.
    ///
    /// # Errors
    /// The system's certificates can not be read.
    pub fn new(url: Uri, timeout: Duration) -> std::io::Result<Self> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_keepalive(Some(Duration::from_mins(1)));
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .try_with_platform_verifier()
            .map_err(std::io::Error::other)?
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector.clone());
        let fresh =
            Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Ok(Self { url, timeout, client, fresh })
    }

    /// Returns its address, as people write it.
    pub fn name(&self) -> String {
        self.url.to_string().trim_end_matches('/').to_owned()
    }

    /// Returns how long a generation may take there.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Looks whether something accepts connections there.
    ///
    /// # Errors
    /// Why not, in words.
    pub async fn probe(&self) -> Result<(), String> {
        let url = &self.url;
        let host = url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = url.port_u16().unwrap_or(if is_https(url) { 443 } else { 80 });
        let unreachable = |why: String| Err(format!("{host}:{port} can not be reached: {why}"));
        let connecting = TcpStream::connect((host.as_str(), port));
        match tokio::time::timeout(PROBE_TIMEOUT, connecting).await {
            Ok(Ok(_connected)) => Ok(()),
            Ok(Err(error)) => unreachable(error.to_string()),
            Err(_elapsed) => unreachable("it does not answer within a second".to_owned()),
        }
    }

    /// Sends a request as it is, but for its address; the answer streams.
    ///
    /// # Errors
    /// `BackendFailed` if it can not be reached or ends the connection, `BackendTimeout` if its answer
    /// does not begin in time.
    pub async fn send(&self, mut request: Request<Body>) -> Result<Response<Incoming>> {
        *request.uri_mut() = self.address(request.uri())?;
        let sending = tokio::time::timeout(self.timeout, self.client.request(request));
        let response = sending.await.map_err(|_elapsed| self.too_slow())?;
        response.map_err(Self::unreachable)
    }

    /// Has a piece of work done, within the time of a generation. A backend that takes longer works on,
    /// and cannot be told to stop: its place is taken until it has ended, or for as long again.
    pub(crate) async fn within_time<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
        place: &mut Option<Place>,
    ) -> Result<T> {
        let mut work = work.boxed();
        match tokio::time::timeout(self.timeout, &mut work).await {
            Ok(done) => done,
            Err(_elapsed) => {
                outwait(work, self.timeout, place.take());
                Err(self.too_slow())
            }
        }
    }

    /// Has a letter answered whole, whatever time it takes.
    ///
    /// # Errors
    /// `BackendFailed` if it can not be reached or does not answer to the end.
    pub(crate) async fn exchange(&self, letter: Letter) -> Result<BackendAnswer> {
        self.exchange_within(letter, ANSWER_MAX_BYTES).await
    }

    /// Does the same with an answer of at most so many bytes.
    ///
    /// # Errors
    /// As [`exchange`](Self::exchange); `BackendFailed` if the answer is longer.
    pub(crate) async fn exchange_within(
        &self,
        letter: Letter,
        max_bytes: u64,
    ) -> Result<BackendAnswer> {
        let Letter { head, body } = letter;
        let target =
            if head.query.is_empty() { head.path } else { format!("{}?{}", head.path, head.query) };
        let mut request = Request::new(whole(body));
        *request.method_mut() = head.method;
        let target = target.parse().map_err(|error| {
            Error::with_source(ErrorKind::Invalid, "the path can not be sent on", error)
        })?;
        *request.uri_mut() = self.address(&target)?;
        *request.headers_mut() = head.headers;
        ask_for_the_whole(request.headers_mut());
        let response = self.fresh.request(request).await.map_err(Self::unreachable)?;
        let (mut parts, body) = response.into_parts();
        let is_framed = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING]
            .iter()
            .any(|name| parts.headers.contains_key(name));
        let body = collect(&parts.headers, body, max_bytes).await?;
        remove_hop_by_hop(&mut parts.headers);
        let (status, headers) = (parts.status, parts.headers);
        Ok(BackendAnswer { status, headers, body, is_framed, reason: None })
    }

    /// Returns where a path is at the backend.
    fn address(&self, target: &Uri) -> Result<Uri> {
        let base = &self.url;
        let path = target.path_and_query().map_or("/", |it| it.as_str());
        let address = Uri::builder()
            .scheme(base.scheme().cloned().unwrap_or(http::uri::Scheme::HTTP))
            .authority(
                base.authority()
                    .cloned()
                    .unwrap_or_else(|| http::uri::Authority::from_static("localhost")),
            )
            .path_and_query(format!("{}{path}", base.path().trim_end_matches('/')))
            .build();
        address.map_err(|error| {
            Error::with_source(ErrorKind::Invalid, "the path can not be sent on", error)
        })
    }

    fn unreachable(error: hyper_util::client::legacy::Error) -> Error {
        let what = if error.is_connect() {
            "can not be reached"
        } else {
            "ended the connection without an answer"
        };
        let mut causes = vec![error.to_string()];
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        let cause = causes.pop().unwrap_or_default();
        let message = format!("the backend {what}: {cause}");
        Error::with_source(ErrorKind::BackendFailed, message, error)
    }

    fn too_slow(&self) -> Error {
        let message = format!("the backend took longer than {} s", self.timeout.as_secs_f64());
        Error::new(ErrorKind::BackendTimeout, message)
    }
}

/// Reads a body to its end.
async fn collect(headers: &HeaderMap, mut body: Incoming, max_bytes: u64) -> Result<Bytes> {
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|it| it.to_str().ok()?.parse::<u64>().ok()).unwrap_or(0);
    let capacity = usize::try_from(length.min(CAPACITY_MAX)).unwrap_or(0);
    let mut read = BytesMut::with_capacity(capacity);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let message = format!(
                "the backend cut its answer off after {} bytes{}",
                read.len(),
                if length > 0 { format!(" of {length}") } else { String::new() }
            );
            Error::with_source(ErrorKind::BackendFailed, message, error)
        })?;
        let Ok(piece) = frame.into_data() else { continue };
        if read.len() as u64 + piece.len() as u64 > max_bytes {
            let message = format!("the backend's answer is larger than {max_bytes} bytes");
            return Err(Error::new(ErrorKind::BackendFailed, message));
        }
        read.extend_from_slice(&piece);
    }
    Ok(read.freeze())
}

/// Keeps a place until a backend that was too slow has answered all the same. Nobody waits for that, so
/// it is none of the work that is drained at the end.
#[expect(clippy::disallowed_methods, reason = "it is no work to be drained")]
fn outwait<T: Send + 'static>(
    work: BoxFuture<'static, Result<T>>,
    timeout: Duration,
    place: Option<Place>,
) {
    tokio::spawn(async move {
        let _too_late = tokio::time::timeout(timeout, work).await;
        drop(place);
    });
}

/// Says why a backend has provably done nothing of a piece of work that ended in this error, if so: it
/// was never sent, or the backend has declined it and says when to come back (RFC 9110, 15.6.4; RFC 6585,
/// 4). A bare 503 may also be the end of work that went wrong.
pub(crate) fn untouched(error: &Error) -> Option<&'static str> {
    if let Some(answer) = BackendAnswer::of_error(error) {
        return match answer.status.as_u16() {
            429 => Some("it answered 429"),
            503 if answer.headers.contains_key(header::RETRY_AFTER) => Some("it answered 503"),
            _ => None,
        };
    }
    is_unreachable(error).then_some("it can not be reached")
}

/// Returns whether no connection came about.
pub(crate) fn is_unreachable(error: &Error) -> bool {
    let source = std::error::Error::source(error);
    let sending = source.and_then(|it| it.downcast_ref::<hyper_util::client::legacy::Error>());
    sending.is_some_and(hyper_util::client::legacy::Error::is_connect)
}

/// Makes a body of bytes that are all there.
pub fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

fn is_https(url: &Uri) -> bool {
    url.scheme_str() == Some("https")
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("url", &self.url)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
