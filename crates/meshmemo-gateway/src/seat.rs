//! A seat at a backend, and the wait for one; dropping either gives it back.

use std::sync::Arc;

use meshmemo::HeldSlot;
use tokio::sync::oneshot;

use crate::queue::Shared;

/// What is taken of a lane; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) shared: Arc<Shared>,
    pub(crate) lane: usize,
    /// What others see of it.
    pub(crate) slot: Option<Box<dyn HeldSlot>>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let lane = self.lane;
        self.shared.change(|line| line.lanes[lane].end());
        drop(self.slot.take());
    }
}

/// Stands in the line; dropping it leaves the line, and gives back what it was called to.
pub(crate) struct Standing {
    pub(crate) shared: Arc<Shared>,
    pub(crate) number: u64,
    pub(crate) called: oneshot::Receiver<Seat>,
}

impl Drop for Standing {
    fn drop(&mut self) {
        let left = self.shared.lock().leave(self.number);
        drop(left);
    }
}
