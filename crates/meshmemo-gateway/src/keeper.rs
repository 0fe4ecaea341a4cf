//! Taking slots at backends that other gateways use too: one at a time, for who is first in the line here, so
//! that gateways take turns however many wait at each.
//!
//! Where slots can not be taken, each gateway counts alone: it works at no more than it may by itself.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use meshmemo::{HeldSlot, Slots, Wanted};

use crate::queue::Queue;

/// How often it is looked whether somebody wants a slot whom nothing told of: a backend that was left out is
/// tried again.
const LOOK: Duration = Duration::from_secs(1);

/// What stands for a slot that nobody else counts.
#[derive(Debug)]
struct CountedHere;

impl HeldSlot for CountedHere {}

impl Queue {
    /// Takes slots for who waits, for as long as it is polled; `names` is what the backends are called by all
    /// who use them, in their order.
    pub async fn take_slots(&self, slots: Arc<dyn Slots>, names: Vec<String>) {
        let shared = &self.shared;
        shared.change(|line| line.lanes.iter_mut().for_each(crate::lane::Lane::share));
        let mut is_alone = false;
        loop {
            if self.wanted().is_empty() {
                let _either = tokio::time::timeout(LOOK, shared.has_changed.notified()).await;
                continue;
            }
            let asked = || {
                let wanted = self.wanted().into_iter();
                wanted
                    .map(|(lane, concurrency)| Wanted { name: names[lane].clone(), concurrency })
                    .collect()
            };
            match select(slots.take(&asked), pin!(self.nobody_waits())).await {
                Either::Left((Ok(taken), _)) => {
                    is_alone = false;
                    if let Some(lane) = names.iter().position(|name| *name == taken.name) {
                        shared.grant(lane, taken.held);
                    }
                }
                Either::Left((Err(error), _)) => {
                    if !std::mem::replace(&mut is_alone, true) {
                        tracing::warn!(%error, "what backends do is counted for this gateway alone");
                    }
                    let load = |lane: &usize| shared.lock().lanes[*lane].load();
                    let wanted = self.wanted().into_iter().map(|(lane, _)| lane);
                    if let Some(lane) = wanted.min_by_key(load) {
                        shared.grant(lane, Box::new(CountedHere));
                    }
                }
                Either::Right(((), _)) => {}
            }
        }
    }

    /// Lists at which backends somebody would begin, and how much each does at a time.
    fn wanted(&self) -> Vec<(usize, usize)> {
        let line = self.shared.lock();
        let wanted = line.wanted(self.shared.now());
        wanted.into_iter().map(|lane| (lane, line.lanes[lane].concurrency())).collect()
    }

    /// Waits until nobody would begin anywhere.
    async fn nobody_waits(&self) {
        while !self.wanted().is_empty() {
            let _either = tokio::time::timeout(LOOK, self.shared.has_changed.notified()).await;
        }
    }
}
