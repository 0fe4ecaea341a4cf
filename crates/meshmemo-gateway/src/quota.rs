//! How much of a line one caller may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many places in the lines of backends one caller may have at a time, working or waiting.
#[derive(Debug)]
pub struct PlaceQuota {
    taken: AtomicUsize,
    places_max: AtomicUsize,
}

/// One of a caller's places; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Taken {
    quota: Arc<PlaceQuota>,
}

impl PlaceQuota {
    /// Allows so many places.
    pub fn new(places_max: usize) -> Self {
        Self { taken: AtomicUsize::new(0), places_max: AtomicUsize::new(places_max) }
    }

    /// Returns how many places are allowed.
    pub fn places_max(&self) -> usize {
        self.places_max.load(Ordering::Relaxed)
    }

    /// Allows so many places from now on; those that are taken stay.
    pub fn set_places_max(&self, places_max: usize) {
        self.places_max.store(places_max, Ordering::Relaxed);
    }

    /// Takes a place, if one is left.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Taken> {
        let taken = Taken { quota: Arc::clone(self) };
        let before = self.taken.fetch_add(1, Ordering::AcqRel);
        (before < self.places_max()).then_some(taken)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.quota.taken.fetch_sub(1, Ordering::AcqRel);
    }
}
