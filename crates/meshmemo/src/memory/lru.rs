//! The exact order of use: doubly linked lists over indices, without pointers.
//!
//! Links stand in a vector beside the slab, so that a list needs no unsafe code and moves no item.
//! Several lists share one vector where each index is in one of them.

use super::SlotIndex;

const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Link {
    newer: u32,
    older: u32,
}

/// The links of every index that is in a list.
#[derive(Debug, Default)]
pub(super) struct Links(Vec<Link>);

/// One list, by its two ends.
#[derive(Debug)]
pub(super) struct Lru {
    newest: u32,
    oldest: u32,
}

impl Default for Lru {
    fn default() -> Self {
        Self { newest: NONE, oldest: NONE }
    }
}

impl Lru {
    /// Adds an index that is in no list, as the most recently used.
    pub(super) fn push(&mut self, Links(links): &mut Links, index: SlotIndex) {
        if index.to_slab() >= links.len() {
            links.resize(index.to_slab() + 1, Link { newer: NONE, older: NONE });
        }
        links[index.to_slab()] = Link { newer: NONE, older: self.newest };
        match self.newest {
            NONE => self.oldest = index.0,
            newest => links[newest as usize].newer = index.0,
        }
        self.newest = index.0;
    }

    /// Makes an index of this list the most recently used.
    pub(super) fn touch(&mut self, Links(links): &mut Links, index: SlotIndex) {
        if self.newest == index.0 {
            return;
        }
        let Link { newer, older } = links[index.to_slab()];
        links[newer as usize].older = older;
        match older {
            NONE => self.oldest = newer,
            older => links[older as usize].newer = newer,
        }
        links[self.newest as usize].newer = index.0;
        links[index.to_slab()] = Link { newer: NONE, older: self.newest };
        self.newest = index.0;
    }

    /// Removes an index of this list.
    pub(super) fn remove(&mut self, Links(links): &mut Links, index: SlotIndex) {
        let Link { newer, older } = links[index.to_slab()];
        match newer {
            NONE => self.newest = older,
            newer => links[newer as usize].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => links[older as usize].newer = newer,
        }
    }

    /// Returns the least recently used.
    pub(super) fn victim(&self) -> Option<SlotIndex> {
        (self.oldest != NONE).then_some(SlotIndex(self.oldest))
    }

    /// Lists all indices, the most recently used first.
    pub(super) fn iter<'a>(
        &self,
        Links(links): &'a Links,
    ) -> impl Iterator<Item = SlotIndex> + use<'a> {
        let mut next = self.newest;
        std::iter::from_fn(move || {
            let index = (next != NONE).then_some(SlotIndex(next))?;
            next = links[index.to_slab()].older;
            Some(index)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_follows_use() {
        let (mut lru, mut links) = (Lru::default(), Links::default());
        for index in 0..4 {
            lru.push(&mut links, SlotIndex(index));
        }
        lru.touch(&mut links, SlotIndex(1));
        lru.touch(&mut links, SlotIndex(0));
        lru.remove(&mut links, SlotIndex(2));
        assert_eq!(lru.iter(&links).map(|index| index.0).collect::<Vec<_>>(), [0, 1, 3]);
        assert_eq!(lru.victim(), Some(SlotIndex(3)));
    }

    #[test]
    fn an_emptied_list_starts_again() {
        let (mut lru, mut links) = (Lru::default(), Links::default());
        lru.push(&mut links, SlotIndex(0));
        lru.remove(&mut links, SlotIndex(0));
        assert_eq!(lru.victim(), None);
        lru.push(&mut links, SlotIndex(0));
        assert_eq!(lru.victim(), Some(SlotIndex(0)));
    }

    #[test]
    fn lists_with_common_links_keep_apart() {
        let (mut odd, mut even, mut links) = (Lru::default(), Lru::default(), Links::default());
        for index in 0..6 {
            let list = if index % 2 == 0 { &mut even } else { &mut odd };
            list.push(&mut links, SlotIndex(index));
        }
        even.touch(&mut links, SlotIndex(0));
        odd.remove(&mut links, SlotIndex(3));
        assert_eq!(even.iter(&links).map(|index| index.0).collect::<Vec<_>>(), [0, 4, 2]);
        assert_eq!(odd.iter(&links).map(|index| index.0).collect::<Vec<_>>(), [5, 1]);
    }
}
