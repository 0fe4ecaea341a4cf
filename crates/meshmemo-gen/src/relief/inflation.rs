//! How far each point of a silhouette is pushed out, as if air were blown between two sheets.
//!
//! Solves Poisson's equation `∆u = -2` with `u = 0` on the outline and takes the square root: a
//! strip becomes a round bar, a disc an ellipsoid. The solution goes from coarse grids to fine
//! ones, so that a bounded number of sweeps is enough at every size.

#![expect(clippy::cast_possible_truncation, reason = "a grid has at most a few million points")]

use super::{
    GenerateError,
    progress::{Reporter, Step},
    raster::Raster,
    silhouette::crossing,
};

/// Sweeps over each grid.
const SWEEPS: u16 = 60;
/// Grids with a side of at most this many points have no coarser one.
const COARSEST_POINTS: usize = 12;
/// Over-relaxation: above 1 sweeps converge faster, near 2 they swing.
const RELAXATION: f32 = 1.5;
/// The least value inside, so that front and back never meet there.
const LEAST: f32 = 1e-3;

/// Returns the height over each point of the field, in cells: positive inside, else zero.
pub(super) fn heights(
    field: &Raster,
    reporter: &mut Reporter<'_>,
) -> Result<Raster, GenerateError> {
    let solution = solve(field, reporter, 1.0)?;
    let heights = field
        .values
        .iter()
        .zip(&solution.values)
        .map(|(&field, &value)| if field > 0.0 { value.max(LEAST).sqrt() } else { 0.0 });
    Ok(Raster { width: field.width, height: field.height, values: heights.collect() })
}

/// Solves on a coarser grid first, and ends its progress at `share` of the step.
fn solve(field: &Raster, reporter: &mut Reporter<'_>, share: f32) -> Result<Raster, GenerateError> {
    let mut solution = if field.width.min(field.height) > COARSEST_POINTS {
        let coarse = Raster::from_fn(field.width.div_ceil(2), field.height.div_ceil(2), |x, y| {
            field.at(2 * x, 2 * y)
        });
        doubled(&solve(&coarse, reporter, 0.3 * share)?, field)
    } else {
        field.map(|_| 0.0)
    };
    let stencils = stencils(field);
    for sweep in 0..SWEEPS {
        for stencil in &stencils {
            stencil.relax(&mut solution.values, field.width);
        }
        if sweep % 8 == 0 {
            let done = 0.3 + 0.7 * f32::from(sweep) / f32::from(SWEEPS);
            reporter.report(Step::Height, done * share)?;
        }
    }
    Ok(solution)
}

/// Carries a solution over to the grid of `field`, which has twice the points. The factor 4 is
/// due to the unit: a length is twice as many cells there.
fn doubled(coarse: &Raster, field: &Raster) -> Raster {
    Raster::from_fn(field.width, field.height, |x, y| {
        if field.at(x, y) <= 0.0 {
            return 0.0;
        }
        let (left, top) = (x / 2, y / 2);
        let right = (left + x % 2).min(coarse.width - 1);
        let bottom = (top + y % 2).min(coarse.height - 1);
        coarse.at(left, top)
            + coarse.at(right, top)
            + coarse.at(left, bottom)
            + coarse.at(right, bottom)
    })
}

/// The equation of one inside point: its value from those of its neighbours.
struct Stencil {
    index: u32,
    /// Weights of the left, right, upper and lower neighbour.
    weights: [f32; 4],
    constant: f32,
}

impl Stencil {
    fn relax(&self, values: &mut [f32], width: usize) {
        let index = self.index as usize;
        let [left, right, above, below] = self.weights;
        let target = self.constant
            + left * values[index - 1]
            + right * values[index + 1]
            + above * values[index - width]
            + below * values[index + width];
        values[index] += RELAXATION * (target - values[index]);
    }
}

/// Builds the equations of the inside points, which are never on the grid's frame. Next to the
/// outline they use its true distance (Shortley and Weller), else the rim would be ragged.
fn stencils(field: &Raster) -> Vec<Stencil> {
    let mut stencils = Vec::new();
    for y in 1..field.height.saturating_sub(1) {
        for x in 1..field.width.saturating_sub(1) {
            let here = field.at(x, y);
            if here <= 0.0 {
                continue;
            }
            let distance = |neighbour: f32| {
                if neighbour > 0.0 { 1.0 } else { crossing(here, neighbour) }
            };
            let left = distance(field.at(x - 1, y));
            let right = distance(field.at(x + 1, y));
            let above = distance(field.at(x, y - 1));
            let below = distance(field.at(x, y + 1));
            let total = 2.0 / (left * right) + 2.0 / (above * below);
            let weight = |near: f32, far: f32| 2.0 / (near * (near + far) * total);
            stencils.push(Stencil {
                index: (y * field.width + x) as u32,
                weights: [
                    weight(left, right),
                    weight(right, left),
                    weight(above, below),
                    weight(below, above),
                ],
                constant: 2.0 / total,
            });
        }
    }
    stencils
}

#[cfg(test)]
mod tests {
    #![expect(clippy::cast_precision_loss, reason = "the test's grid is small")]

    use std::ops::ControlFlow;

    use super::*;

    #[test]
    fn a_disc_becomes_an_ellipsoid() {
        let radius = 100.0_f32;
        let field = Raster::from_fn(241, 241, |x, y| {
            let (x, y) = (x as f32 - 120.0, y as f32 - 120.0);
            radius - (x * x + y * y).sqrt()
        });
        let mut callback = |_| ControlFlow::Continue(());
        let heights = heights(&field, &mut Reporter::new(&mut callback)).unwrap();
        for (x, expected) in [(120, radius), (180, 80.0), (60, 80.0), (190, 71.41)] {
            let height = heights.at(x, 120) * 2.0_f32.sqrt();
            assert!((height - expected).abs() < 1.5, "{height} is not {expected} at {x}");
        }
        assert!(heights.at(5, 5).abs() < f32::EPSILON);
    }
}
