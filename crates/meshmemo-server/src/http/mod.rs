//! The server over HTTP. One request, in the order of the code:
//!
//! 1. `listener.rs`: the connection, its timeouts and its end;
//! 2. `router.rs`: which handler, behind `guard.rs` (who may ask) and `metrics.rs` (how long);
//! 3. `upload.rs`: the body, bounded, and what it asks for; or a handler of `management/`;
//! 4. `generate.rs`: the engine's flow;
//! 5. `answer.rs`: the model with its headers; `models.rs` and `range.rs`: again, by its digest.
//!
//! Whatever goes wrong becomes a problem document in `problem.rs`.

mod answer;
mod audit;
mod change;
mod credential;
mod extract;
mod fields;
mod generate;
mod guard;
mod health;
mod json;
mod linger;
mod listener;
mod management;
mod measured_tier;
mod metrics;
mod models;
mod openapi;
mod origin;
mod page;
mod problem;
mod range;
mod router;
mod routes;
mod session;
mod state;
mod upload;

pub use listener::{Stopped, serve};
pub use measured_tier::MeasuredTier;
pub use metrics::Metrics;
pub use router::{router, routes};
pub use routes::{Needs, Route};
pub use state::State;
