//! [`CoarseClock`]: monotonic time as the kernel noted it at its last tick.
//!
//! It is up to 4 ms behind, which no time to live minds, and takes a quarter of the time to read.

use std::time::Duration;

use meshmemo::{Clock, SystemClock};

/// The clock of Python's caches; where the kernel has no such time, the system's.
#[derive(Debug, Default)]
pub(crate) struct CoarseClock(SystemClock);

impl Clock for CoarseClock {
    #[cfg(target_os = "linux")]
    fn now(&self) -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
        Duration::try_from(now).unwrap_or_default()
    }

    #[cfg(not(target_os = "linux"))]
    fn now(&self) -> Duration {
        self.0.now()
    }

    fn wall(&self) -> Duration {
        self.0.wall()
    }
}
