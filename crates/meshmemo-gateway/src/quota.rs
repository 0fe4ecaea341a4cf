//! How much of the lines in front of backends one caller may take.

use std::sync::Arc;

use crate::places::Places;

/// How many generations of one caller may run or wait at a time, and how many conversions of models
/// to other formats; each for itself, as they wait in lines of their own.
#[derive(Debug)]
pub struct PlaceQuota {
    pub(crate) generations: Arc<Places>,
    pub(crate) derivations: Arc<Places>,
}

impl PlaceQuota {
    /// Allows so many places of each kind; `None` is as many as there are.
    pub fn new(places_max: Option<usize>) -> Self {
        let places = || Arc::new(Places::new(places_max.unwrap_or(usize::MAX)));
        Self { generations: places(), derivations: places() }
    }

    /// Allows so many places from now on; those that are taken stay.
    pub fn set_places_max(&self, places_max: Option<usize>) {
        for places in [&self.generations, &self.derivations] {
            places.set_max(places_max.unwrap_or(usize::MAX));
        }
    }
}
