//! Whose page a request may come from.
//!
//! A browser sends requests for any page that asks it to, to loopback too, and a name can be made to
//! point anywhere. So a request that comes in without a key of its own must be addressed to this
//! server, and what changes something must come from no other's page.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What a request that says nothing of any page is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    /// One of a client that is no browser.
    Fine,
    /// One that might be a browser's all the same.
    Refused,
}

/// Checks that a request is addressed to this server: to an address, which is nobody else's name, or
/// to a name that only ever means this machine.
///
/// # Errors
/// Why it may not be meant for this server.
pub(super) fn check_host(
    headers: &HeaderMap,
    address: SocketAddr,
    node: &str,
) -> Result<(), String> {
    let host = text(headers, &header::HOST).unwrap_or_default();
    if is_name_of(host, address, node) {
        return Ok(());
    }
    let host = shown(host);
    Err(format!("the `Host` of a request without a key must be this server's, but is `{host}`"))
}

/// Checks that a change comes from a page of the very server that it is addressed to.
///
/// # Errors
/// Whose page it may come from.
pub(super) fn check_origin(headers: &HeaderMap, silence: Silence) -> Result<(), String> {
    let host = text(headers, &header::HOST).unwrap_or_default();
    match (text(headers, &header::ORIGIN), text(headers, &SEC_FETCH_SITE)) {
        (Some(origin), _) if is_at(origin, host) => Ok(()),
        (Some(origin), _) => {
            Err(format!("a page of `{}` may not make changes here", shown(origin)))
        }
        (None, Some("same-origin" | "none")) => Ok(()),
        (None, None) if silence == Silence::Fine => Ok(()),
        (None, _) => Err("a change by a browser must come from a page of this server".to_owned()),
    }
}

/// Returns whether `host` can only mean this server: a page of somebody else's has it by no trick.
fn is_name_of(host: &str, address: SocketAddr, node: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()),
        _ => (host, Some(80)),
    };
    let ip: Option<IpAddr> = name.trim_start_matches('[').trim_end_matches(']').parse().ok();
    if !address.ip().is_loopback() {
        // Its port may be another one outside: containers map it.
        let is_node = name.eq_ignore_ascii_case(node) || is_local_name(name, node);
        return ip.is_some() || name.eq_ignore_ascii_case("localhost") || is_node;
    }
    let is_loopback = ip.is_some_and(|ip| ip == address.ip() || ip.is_loopback());
    port == Some(address.port()) && (name.eq_ignore_ascii_case("localhost") || is_loopback)
}

fn is_local_name(name: &str, node: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.strip_suffix(".local").is_some_and(|name| name.eq_ignore_ascii_case(node))
}

/// Returns whether an origin is a page of this host; behind a proxy that speaks TLS, the scheme is
/// not this server's.
fn is_at(origin: &str, host: &str) -> bool {
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| !host.is_empty() && authority.eq_ignore_ascii_case(host))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("(not readable)"))
}

fn shown(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let parse = |(name, value): &(&str, &str)| {
            (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())
        };
        pairs.iter().map(parse).collect()
    }

    fn is_host(host: &str, address: &str) -> bool {
        check_host(&headers(&[("host", host)]), address.parse().unwrap(), "gpu-box").is_ok()
    }

    #[test]
    fn on_loopback_its_own_names_are_this_server() {
        for host in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080", "[::1]:8080"] {
            assert!(is_host(host, "127.0.0.1:8080"), "{host}");
        }
        for host in ["evil.example:8080", "127.0.0.1", "127.0.0.1:80", "localhost.evil:8080", ""] {
            assert!(!is_host(host, "127.0.0.1:8080"), "{host}");
        }
        assert!(!is_host("10.0.0.5:8080", "127.0.0.1:8080"));
    }

    #[test]
    fn on_the_network_addresses_and_the_machines_name_are_this_server() {
        for host in ["10.0.0.5:8080", "10.0.0.5", "[fd00::1]:80", "gpu-box:9000", "GPU-box.local"] {
            assert!(is_host(host, "0.0.0.0:8080"), "{host}");
        }
        for host in ["evil.example", "gpu-box.evil.example:8080", "10.0.0.5.evil.example", ""] {
            assert!(!is_host(host, "0.0.0.0:8080"), "{host}");
        }
    }

    #[test]
    fn changes_come_from_no_other_page() {
        let host = ("host", "127.0.0.1:8080");
        let check = |more: &[(&str, &str)], silence| {
            check_origin(&headers(&[&[host], more].concat()), silence).is_ok()
        };
        for own in ["http://127.0.0.1:8080", "https://127.0.0.1:8080"] {
            assert!(check(&[("origin", own)], Silence::Refused), "{own}");
        }
        for foreign in
            ["http://evil.example", "null", "http://127.0.0.1:3000", "http://127.0.0.1", "http://"]
        {
            assert!(!check(&[("origin", foreign)], Silence::Fine), "{foreign}");
        }
        assert!(check(&[], Silence::Fine) && !check(&[], Silence::Refused));
        assert!(check(&[("sec-fetch-site", "same-origin")], Silence::Refused));
        for site in ["cross-site", "same-site"] {
            assert!(!check(&[("sec-fetch-site", site)], Silence::Fine), "{site}");
        }
    }
}
