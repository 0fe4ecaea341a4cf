//! Where time comes from.
//!
//! Nothing in the crate reads the operating system's clocks but [`SystemClock`]: expiry in memory
//! counts monotonic time, what outlives the process counts wall time, and tests turn both by hand.

use std::fmt::Debug;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A source of monotonic and of wall time.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Returns the time since an origin of the clock's own; it never goes back.
    fn now(&self) -> Duration;

    /// Returns the same time as exactly as it can be told, for what is not to end early; a clock that is
    /// exact has nothing to add.
    fn exact(&self) -> Duration {
        self.now()
    }

    /// Returns the time since the Unix epoch; it may be set back by the operator.
    fn wall(&self) -> Duration;
}

/// The clocks of the operating system.
#[derive(Debug, Clone)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// Makes a clock whose monotonic time starts now.
    #[expect(clippy::disallowed_methods, reason = "this is the clock that all others ask")]
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock that all others ask")]
    fn wall(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}
