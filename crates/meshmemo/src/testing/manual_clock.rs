//! A clock that stands until it is turned.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::sync::Mutex;

/// A clock whose monotonic and wall time move only when a test says so; clones share it.
#[derive(Debug, Clone)]
pub struct ManualClock {
    times: Arc<Mutex<Times>>,
}

#[derive(Debug)]
struct Times {
    now: Duration,
    wall: Duration,
}

impl ManualClock {
    /// Makes a clock that stands at a monotonic time of 1,000 s and a wall time in 2026.
    pub fn new() -> Self {
        let times =
            Times { now: Duration::from_secs(1_000), wall: Duration::from_secs(1_790_000_000) };
        Self { times: Arc::new(Mutex::new(times)) }
    }

    /// Lets time pass on both scales.
    pub fn advance(&self, duration: Duration) {
        let mut times = self.times.lock();
        times.now += duration;
        times.wall += duration;
    }

    /// Sets the wall time, forwards or back, as an operator may.
    pub fn set_wall(&self, wall: Duration) {
        self.times.lock().wall = wall;
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        self.times.lock().now
    }

    fn wall(&self) -> Duration {
        self.times.lock().wall
    }
}
