//! What stands between a request and the backend that answers it.
//!
//! [`Queue`] protects a backend: so many at a time, so many in line, the rest is told to come back.
//! [`PlaceQuota`] bounds what one caller takes of it. [`Relief`] is the embedded backend;
//! [`ReliefGeneration`] binds one photo to it, as the engine's [`Generation`](meshmemo::Generation).
#![forbid(unsafe_code)]

mod places;
mod queue;
mod quota;
mod relief;

pub use queue::{Place, Queue};
pub use quota::PlaceQuota;
pub use relief::{Asked, Relief, ReliefGeneration, ReliefOptions};
