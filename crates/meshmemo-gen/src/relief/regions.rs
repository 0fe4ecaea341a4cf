//! Connected regions of a mask. Cells that touch only at a corner are not connected, which is
//! also how the outline separates them.

/// The regions of a mask.
pub(super) struct Regions {
    /// For each cell of the mask the number of its region, or [`Regions::NONE`].
    pub(super) labels: Vec<u32>,
    /// How many cells each region has.
    pub(super) sizes: Vec<usize>,
}

impl Regions {
    /// The label of a cell that is not in the mask.
    pub(super) const NONE: u32 = u32::MAX;

    /// Finds the regions of a mask with `width` cells in a row.
    pub(super) fn find(width: usize, mask: &[bool]) -> Self {
        let mut labels = vec![Self::NONE; mask.len()];
        let mut sizes = Vec::new();
        let mut pending = Vec::new();
        for start in 0..mask.len() {
            if !mask[start] || labels[start] != Self::NONE {
                continue;
            }
            let label = u32::try_from(sizes.len()).expect("a mask has less than 2^32 cells");
            let mut size = 0;
            labels[start] = label;
            pending.push(start);
            while let Some(cell) = pending.pop() {
                size += 1;
                for neighbour in neighbours(cell, width, mask.len()).into_iter().flatten() {
                    if mask[neighbour] && labels[neighbour] == Self::NONE {
                        labels[neighbour] = label;
                        pending.push(neighbour);
                    }
                }
            }
            sizes.push(size);
        }
        Self { labels, sizes }
    }
}

fn neighbours(cell: usize, width: usize, count: usize) -> [Option<usize>; 4] {
    let column = cell % width;
    [
        (column > 0).then(|| cell - 1),
        (column + 1 < width).then_some(cell + 1),
        cell.checked_sub(width),
        Some(cell + width).filter(|&below| below < count),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_touch_at_a_corner_are_apart() {
        let mask = [true, false, true, false, true, true];
        let regions = Regions::find(3, &mask);
        assert_eq!(regions.sizes, [1, 3]);
        assert_eq!(regions.labels, [0, Regions::NONE, 1, Regions::NONE, 1, 1]);
    }
}
