//! The solid of a cut-out: its outline in the middle, inflated to the front and to the back.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "sizes are at most 2000 mm and positions at most a few thousand pixels"
)]

use super::{
    GenerateError,
    cutout::Cutout,
    inflation,
    limits::cells_on_long_side,
    outline::Outline,
    photo::Photo,
    progress::{Reporter, Step},
    raster::{Raster, Sums},
    silhouette::Silhouette,
    tone,
};
use crate::{Parameters, mesh::Model};

/// How much brightness shapes the front: a white spot stands out by this share more than a black
/// one.
const FRONT_SHADING: f32 = 0.25;
/// Half the window in which the front's brightness is averaged, as a share of the long side.
const FRONT_WINDOW: f64 = 1.0 / 160.0;

/// Builds the solid of a cut-out.
pub(super) fn inflate(
    photo: &Photo,
    cutout: &Cutout,
    parameters: &Parameters,
    reporter: &mut Reporter<'_>,
) -> Result<Model, GenerateError> {
    let (_, _, width_px, height_px) = Silhouette::bounds_px(&cutout.opacity);
    let fitted = fit(width_px as f64, height_px as f64, parameters);
    let long_mm = fitted * width_px.max(height_px) as f64;
    let cells = cells_on_long_side(parameters.quality, width_px.max(height_px), long_mm);
    let silhouette = Silhouette::sample(&cutout.opacity, cells);
    let back = inflation::heights(&silhouette.field, reporter)?;
    let front = shaded(&back, &silhouette, photo, cutout);
    reporter.report(Step::Mesh, 0.0)?;
    let outline = Outline::trace(&silhouette);
    reporter.report(Step::Mesh, 0.4)?;
    let mut model = Model::default();
    place(&mut model, &outline, &silhouette, photo, parameters);
    raise(&mut model, &outline, &front, &back, parameters.depth_mm);
    join(&mut model, &outline);
    reporter.report(Step::Mesh, 0.7)?;
    model.smooth_normals();
    reporter.report(Step::Mesh, 1.0)?;
    Ok(model)
}

/// Returns the millimetres per unit at which a rectangle just fits inside what is asked for.
pub(super) fn fit(width: f64, height: f64, parameters: &Parameters) -> f64 {
    (parameters.width_mm / width).min(parameters.height_mm / height)
}

/// Shapes the front by brightness relative to the object's mean, blurred across the outline's
/// inside only.
fn shaded(heights: &Raster, silhouette: &Silhouette, photo: &Photo, cutout: &Cutout) -> Raster {
    let mut light = tone::luminance(&photo.pixels);
    for (light, opacity) in light.values.iter_mut().zip(&cutout.opacity.values) {
        *light *= opacity;
    }
    let (light, weight) = (Sums::new(&light), Sums::new(&cutout.opacity));
    let long_px = photo.pixels.width().max(photo.pixels.height());
    let half_px = (FRONT_WINDOW * f64::from(long_px)).max(1.0);
    let brightness = Raster::from_fn(heights.width, heights.height, |x, y| {
        if heights.at(x, y) <= 0.0 {
            return 0.0;
        }
        let x_px = silhouette.left_px + x as f64 * silhouette.step_px;
        let y_px = silhouette.top_px + y as f64 * silhouette.step_px;
        light.coverage(x_px, y_px, half_px) / weight.coverage(x_px, y_px, half_px).max(0.01)
    });
    let inside = heights.values.iter().filter(|&&height| height > 0.0).count().max(1);
    let total: f64 = brightness.values.iter().map(|&value| f64::from(value)).sum();
    let mean = (total / inside as f64) as f32;
    Raster::from_fn(heights.width, heights.height, |x, y| {
        heights.at(x, y) * (1.0 + FRONT_SHADING * (brightness.at(x, y).min(1.0) - mean))
    })
}

/// Places the points in the plane: the front's inside points, the rim, then the back's inside
/// points, which repeat the front's.
fn place(
    model: &mut Model,
    outline: &Outline,
    silhouette: &Silhouette,
    photo: &Photo,
    parameters: &Parameters,
) {
    let start = [f32::INFINITY, f32::INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY];
    let [left, top, right, bottom] = outline.points.iter().fold(start, |bounds, point| {
        [
            bounds[0].min(point[0]),
            bounds[1].min(point[1]),
            bounds[2].max(point[0]),
            bounds[3].max(point[1]),
        ]
    });
    let (width, height) = (f64::from(right - left), f64::from(bottom - top));
    let (middle_x, middle_y) = (f64::from(left) + 0.5 * width, f64::from(top) + 0.5 * height);
    let scale = fit(width, height, parameters);
    let (width_px, height_px) = photo.size_px();
    let points = outline.points.iter().chain(&outline.points[..outline.inside_count]);
    for &[x, y] in points {
        let (x, y) = (f64::from(x), f64::from(y));
        let x_mm = ((x - middle_x) * scale) as f32;
        let y_mm = ((middle_y - y) * scale) as f32;
        model.positions_mm.push([x_mm, y_mm, 0.0]);
        let u = (silhouette.left_px + x * silhouette.step_px) / width_px as f64;
        let v = (silhouette.top_px + y * silhouette.step_px) / height_px as f64;
        model.uvs.push([u.clamp(0.0, 1.0) as f32, v.clamp(0.0, 1.0) as f32]);
    }
}

/// Moves the points out of the plane, so that the solid is exactly as deep as is asked for.
fn raise(model: &mut Model, outline: &Outline, front: &Raster, back: &Raster, depth_mm: f64) {
    let (front_max, back_max) = (f64::from(front.range().1), f64::from(back.range().1));
    let scale = depth_mm / (front_max + back_max);
    let middle_mm = back_max * scale;
    let point_count = outline.points.len();
    for position in &mut model.positions_mm {
        position[2] = middle_mm as f32;
    }
    for (point, &grid_index) in outline.grid_indices.iter().enumerate() {
        let above = f64::from(front.values[grid_index as usize]) / front_max;
        let below = f64::from(back.values[grid_index as usize]) / back_max;
        let front_mm = middle_mm + above * (depth_mm - middle_mm);
        model.positions_mm[point][2] = front_mm as f32;
        model.positions_mm[point_count + point][2] = (middle_mm * (1.0 - below)) as f32;
    }
}

/// Adds the front's triangles, and the back's, which are the same the other way round and share
/// the points of the rim.
fn join(model: &mut Model, outline: &Outline) {
    let point_count = outline.points.len() as u32;
    let inside_count = outline.inside_count as u32;
    let behind = |point: u32| if point < inside_count { point_count + point } else { point };
    model.triangles.extend_from_slice(&outline.triangles);
    model
        .triangles
        .extend(outline.triangles.iter().map(|&[a, b, c]| [behind(a), behind(c), behind(b)]));
}
