//! The exact order of use: a doubly linked list over indices, without pointers.
//!
//! Links stand in a vector beside the slab, so that the list needs no unsafe code and moves no item.

use super::SlotIndex;

const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Link {
    newer: u32,
    older: u32,
}

#[derive(Debug)]
pub(super) struct Lru {
    links: Vec<Link>,
    newest: u32,
    oldest: u32,
}

impl Default for Lru {
    fn default() -> Self {
        Self { links: Vec::new(), newest: NONE, oldest: NONE }
    }
}

impl Lru {
    /// Adds an index that is not in, as the most recently used.
    pub(super) fn push(&mut self, index: SlotIndex) {
        if index.to_slab() >= self.links.len() {
            self.links.resize(index.to_slab() + 1, Link { newer: NONE, older: NONE });
        }
        self.links[index.to_slab()] = Link { newer: NONE, older: self.newest };
        match self.newest {
            NONE => self.oldest = index.0,
            newest => self.links[newest as usize].newer = index.0,
        }
        self.newest = index.0;
    }

    /// Makes an index the most recently used.
    pub(super) fn touch(&mut self, index: SlotIndex) {
        if self.newest != index.0 {
            self.remove(index);
            self.push(index);
        }
    }

    pub(super) fn remove(&mut self, index: SlotIndex) {
        let Link { newer, older } = self.links[index.to_slab()];
        match newer {
            NONE => self.newest = older,
            newer => self.links[newer as usize].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.links[older as usize].newer = newer,
        }
    }

    /// Returns the least recently used.
    pub(super) fn victim(&self) -> Option<SlotIndex> {
        (self.oldest != NONE).then_some(SlotIndex(self.oldest))
    }

    /// Lists all indices, the most recently used first.
    pub(super) fn iter(&self) -> impl Iterator<Item = SlotIndex> {
        let mut next = self.newest;
        std::iter::from_fn(move || {
            let index = (next != NONE).then_some(SlotIndex(next))?;
            next = self.links[index.to_slab()].older;
            Some(index)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_follows_use() {
        let mut lru = Lru::default();
        for index in 0..4 {
            lru.push(SlotIndex(index));
        }
        lru.touch(SlotIndex(1));
        lru.touch(SlotIndex(0));
        lru.remove(SlotIndex(2));
        assert_eq!(lru.iter().map(|index| index.0).collect::<Vec<_>>(), [0, 1, 3]);
        assert_eq!(lru.victim(), Some(SlotIndex(3)));
    }

    #[test]
    fn an_emptied_list_starts_again() {
        let mut lru = Lru::default();
        lru.push(SlotIndex(0));
        lru.remove(SlotIndex(0));
        assert_eq!(lru.victim(), None);
        lru.push(SlotIndex(0));
        assert_eq!(lru.victim(), Some(SlotIndex(0)));
    }
}
