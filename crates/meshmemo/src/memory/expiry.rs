//! The deadlines of entries, in the order in which they come.
//!
//! An ordered set rather than a heap: an entry that leaves early takes its deadline along, so that
//! nothing stale piles up.

use std::collections::BTreeSet;
use std::time::Duration;

use super::SlotIndex;

#[derive(Debug, Default)]
pub(super) struct Expiry {
    deadlines: BTreeSet<(Duration, SlotIndex)>,
}

impl Expiry {
    pub(super) fn push(&mut self, index: SlotIndex, deadline: Option<Duration>) {
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, index));
        }
    }

    pub(super) fn remove(&mut self, index: SlotIndex, deadline: Option<Duration>) {
        if let Some(deadline) = deadline {
            self.deadlines.remove(&(deadline, index));
        }
    }

    /// Returns the entry whose deadline came first, if it has come: at its deadline an entry is
    /// already over.
    pub(super) fn due(&self, now: Duration) -> Option<SlotIndex> {
        self.deadlines.first().filter(|(deadline, _)| *deadline <= now).map(|(_, index)| *index)
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) fn len(&self) -> usize {
        self.deadlines.len()
    }
}
