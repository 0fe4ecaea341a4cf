//! One of the backends behind a queue, as the queue sees it: how much it does, and whether it is to be
//! given more. Pure but for its breaker.

use std::time::Duration;

use meshmemo::{Breaker, Error, ErrorKind, Result};

/// A backend, as the queue in front of it sees it.
#[derive(Debug)]
pub(crate) struct Lane {
    concurrency: usize,
    working: usize,
    /// When it was last given work, in the order of all such times.
    last_begun: u64,
    is_drained: bool,
    is_reachable: bool,
    breaker: Breaker,
    counts: LaneCounts,
}

/// What has become of the work of a backend.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LaneCounts {
    /// Generations that ended well.
    pub done: u64,
    /// Generations that failed for its sake, those included that it never got to know of.
    pub failed: u64,
    /// Generations that went on to another backend, as this one had not begun them.
    pub moved_on: u64,
}

/// How a backend stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneView {
    /// How many generations it works at.
    pub working: usize,
    /// How many it may work at.
    pub concurrency: usize,
    /// Whether it is given no more.
    pub is_drained: bool,
    /// Whether it accepted the last connection.
    pub is_reachable: bool,
    /// Whether it has failed so often in a row that others are preferred.
    pub is_breaker_open: bool,
    /// What has become of its work.
    pub counts: LaneCounts,
}

/// What a piece of work says of the backend that did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is well.
    Well,
    /// It has failed.
    Failed,
    /// It accepts no connection.
    Unreachable,
    /// Nothing: what was wrong was the request, or its quota.
    Nothing,
}

impl Verdict {
    /// Says what the end of a piece of work says of who did it.
    pub(crate) fn of<T>(ended: &Result<T>) -> Self {
        match ended.as_ref().map_err(Error::kind) {
            Ok(_) => Self::Well,
            Err(ErrorKind::BackendFailed | ErrorKind::BackendTimeout) => Self::Failed,
            Err(_) => Self::Nothing,
        }
    }
}

impl Lane {
    pub(crate) fn new(concurrency: usize) -> Self {
        Self {
            concurrency,
            working: 0,
            last_begun: 0,
            is_drained: false,
            is_reachable: true,
            breaker: Breaker::default(),
            counts: LaneCounts::default(),
        }
    }

    /// Returns whether it has room for one more.
    pub(crate) fn is_free(&self) -> bool {
        self.working < self.concurrency
    }

    /// Returns whether it is given work at all.
    pub(crate) fn is_in_use(&self) -> bool {
        !self.is_drained
    }

    /// Returns whether nothing speaks against it.
    pub(crate) fn is_well(&self) -> bool {
        self.is_reachable && !self.breaker.is_open()
    }

    /// Returns whether it may be given work now; of one that has failed too often, a trial counts as
    /// begun then.
    pub(crate) fn admits(&self, now: Duration) -> bool {
        self.is_reachable && self.breaker.admits(now)
    }

    /// Orders lanes: the least busy one first, and of those the one that was given work least recently.
    pub(crate) fn load(&self) -> (usize, u64) {
        (self.working, self.last_begun)
    }

    pub(crate) fn begin(&mut self, at: u64) {
        self.working += 1;
        self.last_begun = at;
    }

    pub(crate) fn end(&mut self) {
        self.working -= 1;
    }

    /// Learns from a piece of work.
    pub(crate) fn report(&mut self, verdict: Verdict, now: Duration) {
        match verdict {
            Verdict::Well => {
                self.counts.done += 1;
                self.is_reachable = true;
                self.breaker.report(true, now);
            }
            Verdict::Failed => {
                self.counts.failed += 1;
                self.is_reachable = true;
                self.breaker.report(false, now);
            }
            Verdict::Unreachable => {
                self.counts.failed += 1;
                self.is_reachable = false;
            }
            Verdict::Nothing => {}
        }
    }

    pub(crate) fn note_moved_on(&mut self) {
        self.counts.moved_on += 1;
    }

    pub(crate) fn set_drained(&mut self, is_drained: bool) {
        self.is_drained = is_drained;
    }

    /// Notes whether it accepts connections; returns whether that is news.
    pub(crate) fn set_reachable(&mut self, is_reachable: bool) -> bool {
        std::mem::replace(&mut self.is_reachable, is_reachable) != is_reachable
    }

    pub(crate) fn view(&self) -> LaneView {
        LaneView {
            working: self.working,
            concurrency: self.concurrency,
            is_drained: self.is_drained,
            is_reachable: self.is_reachable,
            is_breaker_open: self.breaker.is_open(),
            counts: self.counts,
        }
    }
}
