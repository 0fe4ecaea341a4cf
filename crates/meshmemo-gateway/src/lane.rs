//! One of the backends behind a queue, as the queue sees it: how much it does, and whether it is to be
//! given more. Pure but for its breaker, whose lock is taken under the queue's and holds nothing.

use std::time::Duration;

use meshmemo::{Breaker, Error, ErrorKind, Result};

/// How long a backend that has declined work is left out at most, whatever it says.
const DECLINES_MAX: Duration = Duration::from_secs(30);

/// A backend, as the queue in front of it sees it.
#[derive(Debug)]
pub(crate) struct Lane {
    concurrency: usize,
    working: usize,
    /// Slots that were taken for it and that nobody works in yet, where others count what it does too.
    granted: Option<usize>,
    /// When it was last given work, in the order of all such times.
    last_begun: u64,
    is_drained: bool,
    /// Why it accepts no connection, if it does not.
    trouble: Option<String>,
    /// Until when it wants no more.
    declines_until: Duration,
    breaker: Breaker,
    counts: LaneCounts,
}

/// What has become of the work of a backend.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LaneCounts {
    /// Generations that ended well.
    pub done: u64,
    /// Generations that failed for its sake.
    pub failed: u64,
    /// Generations that went on to another backend, as this one had not begun them.
    pub moved_on: u64,
}

/// How a backend stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneView {
    /// How many generations it works at.
    pub working: usize,
    /// How many it may work at.
    pub concurrency: usize,
    /// Whether it is given no more.
    pub is_drained: bool,
    /// Why it accepts no connection, if it does not.
    pub trouble: Option<String>,
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
    /// It wants no more for so long.
    Declines(Duration),
    /// Nothing: what was wrong was the request, or its quota.
    Nothing,
}

impl Verdict {
    /// Says what the end of a piece of work says of who did it.
    pub(crate) fn of<T>(ended: &Result<T>) -> Self {
        match ended.as_ref().map_err(Error::kind) {
            Ok(_) => Self::Well,
            Err(ErrorKind::BackendFailed | ErrorKind::BackendTimeout) => Self::Failed,
            Err(ErrorKind::Busy { retry_after }) => Self::Declines(retry_after),
            Err(_) => Self::Nothing,
        }
    }
}

impl Lane {
    pub(crate) fn new(concurrency: usize) -> Self {
        Self {
            concurrency,
            working: 0,
            granted: None,
            last_begun: 0,
            is_drained: false,
            trouble: None,
            declines_until: Duration::ZERO,
            breaker: Breaker::default(),
            counts: LaneCounts::default(),
        }
    }

    /// Returns whether one more may begin.
    pub(crate) fn is_free(&self) -> bool {
        self.granted.map_or(self.room() > 0, |granted| granted > 0)
    }

    /// Returns how many more it has room for, as far as is counted here.
    pub(crate) fn room(&self) -> usize {
        self.concurrency.saturating_sub(self.working + self.granted.unwrap_or_default())
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.granted.is_some()
    }

    pub(crate) fn concurrency(&self) -> usize {
        self.concurrency
    }

    /// From now on, only who was granted a slot may begin.
    pub(crate) fn share(&mut self) {
        self.granted.get_or_insert(0);
    }

    /// Notes that a slot was taken for it.
    pub(crate) fn grant(&mut self) {
        self.granted = self.granted.map(|granted| granted + 1);
    }

    /// Takes back a slot that nobody works in; returns whether there was one.
    pub(crate) fn revoke(&mut self) -> bool {
        let left = self.granted.and_then(|granted| granted.checked_sub(1));
        self.granted = left.or(self.granted);
        left.is_some()
    }

    /// Returns whether it is given work at all.
    pub(crate) fn is_in_use(&self) -> bool {
        !self.is_drained
    }

    /// Returns whether nothing speaks against it.
    pub(crate) fn is_well(&self, now: Duration) -> bool {
        self.trouble.is_none() && self.declines_until <= now && !self.breaker.is_open()
    }

    /// Returns whether it may be given work now; of one that has failed too often, a trial counts as
    /// begun then.
    pub(crate) fn admits(&self, now: Duration) -> bool {
        self.trouble.is_none() && self.declines_until <= now && self.breaker.admits(now)
    }

    /// Returns whether it would be given work, if somebody had some.
    pub(crate) fn would_admit(&self, now: Duration) -> bool {
        self.trouble.is_none() && self.declines_until <= now && !self.breaker.keeps_away(now)
    }

    /// Orders lanes: the least busy one first, and of those the one that was given work least recently.
    pub(crate) fn load(&self) -> (usize, u64) {
        (self.working, self.last_begun)
    }

    pub(crate) fn begin(&mut self, at: u64) {
        self.revoke();
        self.working += 1;
        self.last_begun = at;
    }

    pub(crate) fn end(&mut self) {
        self.working -= 1;
    }

    /// Learns from a piece of work that it was given.
    pub(crate) fn report(&mut self, verdict: Verdict, now: Duration) {
        match verdict {
            Verdict::Well => {
                self.counts.done += 1;
                self.declines_until = Duration::ZERO;
                self.breaker.report(true, now);
            }
            Verdict::Failed => self.breaker.report(false, now),
            Verdict::Declines(pause) => self.declines_until = now + pause.min(DECLINES_MAX),
            Verdict::Nothing => {}
        }
    }

    /// Counts a piece of work that has failed here, and went on nowhere.
    pub(crate) fn count_failed(&mut self) {
        self.counts.failed += 1;
    }

    /// Counts a piece of work that went on elsewhere.
    pub(crate) fn count_moved_on(&mut self) {
        self.counts.moved_on += 1;
    }

    pub(crate) fn set_drained(&mut self, is_drained: bool) {
        self.is_drained = is_drained;
    }

    /// Notes why it accepts no connection, or that it does; returns whether that is news.
    pub(crate) fn set_trouble(&mut self, trouble: Option<String>) -> bool {
        let is_news = self.trouble.is_some() != trouble.is_some();
        self.trouble = trouble;
        is_news
    }

    pub(crate) fn view(&self) -> LaneView {
        LaneView {
            working: self.working,
            concurrency: self.concurrency,
            is_drained: self.is_drained,
            trouble: self.trouble.clone(),
            is_breaker_open: self.breaker.is_open(),
            counts: self.counts,
        }
    }
}
