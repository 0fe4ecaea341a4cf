//! A grid of numbers, and the sums over its rectangles that box filters are made of.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "sides are at most a few thousand, and positions are clamped to them before the cast"
)]

/// A grid of numbers, row by row from the top.
#[derive(Clone, Debug)]
pub(super) struct Raster {
    /// Values in a row.
    pub(super) width: usize,
    /// Rows.
    pub(super) height: usize,
    /// The values, `width × height` of them.
    pub(super) values: Vec<f32>,
}

impl Raster {
    /// Creates a raster from a function of column and row.
    pub(super) fn from_fn(
        width: usize,
        height: usize,
        mut value: impl FnMut(usize, usize) -> f32,
    ) -> Self {
        let mut values = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                values.push(value(x, y));
            }
        }
        Self { width, height, values }
    }

    /// Returns the value at a column and a row.
    pub(super) fn at(&self, x: usize, y: usize) -> f32 {
        self.values[y * self.width + x]
    }

    /// Returns the same grid with a function applied to each value.
    pub(super) fn map(&self, function: impl Fn(f32) -> f32) -> Self {
        let values = self.values.iter().map(|&value| function(value)).collect();
        Self { width: self.width, height: self.height, values }
    }

    /// Returns the least and the greatest value.
    pub(super) fn range(&self) -> (f32, f32) {
        let start = (f32::INFINITY, f32::NEG_INFINITY);
        self.values.iter().fold(start, |(low, high), &value| (low.min(value), high.max(value)))
    }

    /// Returns the grid smoothed by the kernel 1-2-1 in both directions.
    pub(super) fn smoothed(&self) -> Self {
        let (right, bottom) = (self.width - 1, self.height - 1);
        let rows = Self::from_fn(self.width, self.height, |x, y| {
            let sides = self.at(x.saturating_sub(1), y) + self.at((x + 1).min(right), y);
            0.25 * sides + 0.5 * self.at(x, y)
        });
        Self::from_fn(self.width, self.height, |x, y| {
            let sides = rows.at(x, y.saturating_sub(1)) + rows.at(x, (y + 1).min(bottom));
            0.25 * sides + 0.5 * rows.at(x, y)
        })
    }

    /// Returns the mean over the square of `2 × radius + 1` values around each value.
    pub(super) fn box_mean(&self, radius: usize) -> Self {
        let sums = Sums::new(self);
        Self::from_fn(self.width, self.height, |x, y| {
            let (left, top) = (x.saturating_sub(radius), y.saturating_sub(radius));
            let (right, bottom) =
                ((x + radius + 1).min(self.width), (y + radius + 1).min(self.height));
            let area = ((right - left) * (bottom - top)) as f64;
            (sums.whole(right, bottom) - sums.whole(left, bottom) - sums.whole(right, top)
                + sums.whole(left, top)) as f32
                / area as f32
        })
    }
}

/// Sums over every rectangle that starts at the top left corner of a raster.
pub(super) struct Sums {
    width: usize,
    height: usize,
    values: Vec<f64>,
}

impl Sums {
    /// Adds up a raster once.
    pub(super) fn new(raster: &Raster) -> Self {
        let stride = raster.width + 1;
        let mut values = vec![0.0; stride * (raster.height + 1)];
        for y in 0..raster.height {
            let mut row = 0.0;
            for x in 0..raster.width {
                row += f64::from(raster.at(x, y));
                values[(y + 1) * stride + x + 1] = values[y * stride + x + 1] + row;
            }
        }
        Self { width: raster.width, height: raster.height, values }
    }

    /// Returns the mean over the part of a square that lies on the raster. The square's middle
    /// `(x, y)` and half side are in values, of which the first covers 0 to 1.
    pub(super) fn mean(&self, x: f64, y: f64, half: f64) -> f32 {
        let (left, right) = clip(x, half, self.width);
        let (top, bottom) = clip(y, half, self.height);
        let area = (right - left) * (bottom - top);
        (self.rectangle(left, top, right, bottom) / area) as f32
    }

    /// Returns the mean over a square, with zero for everything outside of the raster.
    pub(super) fn coverage(&self, x: f64, y: f64, half: f64) -> f32 {
        let sum = self.rectangle(x - half, y - half, x + half, y + half);
        (sum / (4.0 * half * half)) as f32
    }

    fn rectangle(&self, left: f64, top: f64, right: f64, bottom: f64) -> f64 {
        self.corner(right, bottom) - self.corner(left, bottom) - self.corner(right, top)
            + self.corner(left, top)
    }

    /// The sum from the top left corner to a point between the values.
    fn corner(&self, x: f64, y: f64) -> f64 {
        let (x, y) = (x.clamp(0.0, self.width as f64), y.clamp(0.0, self.height as f64));
        let (column, row) = ((x as usize).min(self.width - 1), (y as usize).min(self.height - 1));
        let (across, down) = (x - column as f64, y - row as f64);
        let top = mix(self.whole(column, row), self.whole(column + 1, row), across);
        let bottom = mix(self.whole(column, row + 1), self.whole(column + 1, row + 1), across);
        mix(top, bottom, down)
    }

    fn whole(&self, x: usize, y: usize) -> f64 {
        self.values[y * (self.width + 1) + x]
    }
}

/// The part of `middle ± half` that lies on the raster, never less than a sliver of it.
fn clip(middle: f64, half: f64, side: usize) -> (f64, f64) {
    let side = side as f64;
    let low = (middle - half).clamp(0.0, side - half.min(0.5 * side));
    let high = (middle + half).clamp(half.min(0.5 * side), side);
    (low, high)
}

fn mix(from: f64, to: f64, share: f64) -> f64 {
    from + (to - from) * share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_counts_parts_of_values() {
        let raster = Raster::from_fn(4, 1, |x, _| x as f32);
        let sums = Sums::new(&raster);
        assert!((sums.mean(2.0, 0.5, 0.5) - 1.5).abs() < 1e-6);
        assert!((sums.mean(0.0, 0.5, 1.0) - 0.0).abs() < 1e-6);
        assert!((sums.coverage(4.0, 0.5, 0.5) - 1.5).abs() < 1e-6);
        assert!(sums.coverage(40.0, 0.5, 0.5).abs() < 1e-6);
    }

    #[test]
    fn smoothing_and_box_means_keep_a_constant() {
        let raster = Raster::from_fn(5, 3, |_, _| 0.25);
        for value in raster.smoothed().values.iter().chain(&raster.box_mean(2).values) {
            assert!((value - 0.25).abs() < 1e-6);
        }
    }
}
