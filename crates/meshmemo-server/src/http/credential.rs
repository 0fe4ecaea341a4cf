//! Where a request carries its API key.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// The header of keys: this server's own, so that a backend's credentials can go beside it.
pub(super) const API_KEY: HeaderName = HeaderName::from_static("x-meshmemo-api-key");

/// What a request shows of itself.
#[derive(Clone, Copy)]
pub(super) enum Credential<'a> {
    /// A key that the client chose to send.
    Header(&'a str),
    /// A key that a browser sends with every request, whoever made it send one.
    Cookie(&'a str),
}

impl<'a> Credential<'a> {
    /// Finds the key of a request; a header counts before a cookie, and what can not be read is a
    /// key that does not hold.
    pub(super) fn of(headers: &'a HeaderMap, cookie_name: &str) -> Option<Self> {
        let bearer = || bearer(headers.get(header::AUTHORIZATION)?).map(Self::Header);
        let cookie = || cookie(headers, cookie_name).map(Self::Cookie);
        Self::own(headers).or_else(bearer).or_else(cookie)
    }

    /// Finds the key in the header that is for nobody else.
    pub(super) fn own(headers: &'a HeaderMap) -> Option<Self> {
        headers.get(API_KEY).map(readable).map(Self::Header)
    }

    /// Returns what was sent as the key.
    pub(super) fn token(self) -> &'a str {
        match self {
            Self::Header(token) | Self::Cookie(token) => token,
        }
    }
}

fn readable(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or_default().trim()
}

fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = readable(value).split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let pairs = headers.get_all(header::COOKIE).iter().flat_map(|value| readable(value).split(';'));
    let mut named = pairs.filter_map(|pair| pair.trim().split_once('='));
    named.find(|(pair, _)| *pair == name).map(|(_, token)| token).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(headers: &[(HeaderName, &str)]) -> Option<String> {
        let value = |text: &str| HeaderValue::from_bytes(text.as_bytes()).unwrap();
        let mut map = HeaderMap::new();
        for (name, text) in headers {
            map.append(name.clone(), value(text));
        }
        Credential::of(&map, "key-8080").map(|credential| match credential {
            Credential::Header(token) => format!("header {token}"),
            Credential::Cookie(token) => format!("cookie {token}"),
        })
    }

    #[test]
    fn a_key_is_found_wherever_it_may_be() {
        let (bearer, cookie) = (header::AUTHORIZATION, header::COOKIE);
        for (headers, wanted) in [
            (vec![], None),
            (vec![(API_KEY, "a")], Some("header a")),
            (vec![(bearer.clone(), "bearer a")], Some("header a")),
            (vec![(bearer.clone(), "Basic YTpi")], None),
            (vec![(bearer.clone(), "Bearer a"), (API_KEY, "b")], Some("header b")),
            (vec![(cookie.clone(), "x=1; key-8080=a")], Some("cookie a")),
            (vec![(cookie.clone(), "x=1"), (cookie.clone(), "key-8080=a")], Some("cookie a")),
            (vec![(cookie.clone(), "key-8081=a; key-8080=")], None),
            (vec![(cookie, "key-8080=a"), (API_KEY, "b")], Some("header b")),
            (vec![(API_KEY, "\u{e9}")], Some("header ")),
        ] {
            assert_eq!(found(&headers).as_deref(), wanted, "{headers:?}");
        }
    }
}
