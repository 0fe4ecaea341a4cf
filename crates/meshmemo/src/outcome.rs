//! How a request was answered.

use std::sync::Arc;
use std::time::Duration;

use crate::entry::Stored;

/// The answer to a request.
#[derive(Debug, Clone)]
pub struct Served {
    /// The model, open for reading.
    pub stored: Arc<dyn Stored>,
    /// How it came.
    pub outcome: Outcome,
    /// How long it took.
    pub timings: Timings,
}

/// How an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// From a tier, without a wait for a generation.
    Hit {
        /// The tier's name.
        tier: &'static str,
    },
    /// From another variant in the cache, without a generation.
    Derived,
    /// From a generation that this request began.
    Miss {
        /// Whether it is kept: as durable as configured.
        is_stored: bool,
    },
    /// From a generation that another request began.
    Coalesced,
    /// From a generation, because the request did not want the cache.
    Bypass {
        /// Whether it is kept: as durable as configured.
        is_stored: bool,
    },
}

impl Outcome {
    /// Returns the outcome's name as statistics and metrics show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit { .. } | Self::Derived => "hit",
            Self::Miss { .. } => "miss",
            Self::Coalesced => "coalesced",
            Self::Bypass { .. } => "bypass",
        }
    }
}

/// Where the time of an answer went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// From the request to the answer, without what follows.
    pub lookup: Duration,
    /// In the backend's queue.
    pub queue: Duration,
    /// In the backend.
    pub generate: Duration,
}
