//! What a client of this server's own routes shows the backend of who it is, and whether it may have what
//! was made, and paid for, for somebody.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use meshmemo::Meta;
use meshmemo_gateway::{BACKEND_AUTHORIZATION, Shown, credentials_of};

use super::problem::Problem;
use super::state::State;
use crate::config::{BackendConfig, Credentials};

/// The header that is sent to the backend as its `Authorization`: that one is this server's own here.
pub(super) const HEADER: HeaderName = BACKEND_AUTHORIZATION;

/// Returns what a client shows the backend.
///
/// # Errors
/// It shows several things.
pub(super) fn shown(state: &State, headers: &HeaderMap) -> Result<Option<Shown>, Problem> {
    let mut values = headers.get_all(HEADER).iter();
    let shown = |value: &HeaderValue| Shown::new(value.clone(), &state.secret, is_shared(state));
    let shown = values.next().map(shown);
    match values.next() {
        None => Ok(shown),
        Some(_) => Err(Problem::bad_request(format!("`{HEADER}` is sent twice"))),
    }
}

/// Returns whether clients with different credentials share what is kept.
pub(super) fn is_shared(state: &State) -> bool {
    match &state.config.backend {
        BackendConfig::Remote(remote) => remote.credentials == Credentials::Share,
        BackendConfig::Relief => true,
    }
}

/// Returns whether a client that sent these headers may have an entry: what was made for somebody's
/// credential is for who shows it, and for nobody else.
pub(super) fn may_have(state: &State, headers: &HeaderMap, meta: &Meta) -> bool {
    match credentials_of(&meta.identity) {
        Some(needed) if !is_shared(state) => {
            let values = headers.get_all(HEADER).iter();
            let hash = |value: &HeaderValue| Shown::new(value.clone(), &state.secret, false).hash;
            values.map(hash).any(|hash| hash == Some(needed))
        }
        _ => true,
    }
}
