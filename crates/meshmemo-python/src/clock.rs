//! The clock of Python's caches: time as the kernel noted it at its last tick.
//!
//! It is a tick behind at most (1 to 10 ms), and takes a quarter of the time to read. What has a time to
//! live is stamped with the exact time, so that it may live a tick longer, and never shorter. Both times are
//! of the same tick, so that the time at which an entry came in does not change from one look
//! to the next.

use meshmemo::Clock;

/// Returns the clock; where the kernel has no such time, it is the system's.
#[cfg(target_os = "linux")]
pub(crate) fn coarse_clock() -> impl Clock {
    linux::CoarseClock
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn coarse_clock() -> impl Clock {
    meshmemo::SystemClock::new()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::time::Duration;

    use meshmemo::Clock;
    use rustix::time::{ClockId, clock_gettime};

    #[derive(Debug)]
    pub(super) struct CoarseClock;

    impl Clock for CoarseClock {
        fn now(&self) -> Duration {
            Duration::try_from(clock_gettime(ClockId::MonotonicCoarse)).unwrap_or_default()
        }

        fn exact(&self) -> Duration {
            Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or_default()
        }

        fn wall(&self) -> Duration {
            Duration::try_from(clock_gettime(ClockId::RealtimeCoarse)).unwrap_or_default()
        }
    }
}
