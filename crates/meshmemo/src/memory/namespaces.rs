//! What of the whole belongs to each namespace, and what share of it that may be.
//!
//! A namespace is known for as long as it has items or a share: nothing is left of one that had
//! items once.

use std::collections::HashMap;
use std::sync::Arc;

use slab::Slab;

use super::SlotIndex;
use super::lru::{Links, Lru};

/// What a namespace has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Holding {
    /// Items there are.
    pub entries: usize,
    /// What they weigh together.
    pub bytes: u64,
    /// What they may weigh together; `None` is as much as all.
    pub share_bytes: Option<u64>,
}

/// The place of a namespace, for as long as an item of it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(usize);

impl Holding {
    /// Returns what they may weigh together where all may weigh `max_bytes`.
    pub fn max_bytes(&self, max_bytes: u64) -> u64 {
        self.share_bytes.unwrap_or(u64::MAX).min(max_bytes)
    }
}

#[derive(Debug)]
struct Namespace {
    name: Arc<str>,
    holding: Holding,
    lru: Lru,
}

#[derive(Debug, Default)]
pub(super) struct Namespaces {
    places: HashMap<Arc<str>, Place>,
    known: Slab<Namespace>,
    links: Links,
}

impl Namespaces {
    /// Returns what a namespace has: nothing, where it is not known.
    pub(super) fn holding(&self, name: &str) -> Holding {
        self.places.get(name).map(|place| self.known[place.0].holding).unwrap_or_default()
    }

    /// Lists the namespaces that are known.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, Holding)> {
        self.known.iter().map(|(_, namespace)| (&namespace.name, namespace.holding))
    }

    /// Lists the items of a namespace, the most recently used first.
    pub(super) fn items(&self, name: &str) -> impl Iterator<Item = SlotIndex> {
        let place = self.places.get(name);
        place.into_iter().flat_map(|place| self.known[place.0].lru.iter(&self.links))
    }

    /// Returns the least recently used item of a namespace.
    pub(super) fn victim(&self, name: &str) -> Option<SlotIndex> {
        self.known[self.places.get(name)?.0].lru.victim()
    }

    /// Adds an item.
    pub(super) fn push(&mut self, name: &Arc<str>, index: SlotIndex, bytes: u64) -> Place {
        let place = self.place(name);
        let Self { known, links, .. } = self;
        let namespace = &mut known[place.0];
        namespace.lru.push(links, index);
        namespace.holding.entries += 1;
        namespace.holding.bytes += bytes;
        place
    }

    /// Makes an item the most recently used of its namespace.
    pub(super) fn touch(&mut self, place: Place, index: SlotIndex) {
        self.known[place.0].lru.touch(&mut self.links, index);
    }

    /// Removes an item.
    pub(super) fn remove(&mut self, place: Place, index: SlotIndex, bytes: u64) {
        let Self { known, links, .. } = self;
        let namespace = &mut known[place.0];
        namespace.lru.remove(links, index);
        namespace.holding.entries -= 1;
        namespace.holding.bytes -= bytes;
        self.forget_if_idle(place);
    }

    /// Sets the share of every namespace: of those that are not named, none.
    pub(super) fn set_shares(&mut self, shares: &HashMap<Arc<str>, u64>) {
        for name in shares.keys() {
            self.place(name);
        }
        let places: Vec<_> = self.places.values().copied().collect();
        for place in places {
            let namespace = &mut self.known[place.0];
            namespace.holding.share_bytes = shares.get(&namespace.name).copied();
            self.forget_if_idle(place);
        }
    }

    fn place(&mut self, name: &Arc<str>) -> Place {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let name = Arc::clone(name);
        let (holding, lru) = (Holding::default(), Lru::default());
        let namespace = Namespace { name: Arc::clone(&name), holding, lru };
        let place = Place(self.known.insert(namespace));
        self.places.insert(name, place);
        place
    }

    fn forget_if_idle(&mut self, place: Place) {
        let Holding { entries, share_bytes, .. } = self.known[place.0].holding;
        if entries == 0 && share_bytes.is_none() {
            let namespace = self.known.remove(place.0);
            self.places.remove(&namespace.name);
        }
    }
}
