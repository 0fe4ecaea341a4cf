//! From brightness to height: what is bright stands out, edges stay, and noise does not print.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "values are between 0 and 1, and counts at most a few million"
)]

use image::RgbaImage;

use super::raster::Raster;

/// A difference in brightness below which a picture is even, and becomes a flat slab.
const EVEN_MAX: f32 = 0.004;
/// Classes of brightness that are counted for the contrast.
const CLASSES: usize = 1024;
/// The share of points that may be cut off at the dark and at the bright end.
const CLIPPED: f32 = 0.005;
/// Radius of the large forms, as a share of the grid's long side.
const FORM_RADIUS: f32 = 1.0 / 22.0;
/// How much the middle stands out over the border, as in a medal, against the large forms.
const DOME: f32 = 0.45;
/// The large forms together, and the most that shapes and fine detail add to them.
const FORM_HEIGHT: f32 = 0.75;
const SHAPE_HEIGHT: f32 = 0.14;
const DETAIL_HEIGHT: f32 = 0.035;
/// The difference in brightness that gives half of these heights: above it they saturate, which
/// is what keeps a hard edge in the photo from becoming a cliff.
const SHAPE_CONTRAST: f32 = 0.25;
const DETAIL_CONTRAST: f32 = 0.15;
/// Radius of the edge-preserving filter that divides shapes from fine detail, as a share of the
/// grid's long side, and the contrast from which it sees an edge, squared.
const EDGE_RADIUS: f32 = 1.0 / 80.0;
const EDGE_CONTRAST: f32 = 0.025;
/// The last smoothing takes the noise out: one pass for each 200 cells.
const CELLS_PER_SMOOTHING: usize = 200;
/// Width of the border in which the relief runs out, as a share of the grid's long side, and the
/// height that it runs out to.
const BORDER: f32 = 0.1;
const BORDER_HEIGHT: f32 = 0.25;

/// Returns the brightness of each pixel from 0 to 1, on white where it is transparent.
pub(super) fn luminance(pixels: &RgbaImage) -> Raster {
    let values = pixels.pixels().map(|pixel| {
        let [red, green, blue, alpha] = pixel.0.map(f32::from);
        // The weights of ITU-R BT.709.
        let light = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        (light * alpha + 255.0 * (255.0 - alpha)) / (255.0 * 255.0)
    });
    let (width, height) = (pixels.width() as usize, pixels.height() as usize);
    Raster { width, height, values: values.collect() }
}

/// Returns heights from 0 to 1 for brightness on the grid of the relief; the highest is 1.
pub(super) fn heights(light: &Raster) -> Raster {
    let long = light.width.max(light.height);
    let radius = |share: f32| ((long as f32 * share) as usize).max(1);
    let (darkest, brightest) = light.range();
    if brightest - darkest < EVEN_MAX {
        return light.map(|_| 1.0);
    }
    let (low, high) = contrast(light);
    let light = light.map(|value| lifted((value - low) / (high - low).max(1e-6)));
    let form = (0..3).fold(light.clone(), |form, _| form.box_mean(radius(FORM_RADIUS)));
    let shape = edge_preserved(&light, radius(EDGE_RADIUS));
    let mut heights = Raster::from_fn(light.width, light.height, |x, y| {
        let form_height = form.at(x, y) + DOME * dome(&light, x, y);
        let shape_height = saturated(shape.at(x, y) - form.at(x, y), SHAPE_CONTRAST);
        let detail_height = saturated(light.at(x, y) - shape.at(x, y), DETAIL_CONTRAST);
        FORM_HEIGHT * form_height + SHAPE_HEIGHT * shape_height + DETAIL_HEIGHT * detail_height
    });
    for _ in 0..=long / CELLS_PER_SMOOTHING {
        heights = heights.smoothed();
    }
    let heights = stretched(&heights);
    stretched(&Raster::from_fn(light.width, light.height, |x, y| {
        BORDER_HEIGHT + (heights.at(x, y) - BORDER_HEIGHT) * inwards(&heights, x, y)
    }))
}

/// 1 in the middle, 0 in the corners.
fn dome(grid: &Raster, x: usize, y: usize) -> f32 {
    let centred = |at: usize, side: usize| 2.0 * at as f32 / (side - 1) as f32 - 1.0;
    let (x, y) = (centred(x, grid.width), centred(y, grid.height));
    (1.0 - x * x) * (1.0 - y * y)
}

/// 0 on the border, 1 from where the relief begins; the corners are rounded.
fn inwards(grid: &Raster, x: usize, y: usize) -> f32 {
    let border = BORDER * grid.width.max(grid.height) as f32;
    let share = |at: usize, side: usize| {
        let share = (at.min(side - 1 - at) as f32 / border).min(1.0);
        share * share * (3.0 - 2.0 * share)
    };
    share(x, grid.width) * share(y, grid.height)
}

/// A difference that grows ever more slowly, towards 1 or -1.
fn saturated(difference: f32, half: f32) -> f32 {
    difference / (half + difference.abs())
}

/// The guided filter of He, Sun and Tang with the picture as its own guide: where a window is
/// nearly even it is averaged, where it has an edge it is kept.
fn edge_preserved(light: &Raster, radius: usize) -> Raster {
    let mean = light.box_mean(radius);
    let square_mean = light.map(|value| value * value).box_mean(radius);
    let slope = Raster::from_fn(light.width, light.height, |x, y| {
        let variance = (square_mean.at(x, y) - mean.at(x, y) * mean.at(x, y)).max(0.0);
        variance / (variance + EDGE_CONTRAST)
    });
    let offset =
        Raster::from_fn(light.width, light.height, |x, y| mean.at(x, y) * (1.0 - slope.at(x, y)));
    let (slope, offset) = (slope.box_mean(radius), offset.box_mean(radius));
    Raster::from_fn(light.width, light.height, |x, y| {
        slope.at(x, y) * light.at(x, y) + offset.at(x, y)
    })
}

/// Returns the values between which all but the clipped share lies.
fn contrast(heights: &Raster) -> (f32, f32) {
    let (least, most) = heights.range();
    let spread = most - least;
    if spread <= 0.0 {
        return (least, most);
    }
    let mut counts = [0_usize; CLASSES];
    for &value in &heights.values {
        let class = ((value - least) / spread * CLASSES as f32) as usize;
        counts[class.min(CLASSES - 1)] += 1;
    }
    let clipped = (heights.values.len() as f32 * CLIPPED) as usize;
    let class_after = |counts: &mut dyn Iterator<Item = &usize>| {
        let mut seen = 0;
        counts
            .take_while(|&&count| {
                seen += count;
                seen <= clipped
            })
            .count()
    };
    let low = class_after(&mut counts.iter());
    let high = CLASSES - class_after(&mut counts.iter().rev());
    let value = |class: usize| least + spread * class as f32 / CLASSES as f32;
    (value(low), value(high.max(low + 1)))
}

/// Lifts the shadows a little.
fn lifted(value: f32) -> f32 {
    let value = value.clamp(0.0, 1.0);
    0.65 * value + 0.35 * value.sqrt()
}

/// Stretches values to the whole of 0 to 1; where there is nothing to stretch all are 1.
fn stretched(heights: &Raster) -> Raster {
    let (least, most) = heights.range();
    if most <= least {
        return heights.map(|_| 1.0);
    }
    heights.map(|value| (value - least) / (most - least))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_picture_is_even_and_full_height() {
        let heights = heights(&Raster::from_fn(20, 10, |_, _| 0.3));
        assert!(heights.values.iter().all(|&height| (height - 1.0).abs() < f32::EPSILON));
    }

    #[test]
    fn bright_is_high_and_the_range_is_used_up() {
        let heights = heights(&Raster::from_fn(65, 65, |x, _| x as f32 / 200.0));
        assert_eq!(heights.range(), (0.0, 1.0));
        assert!(heights.at(50, 32) > heights.at(30, 32));
        assert!(heights.at(30, 32) > heights.at(10, 32));
    }
}
