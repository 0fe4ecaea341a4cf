//! Who may ask: on loopback, without keys, everybody on this machine, but no page from elsewhere.
//!
//! A web page can post to loopback, and a name can be made to point to it. So a request that
//! changes something must name this server as its `Host`, and if it says where its page came from,
//! that must be this server too.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State as Extract};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use super::state::State;

/// Refuses what a foreign page may have sent.
pub(super) async fn check(
    Extract(state): Extract<Arc<State>>,
    request: Request,
    next: Next,
) -> Response {
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !is_safe && let Err(problem) = is_ours(request.headers(), state.address) {
        return problem.into_response();
    }
    next.run(request).await
}

fn is_ours(headers: &HeaderMap, address: SocketAddr) -> Result<(), Problem> {
    let forbidden = |detail: String| Problem::new(StatusCode::FORBIDDEN, detail);
    let host = text(headers, &header::HOST).unwrap_or_default();
    if !is_name_of(host, address) {
        let detail = format!("the `Host` of a change must be this server's, but is `{host}`");
        return Err(forbidden(detail));
    }
    let Some(origin) = text(headers, &header::ORIGIN) else { return Ok(()) };
    let from_here = origin.strip_prefix("http://").is_some_and(|host| is_name_of(host, address));
    if !from_here {
        let detail = format!("a page of `{origin}` may not make changes here");
        return Err(forbidden(detail));
    }
    Ok(())
}

/// Returns whether `host` is a name under which this server is reached directly.
fn is_name_of(host: &str, address: SocketAddr) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()),
        _ => (host, Some(80)),
    };
    let is_address = |name: &str| {
        let name = name.trim_start_matches('[').trim_end_matches(']');
        name.parse().is_ok_and(|ip: std::net::IpAddr| ip == address.ip() || ip.is_loopback())
    };
    port == Some(address.port()) && (name.eq_ignore_ascii_case("localhost") || is_address(name))
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("(not readable)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(host: &str, origin: Option<&str>) -> Result<(), Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        is_ours(&headers, "127.0.0.1:8080".parse().unwrap())
    }

    #[test]
    fn this_server_under_any_of_its_names_may_change() {
        for host in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080", "[::1]:8080"] {
            assert!(verdict(host, None).is_ok(), "{host}");
            assert!(verdict(host, Some(&format!("http://{host}"))).is_ok(), "{host}");
        }
    }

    #[test]
    fn nobody_else_may() {
        for host in ["evil.example:8080", "127.0.0.1", "127.0.0.1:80", "localhost.evil:8080", ""] {
            assert!(verdict(host, None).is_err(), "{host}");
        }
        for origin in
            ["http://evil.example", "null", "http://127.0.0.1:3000", "https://localhost:8080"]
        {
            assert!(verdict("127.0.0.1:8080", Some(origin)).is_err(), "{origin}");
        }
    }
}
