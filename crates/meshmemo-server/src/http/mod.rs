//! The server over HTTP. One request, in the order of the code:
//!
//! 1. `listener.rs`: the connection, its timeouts and its end;
//! 2. `router.rs`: which handler, behind `guard.rs` (who may ask) and `metrics.rs` (how long);
//! 3. `upload.rs`: the body, bounded, and what it asks for; or a handler of `management/`;
//! 4. `generate.rs`: the engine's flow; `batch.rs` and `job.rs` walk it for many, and for later;
//! 5. `answer.rs`: the model with its headers; `models.rs` and `range.rs`: again, by its digest.
//!
//! Where clients speak the protocol of a backend, `doors.rs` tells this server's own paths from the
//! backend's, and `front.rs` answers those.
//!
//! Whatever goes wrong becomes a problem document in `problem.rs`.

mod answer;
mod audit;
mod backends;
mod batch;
mod change;
mod credential;
mod doors;
mod extract;
mod fields;
mod front;
mod generate;
mod guard;
mod health;
mod job;
mod jobs;
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
mod shown;
mod state;
mod upload;

pub use doors::{Doors, doors};
pub(crate) use front::studio::go_on;
pub(crate) use health::{MODEL_NOT_NAMED, Probe};
pub use listener::{Stopped, serve};
pub use measured_tier::MeasuredTier;
pub use metrics::Metrics;
pub use router::routes;
pub use routes::{Needs, Route};
pub(crate) use state::PREFIX;
pub use state::State;
