//! Routes, each with what it asks of its caller: there is no way to add one without.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, on};

use super::guard;
use super::state::State;
use crate::access::Right;
use crate::limits::MANAGEMENT_BODY_MAX_BYTES;

/// What a route asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: it tells nothing of what is in the cache.
    Nothing,
    /// That they may do this.
    Right(Right),
    /// That they may use the backend, whose own affair all else is.
    Backend,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Its method; `GET` is `HEAD` too.
    pub method: Method,
    /// Its path, with names for its variable parts.
    pub path: &'static str,
    /// What it asks of its caller.
    pub needs: Needs,
}

/// Routes on their way to become a router.
#[derive(Debug, Default)]
pub(super) struct Routes {
    router: Router<Arc<State>>,
    pub(super) all: Vec<Route>,
}

impl Routes {
    pub(super) fn get<H: Handler<T, Arc<State>>, T: 'static>(
        self,
        path: &'static str,
        needs: Needs,
        handler: H,
    ) -> Self {
        self.on((Method::GET, MethodFilter::GET), path, needs, handler)
    }

    pub(super) fn post<H: Handler<T, Arc<State>>, T: 'static>(
        self,
        path: &'static str,
        needs: Needs,
        handler: H,
    ) -> Self {
        self.on((Method::POST, MethodFilter::POST), path, needs, handler)
    }

    pub(super) fn delete<H: Handler<T, Arc<State>>, T: 'static>(
        self,
        path: &'static str,
        needs: Needs,
        handler: H,
    ) -> Self {
        self.on((Method::DELETE, MethodFilter::DELETE), path, needs, handler)
    }

    fn on<H: Handler<T, Arc<State>>, T: 'static>(
        mut self,
        (method, filter): (Method, MethodFilter),
        path: &'static str,
        needs: Needs,
        handler: H,
    ) -> Self {
        let guarded = on(filter, handler).route_layer(from_fn_with_state(needs, guard::check));
        self.router = self.router.route(path, guarded);
        self.all.push(Route { method, path, needs });
        self
    }

    /// Returns the router. Bodies that are read whole before they are looked at are short.
    pub(super) fn router(self) -> Router<Arc<State>> {
        self.router.layer(DefaultBodyLimit::max(MANAGEMENT_BODY_MAX_BYTES))
    }
}
