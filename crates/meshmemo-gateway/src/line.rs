//! Who waits for a backend, in their order, and who may work at which: pure, under the queue's lock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::lane::Lane;

/// Who waits, in their order, and for what.
#[derive(Debug)]
pub(crate) struct Line<S> {
    pub(crate) lanes: Vec<Lane>,
    waiting: BTreeMap<u64, Waiting<S>>,
    numbers: u64,
    begun: u64,
}

/// Somebody in the line.
#[derive(Debug)]
struct Waiting<S> {
    turn: oneshot::Sender<S>,
    /// The backends that are out of the question.
    tried: Vec<usize>,
}

/// Where somebody may work.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Now, there.
    Now(usize),
    /// Later.
    Later,
    /// Nowhere: no backend is in use.
    Never,
}

impl<S> Line<S> {
    pub(crate) fn new(lanes: Vec<Lane>) -> Self {
        Self { lanes, waiting: BTreeMap::new(), numbers: 0, begun: 0 }
    }

    /// Returns how many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Returns how many wait before somebody.
    pub(crate) fn ahead_of(&self, number: u64) -> usize {
        self.waiting.range(..number).count()
    }

    /// Has somebody wait under a number.
    pub(crate) fn stand(&mut self, number: u64, turn: oneshot::Sender<S>, tried: &[usize]) {
        self.waiting.insert(number, Waiting { turn, tried: tried.to_vec() });
    }

    /// Lets somebody go who waits; what was to call them is to be dropped where nothing is locked.
    pub(crate) fn leave(&mut self, number: u64) -> Option<oneshot::Sender<S>> {
        self.waiting.remove(&number).map(|waiting| waiting.turn)
    }

    /// Returns the number of who comes next.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Finds a backend, and begins there.
    pub(crate) fn begin(&mut self, tried: &[usize], now: Duration) -> Turn {
        let is_open = |(index, lane): &(usize, &Lane)| lane.is_in_use() && !tried.contains(index);
        let mut open: Vec<(usize, &Lane)> = self.lanes.iter().enumerate().filter(is_open).collect();
        if open.is_empty() {
            return Turn::Never;
        }
        open.sort_by_key(|(_, lane)| lane.load());
        let has_well = open.iter().any(|(_, lane)| lane.is_well(now));
        let mut free = open.iter().filter(|(_, lane)| lane.is_free());
        let found = free.clone().find(|(_, lane)| lane.admits(now));
        let found = if has_well { found } else { found.or_else(|| free.next()) };
        let Some((index, _)) = found else { return Turn::Later };
        let index = *index;
        self.begun += 1;
        self.lanes[index].begin(self.begun);
        Turn::Now(index)
    }

    /// Returns whether somebody who came now would not have to wait.
    pub(crate) fn has_room(&self, now: Duration) -> bool {
        let in_use = || self.lanes.iter().filter(|lane| lane.is_in_use());
        let has_well = in_use().any(|lane| lane.is_well(now));
        in_use().any(|lane| lane.room() > 0 && (lane.is_well(now) || !has_well))
    }

    /// Returns how many of those who wait do so only until a slot is taken for them.
    pub(crate) fn room_ahead(&self) -> usize {
        let shared = self.lanes.iter().filter(|lane| lane.is_in_use() && lane.is_shared());
        shared.map(Lane::room).sum()
    }

    /// Lists the backends at which somebody who waits would begin, if there were a slot.
    pub(crate) fn wanted(&self, now: Duration) -> Vec<usize> {
        let mut wanted = BTreeSet::new();
        let mut seen: Vec<&[usize]> = Vec::new();
        for waiting in self.waiting.values() {
            // All who may work at the same backends want the same.
            if seen.contains(&&*waiting.tried) {
                continue;
            }
            seen.push(&waiting.tried);
            let open = || {
                let lanes = self.lanes.iter().enumerate();
                lanes.filter(|(index, lane)| lane.is_in_use() && !waiting.tried.contains(index))
            };
            let has_well = open().any(|(_, lane)| lane.is_well(now));
            let begins = |lane: &Lane| lane.room() > 0 && (lane.would_admit(now) || !has_well);
            wanted.extend(open().filter(|(_, lane)| begins(lane)).map(|(index, _)| index));
        }
        wanted.into_iter().collect()
    }

    /// Lets in who may work now, in the order of the line, and sends away who may nowhere.
    pub(crate) fn let_in(&mut self, now: Duration) -> Vec<(oneshot::Sender<S>, Turn)> {
        let numbers: Vec<u64> = self.waiting.keys().copied().collect();
        let (mut called, mut must_wait) = (Vec::new(), false);
        for number in numbers {
            let Some(tried) = self.waiting.get(&number).map(|waiting| waiting.tried.clone()) else {
                continue;
            };
            // Where one must wait who may work anywhere, all others like it must.
            if must_wait && tried.is_empty() {
                continue;
            }
            match self.begin(&tried, now) {
                Turn::Later if !self.lanes.iter().any(Lane::is_free) => break,
                Turn::Later => must_wait |= tried.is_empty(),
                turn => called.extend(self.leave(number).map(|it| (it, turn))),
            }
        }
        called
    }
}
