//! A number of places, of which no more are taken than there are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of places, of which no more are taken than there are.
#[derive(Debug)]
pub(crate) struct Places {
    taken: AtomicUsize,
    max: AtomicUsize,
}

/// A place; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Taken {
    places: Arc<Places>,
}

impl Places {
    pub(crate) fn new(max: usize) -> Self {
        Self { taken: AtomicUsize::new(0), max: AtomicUsize::new(max) }
    }

    /// Returns how many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Returns how many there are.
    pub(crate) fn max(&self) -> usize {
        self.max.load(Ordering::Relaxed)
    }

    /// Sets how many there are from now on; those that are taken stay.
    pub(crate) fn set_max(&self, max: usize) {
        self.max.store(max, Ordering::Relaxed);
    }

    /// Takes a place, if one is left.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Taken> {
        let is_left = |taken: usize| (taken < self.max()).then_some(taken + 1);
        let took = self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, is_left);
        took.is_ok().then(|| Taken { places: Arc::clone(self) })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.places.taken.fetch_sub(1, Ordering::AcqRel);
    }
}
