//! A cut-out's shape on the grid of the solid: positive inside, negative outside, and the
//! outline where a straight line between two neighbours crosses zero.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "positions lie on a picture of at most a few thousand pixels"
)]

use super::{
    raster::{Raster, Sums},
    regions::Regions,
};

/// Empty cells around the object, so that its outline closes inside of the grid.
const MARGIN_CELLS: usize = 2;
/// Parts of fewer grid points than this are specks and are dropped, unless nothing is larger.
const SPECK_POINTS_MAX: usize = 12;
/// How near the outline may come to a grid point, in cells. Nearer would give triangles too thin
/// for their normals.
const CROSSING_MARGIN: f32 = 0.1;

/// A shape on a grid of points.
pub(super) struct Silhouette {
    /// The field at each point: positive inside.
    pub(super) field: Raster,
    /// The grid's left edge, in pixels of the photo.
    pub(super) left_px: f64,
    /// The grid's top edge, in pixels of the photo.
    pub(super) top_px: f64,
    /// The distance of two points, in pixels of the photo.
    pub(super) step_px: f64,
}

impl Silhouette {
    /// Returns the box around the object: left, top, width and height, in pixels.
    pub(super) fn bounds_px(opacity: &Raster) -> (usize, usize, usize, usize) {
        let (mut left, mut top, mut right, mut bottom) = (opacity.width, opacity.height, 0, 0);
        for y in 0..opacity.height {
            for x in 0..opacity.width {
                if opacity.at(x, y) >= 0.5 {
                    (left, right) = (left.min(x), right.max(x + 1));
                    (top, bottom) = (top.min(y), bottom.max(y + 1));
                }
            }
        }
        (left, top, right.saturating_sub(left).max(1), bottom.saturating_sub(top).max(1))
    }

    /// Samples the object's opacity with `cells` cells on its long side. At least one point is
    /// inside, however thin the object is.
    pub(super) fn sample(opacity: &Raster, cells: usize) -> Self {
        let (left, top, width, height) = Self::bounds_px(opacity);
        let step_px = width.max(height) as f64 / cells as f64;
        let points = |side: usize| (side as f64 / step_px).ceil() as usize + 1 + 2 * MARGIN_CELLS;
        let left_px = left as f64 - MARGIN_CELLS as f64 * step_px;
        let top_px = top as f64 - MARGIN_CELLS as f64 * step_px;
        let sums = Sums::new(opacity);
        // Two pixels at least, so that the outline does not follow the corners of pixels.
        let half_px = (0.75 * step_px).max(1.0);
        let coverage = Raster::from_fn(points(width), points(height), |x, y| {
            sums.coverage(left_px + x as f64 * step_px, top_px + y as f64 * step_px, half_px)
        });
        let coverage = without_frame(coverage.smoothed());
        // A line thinner than a cell covers less than half of it everywhere.
        let (_, most) = coverage.range();
        let threshold = 0.5 * most.min(1.0);
        let field = without_specks(coverage.map(|value| value - threshold));
        Self { field, left_px, top_px, step_px }
    }

    /// Returns whether a point is inside.
    pub(super) fn is_inside(&self, x: usize, y: usize) -> bool {
        self.field.at(x, y) > 0.0
    }
}

/// Returns how far from an inside point, in cells, the outline crosses the way to an outside one.
pub(super) fn crossing(inside: f32, outside: f32) -> f32 {
    (inside / (inside - outside)).clamp(CROSSING_MARGIN, 1.0 - CROSSING_MARGIN)
}

/// Empties the outermost points, which must be outside whatever the picture's edge does.
fn without_frame(mut coverage: Raster) -> Raster {
    let (width, height) = (coverage.width, coverage.height);
    for (index, value) in coverage.values.iter_mut().enumerate() {
        let (x, y) = (index % width, index / width);
        if x == 0 || y == 0 || x + 1 == width || y + 1 == height {
            *value = 0.0;
        }
    }
    coverage
}

fn without_specks(mut field: Raster) -> Raster {
    let is_inside: Vec<bool> = field.values.iter().map(|&value| value > 0.0).collect();
    let regions = Regions::find(field.width, &is_inside);
    let largest = regions.sizes.iter().max().copied().unwrap_or(0);
    let kept_min = SPECK_POINTS_MAX.min(largest);
    for (value, &label) in field.values.iter_mut().zip(&regions.labels) {
        if label != Regions::NONE && regions.sizes[label as usize] < kept_min {
            *value = -*value;
        }
    }
    field
}
