//! A circuit breaker: keeps calls away from what fails again and again.

use std::time::Duration;

use crate::limits::{BREAKER_FAILURES, BREAKER_PAUSE};
use crate::sync::Mutex;

/// Opens after so many failures in a row as [`FAILURES`](Self::FAILURES) says; then it lets one call
/// through after each [`PAUSE`](Self::PAUSE), and the first success closes it.
#[derive(Debug, Default)]
pub struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    next_try: Duration,
}

impl Breaker {
    /// How many failures in a row open it.
    pub const FAILURES: u32 = BREAKER_FAILURES;
    /// How long it keeps calls away before it lets one try.
    pub const PAUSE: Duration = BREAKER_PAUSE;

    /// Returns whether a call may go through at a monotonic time.
    pub fn admits(&self, now: Duration) -> bool {
        let mut state = self.state.lock();
        if state.failures < BREAKER_FAILURES {
            return true;
        }
        let is_trial = now >= state.next_try;
        if is_trial {
            state.next_try = now + BREAKER_PAUSE;
        }
        is_trial
    }

    /// Counts the end of a call that was let through.
    pub fn report(&self, is_success: bool, now: Duration) {
        let mut state = self.state.lock();
        if is_success {
            *state = State::default();
        } else {
            state.failures = state.failures.saturating_add(1);
            state.next_try = now + BREAKER_PAUSE;
        }
    }

    /// Returns whether it keeps calls away at a monotonic time: not when a try is due.
    pub fn keeps_away(&self, now: Duration) -> bool {
        let state = self.state.lock();
        state.failures >= BREAKER_FAILURES && now < state.next_try
    }

    /// Returns whether so many calls have failed that it keeps others away, but for tries.
    pub fn is_open(&self) -> bool {
        self.state.lock().failures >= BREAKER_FAILURES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_after_failures_in_a_row_tries_after_the_pause_and_closes_on_success() {
        let breaker = Breaker::default();
        let at = Duration::from_secs;
        for _ in 1..BREAKER_FAILURES {
            breaker.report(false, at(0));
        }
        breaker.report(true, at(0));
        for _ in 0..BREAKER_FAILURES {
            assert!(breaker.admits(at(0)));
            breaker.report(false, at(0));
        }
        assert!(breaker.is_open() && !breaker.admits(at(1)));
        assert!(breaker.admits(BREAKER_PAUSE), "one try");
        assert!(!breaker.admits(BREAKER_PAUSE), "one at a time");
        breaker.report(true, BREAKER_PAUSE);
        assert!(!breaker.is_open() && breaker.admits(BREAKER_PAUSE));
    }
}
