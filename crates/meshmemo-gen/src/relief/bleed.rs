//! Makes a photo opaque: on white, or with the object's colours drawn over its surroundings, so
//! that no seam shows at the rim, where a texture is blended with what lies beside it.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "colours are clamped to 0 to 255 before the cast"
)]

use image::{Rgb, RgbImage, RgbaImage};

use super::raster::Raster;

/// Opacity from which a pixel has its own colour and not one mixed with the background.
const PURE_MIN: f32 = 0.95;
/// The weight of a mixed pixel's colour: it counts only where no pure pixel is near.
const MIXED_WEIGHT: f32 = 0.001;

/// Returns the photo on white.
pub(super) fn onto_white(pixels: &RgbaImage) -> RgbImage {
    RgbImage::from_fn(pixels.width(), pixels.height(), |x, y| {
        let [red, green, blue, alpha] = pixels.get_pixel(x, y).0.map(u16::from);
        let blend = |channel: u16| {
            let blended = (channel * alpha + 255 * (255 - alpha) + 127) / 255;
            u8::try_from(blended).unwrap_or(u8::MAX)
        };
        Rgb([blend(red), blend(green), blend(blue)])
    })
}

/// Returns the photo with everything but the object's inside filled with the nearest colours of
/// the object (pull and push: averages of ever larger squares, put back where a colour is missing).
pub(super) fn outwards(pixels: &RgbaImage, opacity: &Raster) -> RgbImage {
    let weights = weights(opacity);
    let samples = pixels.pixels().zip(&weights).map(|(pixel, &weight)| {
        let [red, green, blue, _] = pixel.0.map(f32::from);
        Sample { colour: [red, green, blue], weight }
    });
    let finest = Level { width: opacity.width, height: opacity.height, samples: samples.collect() };
    let filled = finest.filled();
    let bytes = filled
        .samples
        .iter()
        .flat_map(|sample| sample.colour.map(|channel| (channel + 0.5).clamp(0.0, 255.0) as u8));
    RgbImage::from_vec(pixels.width(), pixels.height(), bytes.collect())
        .expect("each pixel has three channels")
}

/// A pixel counts fully when it and all its neighbours are opaque: a blended edge is often one
/// pixel wider than its opacity says.
fn weights(opacity: &Raster) -> Vec<f32> {
    let (right, bottom) = (opacity.width - 1, opacity.height - 1);
    let pure = |x: usize, y: usize| {
        (y.saturating_sub(1)..=(y + 1).min(bottom)).all(|row| {
            (x.saturating_sub(1)..=(x + 1).min(right))
                .all(|column| opacity.at(column, row) >= PURE_MIN)
        })
    };
    let weight = |x, y| if pure(x, y) { 1.0 } else { MIXED_WEIGHT * opacity.at(x, y) };
    Raster::from_fn(opacity.width, opacity.height, weight).values
}

/// A colour, and how much it is to be trusted, from 0 to 1.
#[derive(Clone, Copy)]
struct Sample {
    colour: [f32; 3],
    weight: f32,
}

/// A picture of samples.
struct Level {
    width: usize,
    height: usize,
    samples: Vec<Sample>,
}

impl Level {
    /// Fills what has no weight from the picture of half the size, which is filled the same way.
    fn filled(mut self) -> Self {
        if self.width == 1 && self.height == 1 {
            return self;
        }
        let coarse = self.halved().filled();
        for y in 0..self.height {
            for x in 0..self.width {
                let sample = &mut self.samples[y * self.width + x];
                if sample.weight < 1.0 {
                    let fill = coarse.between(x, y);
                    for (channel, fill) in sample.colour.iter_mut().zip(fill) {
                        *channel = fill + (*channel - fill) * sample.weight;
                    }
                }
            }
        }
        self
    }

    fn halved(&self) -> Self {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let mut samples = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                samples.push(self.merged(2 * x, 2 * y));
            }
        }
        Self { width, height, samples }
    }

    /// The weighted mean of the square of four whose first is at `(x, y)`.
    fn merged(&self, x: usize, y: usize) -> Sample {
        let mut colour = [0.0; 3];
        let mut total = 0.0;
        for row in y..(y + 2).min(self.height) {
            for column in x..(x + 2).min(self.width) {
                let sample = self.samples[row * self.width + column];
                total += sample.weight;
                for (sum, channel) in colour.iter_mut().zip(sample.colour) {
                    *sum += channel * sample.weight;
                }
            }
        }
        if total > 0.0 {
            colour = colour.map(|sum| sum / total);
        }
        Sample { colour, weight: total.min(1.0) }
    }

    /// The colour at pixel `(x, y)` of the picture of twice the size, between the four nearest.
    fn between(&self, x: usize, y: usize) -> [f32; 3] {
        let pair = |at: usize, side: usize| {
            let near = at / 2;
            let far = if at.is_multiple_of(2) {
                near.saturating_sub(1)
            } else {
                (near + 1).min(side - 1)
            };
            (near, far)
        };
        let ((near_x, far_x), (near_y, far_y)) = (pair(x, self.width), pair(y, self.height));
        let at = |x: usize, y: usize| self.samples[y * self.width + x].colour;
        let corners = [
            (at(near_x, near_y), 0.5625),
            (at(far_x, near_y), 0.1875),
            (at(near_x, far_y), 0.1875),
            (at(far_x, far_y), 0.0625),
        ];
        let mut colour = [0.0; 3];
        for (corner, weight) in corners {
            for (sum, channel) in colour.iter_mut().zip(corner) {
                *sum += weight * channel;
            }
        }
        colour
    }
}

#[cfg(test)]
mod tests {
    use image::Rgba;

    use super::*;

    #[test]
    fn colours_of_transparent_pixels_do_not_leak() {
        let pixels = RgbaImage::from_fn(33, 17, |x, _| {
            if x < 12 { Rgba([200, 40, 40, 255]) } else { Rgba([0, 255, 0, 0]) }
        });
        let opacity = Raster::from_fn(33, 17, |x, _| if x < 12 { 1.0 } else { 0.0 });
        for pixel in outwards(&pixels, &opacity).pixels() {
            assert!(pixel[1] <= 45, "{pixel:?} is green");
        }
    }

    #[test]
    fn transparent_becomes_white_in_a_full_picture() {
        let pixels = RgbaImage::from_pixel(1, 1, Rgba([10, 20, 30, 0]));
        assert_eq!(onto_white(&pixels).get_pixel(0, 0).0, [255; 3]);
    }
}
