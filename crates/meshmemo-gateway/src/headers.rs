//! Which headers go where: to the backend, to the client, into an entry.

use std::net::IpAddr;

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};
use meshmemo::Head;

/// What concerns one connection only (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const API_KEY: HeaderName = HeaderName::from_static("x-meshmemo-api-key");
/// What clients of this server's own routes show the backend as their `Authorization`.
pub const BACKEND_AUTHORIZATION: HeaderName =
    HeaderName::from_static("x-meshmemo-backend-authorization");

/// What by itself makes a backend answer with less than the whole result, or in another encoding.
const OF_PARTS: [HeaderName; 8] = [
    header::ACCEPT_ENCODING,
    header::EXPECT,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::RANGE,
];

/// What tells a backend who asks.
const CREDENTIALS: [HeaderName; 4] = [
    header::AUTHORIZATION,
    header::COOKIE,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
];

/// The headers of a backend's answer that an entry keeps, besides those that begin with
/// `access-control-`.
const KEPT: [HeaderName; 5] = [
    header::CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::CONTENT_LANGUAGE,
    header::VARY,
    HeaderName::from_static("cross-origin-resource-policy"),
];

/// Where a request came in.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// From which address.
    pub from: Option<IpAddr>,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// The name of the cookie that is meant for this server, and not for the backend.
    pub cookie_name: &'a str,
}

/// Takes out what concerns one connection only.
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let listed: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&listed).chain([&KEEP_ALIVE, &PROXY_CONNECTION]) {
        headers.remove(name);
    }
}

/// Makes of a client's headers those that the backend is sent: without what is this server's, with
/// where they came from.
pub fn forward(mut headers: HeaderMap, arrival: Arrival<'_>) -> HeaderMap {
    remove_hop_by_hop(&mut headers);
    headers.remove(API_KEY);
    headers.remove(BACKEND_AUTHORIZATION);
    // A key of ours in the wrong place is still none for the backend.
    if headers.get_all(header::AUTHORIZATION).iter().any(is_own_key) {
        headers.remove(header::AUTHORIZATION);
    }
    remove_cookie(&mut headers, arrival.cookie_name);
    let host = headers.remove(header::HOST);
    if let Some(from) = arrival.from {
        let before = headers.get_all(X_FORWARDED_FOR).iter().filter_map(|it| it.to_str().ok());
        let chain = before.map(str::to_owned).chain([from.to_string()]).collect::<Vec<_>>();
        if let Ok(chain) = HeaderValue::from_str(&chain.join(", ")) {
            headers.insert(X_FORWARDED_FOR, chain);
        }
    }
    if let Some(host) = host {
        headers.entry(X_FORWARDED_HOST).or_insert(host);
    }
    for name in CREDENTIALS {
        if let header::Entry::Occupied(mut shown) = headers.entry(name) {
            shown.iter_mut().for_each(|value| value.set_sensitive(true));
        }
    }
    let scheme = HeaderValue::from_str(arrival.scheme);
    headers.entry(X_FORWARDED_PROTO).or_insert(scheme.expect("a scheme is letters"));
    headers
}

/// Returns whether what is to be an `Authorization` is a key of this server's.
pub fn is_own_key(value: &HeaderValue) -> bool {
    let value = value.as_bytes();
    value.len() > 10 && value[..10].eq_ignore_ascii_case(b"bearer mm_")
}

/// Takes out what would have the backend answer with less than a whole result.
pub(crate) fn ask_for_the_whole(headers: &mut HeaderMap) {
    for name in OF_PARTS {
        headers.remove(name);
    }
    headers.remove(header::CONTENT_LENGTH);
}

/// Returns what a client shows the backend of who it is, by the usual headers or by `only` these, and by
/// some `also`: for a hash, and for nothing else.
pub fn credentials(
    headers: &HeaderMap,
    cookie_name: &str,
    (only, also): (Option<&[String]>, &[String]),
) -> Vec<Vec<u8>> {
    let mut headers = headers.clone();
    remove_cookie(&mut headers, cookie_name);
    let mut shown = Vec::new();
    let named = |names: &[String]| -> Vec<HeaderName> {
        names.iter().filter_map(|name| name.parse().ok()).collect()
    };
    let usual = only.map_or_else(|| CREDENTIALS.to_vec(), named);
    for name in usual.into_iter().chain(named(also)) {
        for value in headers.get_all(&name) {
            shown.push([name.as_str().as_bytes(), b"\0", value.as_bytes()].concat());
        }
    }
    shown
}

/// Returns what an entry keeps of an answer's head.
pub(crate) fn kept(status: u16, headers: &HeaderMap, also: &[String]) -> Head {
    let is_kept = |name: &HeaderName| {
        KEPT.contains(name)
            || name.as_str().starts_with("access-control-")
            || also.iter().any(|also| also == name.as_str())
    };
    let readable = |(name, value): (&HeaderName, &HeaderValue)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    let headers = headers.iter().filter(|(name, _)| is_kept(name)).filter_map(readable).collect();
    Head { status, headers }
}

/// Returns all of an answer's head, for one that is passed through.
pub(crate) fn whole_head(status: u16, headers: &HeaderMap) -> Head {
    let is_described = |name: &HeaderName| {
        *name == header::CONTENT_TYPE || *name == header::CONTENT_LENGTH || *name == header::DATE
    };
    let readable = |(name, value): (&HeaderName, &HeaderValue)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    let passed = headers.iter().filter(|(name, _)| !is_described(name)).filter_map(readable);
    Head { status, headers: passed.collect() }
}

/// Takes one cookie out; values without it stay as they are, to the byte.
fn remove_cookie(headers: &mut HeaderMap, cookie_name: &str) {
    let is_own = |pair: &&[u8]| {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        name.trim_ascii() == cookie_name.as_bytes()
    };
    let pairs = |value: &HeaderValue| -> Vec<Vec<u8>> {
        value.as_bytes().split(|byte| *byte == b';').map(<[u8]>::to_vec).collect()
    };
    let values: Vec<_> = headers.get_all(header::COOKIE).iter().cloned().collect();
    if !values.iter().flat_map(pairs).any(|pair| is_own(&pair.as_slice())) {
        return;
    }
    headers.remove(header::COOKIE);
    for value in values {
        let kept: Vec<_> = pairs(&value).into_iter().filter(|it| !is_own(&it.as_slice())).collect();
        if let Ok(kept) = HeaderValue::from_bytes(kept.join(&b';').trim_ascii())
            && !kept.is_empty()
        {
            headers.append(header::COOKIE, kept);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    const ARRIVAL: Arrival<'_> = Arrival {
        from: Some(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 7))),
        scheme: "http",
        cookie_name: "key-8080",
    };

    #[test]
    fn what_is_of_one_connection_stays_there() {
        let mut headers = map(&[
            ("connection", "close, X-Private"),
            ("x-private", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("te", "trailers"),
            ("upgrade", "websocket"),
            ("accept", "*/*"),
        ]);
        remove_hop_by_hop(&mut headers);
        assert_eq!(headers, map(&[("accept", "*/*")]));
    }

    #[test]
    fn the_backend_is_told_where_a_request_came_from_and_nothing_that_is_ours() {
        let sent = forward(
            map(&[
                ("host", "gateway:8080"),
                ("x-forwarded-for", "1.2.3.4"),
                ("x-meshmemo-api-key", "mm_secret"),
                ("cookie", "a=1; key-8080=mm_secret; b=2"),
                ("authorization", "Bearer theirs"),
            ]),
            ARRIVAL,
        );
        assert_eq!(
            sent,
            map(&[
                ("x-forwarded-for", "1.2.3.4, 10.0.0.7"),
                ("x-forwarded-host", "gateway:8080"),
                ("x-forwarded-proto", "http"),
                ("cookie", "a=1; b=2"),
                ("authorization", "Bearer theirs"),
            ])
        );
    }

    #[test]
    fn a_key_of_ours_in_the_wrong_place_goes_nowhere() {
        for (shown, is_sent) in
            [("Bearer mm_x1", false), ("bearer MM_x1", false), ("Bearer m", true)]
        {
            let headers =
                HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(shown))]);
            let sent = forward(headers, ARRIVAL).contains_key(header::AUTHORIZATION);
            assert_eq!(sent, is_sent, "{shown}");
        }
    }

    #[test]
    fn only_what_the_backend_sees_counts_as_a_credential() {
        assert!(
            credentials(
                &map(&[("cookie", "key-8080=x"), ("accept", "a")]),
                "key-8080",
                (None, &[])
            )
            .is_empty()
        );
        assert_eq!(
            credentials(&map(&[("authorization", "Bearer a")]), "key-8080", (None, &[])).len(),
            1
        );
    }

    #[test]
    fn an_entry_keeps_the_headers_that_an_answer_needs() {
        let headers = map(&[
            ("access-control-allow-origin", "*"),
            ("content-disposition", "attachment"),
            ("set-cookie", "session=1"),
            ("x-seed", "7"),
            ("date", "now"),
        ]);
        let names = |also: &[String]| {
            kept(200, &headers, also).headers.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(&[]), ["access-control-allow-origin", "content-disposition"]);
        assert!(names(&["x-seed".to_owned()]).contains(&"x-seed".to_owned()));
    }
}
