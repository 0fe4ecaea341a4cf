//! The solid of a full picture: a relief on a base plate with chamfered edges.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "sizes are at most 2000 mm and a grid has at most a few million points"
)]

use super::{
    GenerateError,
    cushion::fit,
    limits::cells_on_long_side,
    photo::Photo,
    progress::{Reporter, Step},
    raster::{Raster, Sums},
    tone,
};
use crate::{Parameters, mesh::Model};

/// The share of the depth that is the plate under the lowest point of the relief.
const PLATE_SHARE: f64 = 0.2;
/// The chamfer's width at most: in millimetres, and as a share of the short side and of the plate.
const CHAMFER_MAX_MM: f64 = 0.6;
const CHAMFER_SIDE_SHARE: f64 = 0.02;
const CHAMFER_PLATE_SHARE: f64 = 0.25;
/// The least cells on the short side.
const CELLS_MIN: usize = 2;

/// Builds the relief of a picture.
pub(super) fn raise(
    photo: &Photo,
    parameters: &Parameters,
    reporter: &mut Reporter<'_>,
) -> Result<Model, GenerateError> {
    reporter.report(Step::Height, 0.0)?;
    let plate = Plate::new(photo, parameters);
    let light = plate.sample(&tone::luminance(&photo.pixels));
    reporter.report(Step::Height, 0.4)?;
    let heights = tone::heights(&light);
    reporter.report(Step::Mesh, 0.0)?;
    let mut model = Model::default();
    plate.add_front(&mut model, &heights);
    reporter.report(Step::Mesh, 0.7)?;
    plate.add_sides_and_back(&mut model);
    reporter.report(Step::Mesh, 1.0)?;
    Ok(model)
}

/// The measures of a plate.
struct Plate {
    columns: usize,
    rows: usize,
    width_mm: f64,
    height_mm: f64,
    depth_mm: f64,
    chamfer_mm: f64,
}

impl Plate {
    fn new(photo: &Photo, parameters: &Parameters) -> Self {
        let (width_px, height_px) = (photo.pixels.width(), photo.pixels.height());
        let scale = fit(f64::from(width_px), f64::from(height_px), parameters);
        let (width_mm, height_mm) = (f64::from(width_px) * scale, f64::from(height_px) * scale);
        let long_px = width_px.max(height_px);
        let cells =
            cells_on_long_side(parameters.quality, long_px as usize, width_mm.max(height_mm));
        let along = |side_px: u32| {
            let share = f64::from(side_px) / f64::from(long_px);
            ((share * cells as f64 + 0.5) as usize).max(CELLS_MIN)
        };
        let depth_mm = parameters.depth_mm;
        let chamfer_mm = CHAMFER_MAX_MM
            .min(CHAMFER_SIDE_SHARE * width_mm.min(height_mm))
            .min(CHAMFER_PLATE_SHARE * PLATE_SHARE * depth_mm);
        let (columns, rows) = (along(width_px), along(height_px));
        Self { columns, rows, width_mm, height_mm, depth_mm, chamfer_mm }
    }

    /// Averages the picture around each point of the grid.
    fn sample(&self, light: &Raster) -> Raster {
        let sums = Sums::new(light);
        let step_x = light.width as f64 / self.columns as f64;
        let step_y = light.height as f64 / self.rows as f64;
        let half_px = (0.5 * step_x.max(step_y)).max(0.5);
        Raster::from_fn(self.columns + 1, self.rows + 1, |x, y| {
            sums.mean(x as f64 * step_x, y as f64 * step_y, half_px)
        })
    }

    /// Adds the relief itself: points row by row from the top left, and two triangles a cell.
    fn add_front(&self, model: &mut Model, heights: &Raster) {
        let plate_mm = PLATE_SHARE * self.depth_mm;
        let height_mm = |x, y| plate_mm + f64::from(heights.at(x, y)) * (self.depth_mm - plate_mm);
        let step_x = (self.width_mm - 2.0 * self.chamfer_mm) / self.columns as f64;
        let step_y = (self.height_mm - 2.0 * self.chamfer_mm) / self.rows as f64;
        for y in 0..=self.rows {
            for x in 0..=self.columns {
                let x_mm = (x as f64 - 0.5 * self.columns as f64) * step_x;
                let y_mm = (0.5 * self.rows as f64 - y as f64) * step_y;
                let (left, right) = (x.saturating_sub(1), (x + 1).min(self.columns));
                let (above, below) = (y.saturating_sub(1), (y + 1).min(self.rows));
                let slope_x =
                    (height_mm(right, y) - height_mm(left, y)) / ((right - left) as f64 * step_x);
                let slope_y =
                    (height_mm(x, above) - height_mm(x, below)) / ((below - above) as f64 * step_y);
                let normal = [-slope_x as f32, -slope_y as f32, 1.0];
                self.push(model, [x_mm, y_mm, height_mm(x, y)], normal);
            }
        }
        for y in 0..self.rows {
            for x in 0..self.columns {
                model.triangles.extend(self.cell(model, x, y));
            }
        }
    }

    /// Returns the two triangles of a cell, divided along the diagonal that climbs less, which
    /// follows ridges instead of cutting them into teeth.
    fn cell(&self, model: &Model, x: usize, y: usize) -> [[u32; 3]; 2] {
        let [top_left, top_right] = [self.point(x, y), self.point(x + 1, y)];
        let [bottom_left, bottom_right] = [self.point(x, y + 1), self.point(x + 1, y + 1)];
        let climb = |from: u32, to: u32| {
            (model.positions_mm[from as usize][2] - model.positions_mm[to as usize][2]).abs()
        };
        if climb(top_left, bottom_right) <= climb(top_right, bottom_left) {
            [[top_left, bottom_left, bottom_right], [top_left, bottom_right, top_right]]
        } else {
            [[top_left, bottom_left, top_right], [top_right, bottom_left, bottom_right]]
        }
    }

    fn point(&self, x: usize, y: usize) -> u32 {
        (y * (self.columns + 1) + x) as u32
    }

    /// Adds three rings around the front's rim and the middle of the back: chamfer, wall, chamfer
    /// and a flat back. Each ring has normals of its own, so that edges look sharp although no
    /// position occurs twice.
    fn add_sides_and_back(&self, model: &mut Model) {
        let rim = self.rim();
        let ring_size = rim.len() as u32;
        let first = model.positions_mm.len() as u32;
        for ring in [Ring::WallTop, Ring::WallBottom, Ring::Back] {
            for &(x, y) in &rim {
                let (position_mm, normal) = self.ring_point(model, ring, x, y);
                self.push(model, position_mm, normal);
            }
        }
        let centre = model.positions_mm.len() as u32;
        self.push(model, [0.0, 0.0, 0.0], [0.0, 0.0, -1.0]);
        for here in 0..ring_size {
            let next = (here + 1) % ring_size;
            let front = |k: u32| self.point(rim[k as usize].0, rim[k as usize].1);
            let ring = |ring: Ring, k: u32| first + ring as u32 * ring_size + k;
            let columns = [here, next].map(|k| {
                [front(k), ring(Ring::WallTop, k), ring(Ring::WallBottom, k), ring(Ring::Back, k)]
            });
            for level in 0..3 {
                let (top, next_top) = (columns[0][level], columns[1][level]);
                let (bottom, next_bottom) = (columns[0][level + 1], columns[1][level + 1]);
                model.triangles.push([bottom, next_bottom, next_top]);
                model.triangles.push([bottom, next_top, top]);
            }
            model.triangles.push([centre, ring(Ring::Back, next), ring(Ring::Back, here)]);
        }
    }

    /// Returns the grid's rim, anticlockwise from the bottom left for somebody before the picture.
    fn rim(&self) -> Vec<(usize, usize)> {
        let (right, bottom) = (self.columns, self.rows);
        let below = (0..right).map(|x| (x, bottom));
        let beside = (1..=bottom).rev().map(|y| (right, y));
        let above = (1..=right).rev().map(|x| (x, 0));
        let back = (0..bottom).map(|y| (0, y));
        below.chain(beside).chain(above).chain(back).collect()
    }

    /// Returns position and normal of a ring's point, next to a point of the rim.
    fn ring_point(&self, model: &Model, ring: Ring, x: usize, y: usize) -> ([f64; 3], [f32; 3]) {
        let [x_mm, y_mm, z_mm] = model.positions_mm[self.point(x, y) as usize].map(f64::from);
        let out_x = f64::from(u8::from(x == self.columns)) - f64::from(u8::from(x == 0));
        let out_y = f64::from(u8::from(y == 0)) - f64::from(u8::from(y == self.rows));
        let outer = [x_mm + out_x * self.chamfer_mm, y_mm + out_y * self.chamfer_mm];
        let outward = [out_x as f32, out_y as f32, 0.0];
        match ring {
            Ring::WallTop => ([outer[0], outer[1], z_mm - self.chamfer_mm], outward),
            Ring::WallBottom => ([outer[0], outer[1], self.chamfer_mm], outward),
            Ring::Back => ([x_mm, y_mm, 0.0], [0.0, 0.0, -1.0]),
        }
    }

    /// Adds a vertex, with the texture projected straight onto it.
    fn push(&self, model: &mut Model, position_mm: [f64; 3], normal: [f32; 3]) {
        let u = position_mm[0] / self.width_mm + 0.5;
        let v = 0.5 - position_mm[1] / self.height_mm;
        model.positions_mm.push(position_mm.map(|value| value as f32));
        model.uvs.push([u.clamp(0.0, 1.0) as f32, v.clamp(0.0, 1.0) as f32]);
        model.push_normal(normal);
    }
}

/// The rings of points around the front, from front to back.
#[derive(Clone, Copy)]
enum Ring {
    WallTop,
    WallBottom,
    Back,
}
