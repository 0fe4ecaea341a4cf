//! What one who does not speak the backend's protocol shows the backend of who it is.

use http::HeaderValue;
use meshmemo::Digest;

/// What is shown to the backend as `Authorization`.
#[derive(Debug, Clone)]
pub struct Shown {
    pub(crate) authorization: HeaderValue,
    /// Its keyed hash, as that of a client of the backend's own which shows nothing else; nothing where
    /// what is made is everybody's.
    pub(crate) hash: Option<Digest>,
}

impl Shown {
    /// Takes what is to be the `Authorization` of requests, and its keyed hash.
    pub fn new(mut authorization: HeaderValue, hash: Option<Digest>) -> Self {
        authorization.set_sensitive(true);
        Self { authorization, hash }
    }
}
