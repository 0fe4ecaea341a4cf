//! What stands between a request and the backend that answers it.
//!
//! [`Queue`] protects a backend: so many at a time, so many in line, the rest is told to come back.
//! [`Relief`] is the embedded backend; [`ReliefGeneration`] binds one photo to it, as the engine's
//! [`Generation`](meshmemo::Generation).
#![forbid(unsafe_code)]

mod queue;
mod relief;

pub use queue::{Place, Queue};
pub use relief::{Relief, ReliefGeneration, ReliefOptions};
