//! Whose a path is: this server's own, or the backend's.
//!
//! Where clients speak this server's own protocol, everything is its own. In front of a backend with
//! clients of its own, `/api/cache/` is this server's, and all else of it stands behind [`PREFIX`], so
//! that nothing of the backend is shadowed. Behind the prefix it can be found in either case.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::http::uri::PathAndQuery;
use axum::http::{Request, Uri};
use axum::response::Response;
use axum::routing::future::RouteFuture;
use hyper::body::Incoming;
use tower::Service;

use super::router::{of_backend, own};
use super::state::{PREFIX, State};

/// What stands at the root in any case.
pub(super) const CACHE: &str = "/api/cache/";

/// The services of a server: for its own paths, and for the backend's.
#[derive(Debug, Clone)]
pub struct Doors {
    own: Router,
    of_backend: Option<Router>,
}

/// Returns the services of a server that was put together in `wire.rs`.
pub fn doors(state: &Arc<State>) -> Doors {
    let is_native = state.config.backend.is_native();
    let of_backend = (!is_native).then(|| of_backend(Arc::clone(state)));
    Doors { own: own(Arc::clone(state)), of_backend }
}

impl Service<Request<Incoming>> for Doors {
    type Response = Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Routers are always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Incoming>) -> RouteFuture<Infallible> {
        if let Some(uri) = behind_prefix(request.uri()) {
            *request.uri_mut() = uri;
            return self.own.call(request);
        }
        match &mut self.of_backend {
            Some(of_backend) if !request.uri().path().starts_with(CACHE) => {
                of_backend.call(request)
            }
            _ => self.own.call(request),
        }
    }
}

/// Takes the prefix off a path that has it.
fn behind_prefix(uri: &Uri) -> Option<Uri> {
    let path = uri.path().strip_prefix(PREFIX)?;
    let path = match path {
        "" => "/",
        path if path.starts_with('/') => path,
        _ => return None,
    };
    let path = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path.parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_taken_off_where_it_is_one() {
        let without = |path: &str| behind_prefix(&path.parse().unwrap()).map(|it| it.to_string());
        assert_eq!(without("/-/meshmemo").as_deref(), Some("/"));
        assert_eq!(without("/-/meshmemo/api/health?a=1").as_deref(), Some("/api/health?a=1"));
        assert_eq!(without("/-/meshmemos/api/health"), None);
        assert_eq!(without("/api/health"), None);
    }
}
