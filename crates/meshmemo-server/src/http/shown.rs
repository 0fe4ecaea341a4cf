//! What clients show the backend of who they are, and whether they may have what was made, and paid for,
//! for somebody.

use axum::http::{HeaderMap, HeaderName, header};
use meshmemo::{Digest, Meta};
use meshmemo_gateway::{BACKEND_AUTHORIZATION, Shown, credentials, credentials_of, is_own_key};

use super::problem::Problem;
use super::session::cookie_name;
use super::state::State;
use crate::access::{Caller, Right};
use crate::config::BackendConfig;

/// The header that is sent to the backend as its `Authorization`: that one is this server's own here.
const HEADER: HeaderName = BACKEND_AUTHORIZATION;

/// Returns what a client of this server's own routes shows the backend.
///
/// # Errors
/// It shows several things, or a key of this server.
pub(super) fn shown(state: &State, headers: &HeaderMap) -> Result<Option<Shown>, Problem> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::bad_request(format!("`{HEADER}` is sent twice")));
    }
    if is_own_key(value) {
        let detail = format!(
            "`{HEADER}` is a key of this server, which is nobody else's affair: send it as \
             `X-Meshmemo-Api-Key`"
        );
        return Err(Problem::bad_request(detail));
    }
    let alone = HeaderMap::from_iter([(header::AUTHORIZATION, value.clone())]);
    let hash = hash(state, &alone).filter(|_| !state.config.backend.shares_credentials());
    Ok(Some(Shown::new(value.clone(), hash)))
}

/// Returns the keyed hash of what a request on the backend's own paths shows of who asks.
pub(super) fn hash(state: &State, headers: &HeaderMap) -> Option<Digest> {
    let only =
        state.backend.gateway().and_then(|it| it.adapter().manner().credential_headers.as_deref());
    let also: Vec<_> = match &state.config.backend {
        BackendConfig::Remote(remote) => {
            remote.routes.0.iter().flat_map(|route| route.credential_headers.clone()).collect()
        }
        BackendConfig::Relief => Vec::new(),
    };
    state.secret.credentials(&credentials(headers, &cookie_name(state), (only, &also)))
}

/// Returns whether a caller that sent these headers may have an entry: what was made for somebody's
/// credentials is for who shows them, and for who administers this server with a key.
pub(super) fn may_have(state: &State, caller: &Caller, headers: &HeaderMap, meta: &Meta) -> bool {
    let Some(needed) = credentials_of(&meta.identity) else { return true };
    let is_operator = caller.key().is_some() && caller.may(Right::Manage);
    if is_operator || state.config.backend.shares_credentials() {
        return true;
    }
    let mut headers = headers.clone();
    // That is this server's own, on these paths.
    headers.remove(header::AUTHORIZATION);
    if let Some(value) = headers.remove(HEADER) {
        headers.insert(header::AUTHORIZATION, value);
    }
    hash(state, &headers) == Some(needed)
}
