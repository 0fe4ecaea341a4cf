//! What one who does not speak the backend's protocol shows the backend of who it is.

use http::{HeaderMap, HeaderValue, header};
use meshmemo::Digest;

use crate::headers::credentials;
use crate::job_id::Secret;

/// What one who does not speak the backend's protocol shows the backend.
#[derive(Debug, Clone)]
pub struct Shown {
    pub(crate) authorization: HeaderValue,
    /// Its keyed hash: that of a client of the backend's own which shows nothing else. Nothing where
    /// what is made is everybody's.
    pub hash: Option<Digest>,
}

impl Shown {
    /// Takes what is to be the `Authorization` of requests.
    pub fn new(mut authorization: HeaderValue, secret: &Secret, is_shared: bool) -> Self {
        authorization.set_sensitive(true);
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, authorization.clone())]);
        let shown = credentials(&headers, "", &[]);
        let hash = (!is_shared).then(|| secret.credentials(&shown)).flatten();
        Self { authorization, hash }
    }
}
