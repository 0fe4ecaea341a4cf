//! Every request as it arrived, of every route.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, Request, Uri};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::proxied::MIRROR;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// The path with its query.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
}

/// All requests so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Requests {
    noted: Arc<Mutex<Vec<Seen>>>,
}

impl Requests {
    /// Notes a request, and hands it on. Its body has arrived then, except where it is streamed.
    pub(super) async fn note(
        &self,
        request: Request<Incoming>,
    ) -> Result<Request<Body>, hyper::Error> {
        let (head, body) = request.into_parts();
        self.noted.lock().unwrap().push(Seen {
            method: head.method.as_str().to_owned(),
            path: path(&head.uri).to_owned(),
            headers: head.headers.clone(),
        });
        if head.uri.path() == MIRROR {
            return Ok(Request::from_parts(head, Body::new(body)));
        }
        let body = body.collect().await?.to_bytes();
        Ok(Request::from_parts(head, Body::from(body)))
    }

    /// Returns all requests, in the order in which they arrived.
    pub(super) fn all(&self) -> Vec<Seen> {
        self.noted.lock().unwrap().clone()
    }
}

/// Returns the path of a URI with its query.
pub(super) fn path(uri: &Uri) -> &str {
    uri.path_and_query().map_or("", PathAndQuery::as_str)
}
