//! Finds one object before a plain background, as in product photos and silhouettes.
//! In doubt a photo is a full picture: the rules below ask for an even border and one main object.

use image::{Rgba, RgbaImage};

use super::{raster::Raster, regions::Regions};

/// Most a channel may differ from a plain colour, of 255: the noise of a JPEG.
const TOLERANCE: u8 = 24;
/// The least side of a photo in which a background is looked for, in pixels.
const SIDE_MIN_PX: u32 = 16;
/// The share of the border that is of one colour, in percent.
const BORDER_PLAIN_MIN_PERCENT: usize = 97;
/// How much of the photo the object covers, in percent.
const OBJECT_PERCENT: std::ops::RangeInclusive<usize> = 2..=90;
/// How much of all that is not background belongs to the largest object, in percent. Text and
/// scattered things fall short of it.
const LARGEST_MIN_PERCENT: usize = 70;
/// The share of pixels that are of either colour in a drawing of two colours, in percent.
const TWO_TONE_MIN_PERCENT: usize = 95;

/// Returns how far each pixel belongs to the object, or `None` for a full picture.
pub(super) fn remove(pixels: &RgbaImage) -> Option<Raster> {
    if pixels.width().min(pixels.height()) < SIDE_MIN_PX {
        return None;
    }
    let background = plain_border_colour(pixels)?;
    let distances: Vec<u8> = pixels.pixels().map(|pixel| distance(*pixel, background)).collect();
    let is_object = object_mask(pixels, &distances);
    is_one_object(pixels.width() as usize, &is_object)
        .then(|| soften(pixels.width() as usize, &distances, &is_object))
}

/// Returns the border's colour if the border is of one colour.
fn plain_border_colour(pixels: &RgbaImage) -> Option<Rgba<u8>> {
    let (right, bottom) = (pixels.width() - 1, pixels.height() - 1);
    let rows = (0..=right).flat_map(|x| [(x, 0), (x, bottom)]);
    let columns = (0..=bottom).flat_map(|y| [(0, y), (right, y)]);
    let border: Vec<Rgba<u8>> = rows.chain(columns).map(|(x, y)| *pixels.get_pixel(x, y)).collect();
    let colour = median_colour(&border)?;
    let plain = border.iter().filter(|&&pixel| distance(pixel, colour) <= TOLERANCE).count();
    (plain * 100 >= border.len() * BORDER_PLAIN_MIN_PERCENT).then_some(colour)
}

/// Says of each pixel whether it belongs to the object: everything but the plain regions that
/// reach the border. In a drawing of two colours, such as a silhouette, enclosed regions of the
/// background's colour are holes; in a photo they are more likely highlights or white parts.
fn object_mask(pixels: &RgbaImage, distances: &[u8]) -> Vec<bool> {
    let is_plain: Vec<bool> = distances.iter().map(|&distance| distance <= TOLERANCE).collect();
    if is_two_tone(pixels, &is_plain) {
        return is_plain.iter().map(|plain| !plain).collect();
    }
    let (width, height) = (pixels.width() as usize, pixels.height() as usize);
    let regions = Regions::find(width, &is_plain);
    let mut reaches_border = vec![false; regions.sizes.len()];
    for (cell, &label) in regions.labels.iter().enumerate() {
        let (x, y) = (cell % width, cell / width);
        if label != Regions::NONE && (x == 0 || y == 0 || x + 1 == width || y + 1 == height) {
            reaches_border[label as usize] = true;
        }
    }
    let is_object = |&label: &u32| label == Regions::NONE || !reaches_border[label as usize];
    regions.labels.iter().map(is_object).collect()
}

fn is_two_tone(pixels: &RgbaImage, is_plain: &[bool]) -> bool {
    let ink: Vec<Rgba<u8>> = pixels
        .pixels()
        .zip(is_plain)
        .filter_map(|(pixel, plain)| (!plain).then_some(*pixel))
        .collect();
    let Some(colour) = median_colour(&ink) else { return false };
    let alike = ink.iter().filter(|&&pixel| distance(pixel, colour) <= TOLERANCE).count();
    alike * 100 >= ink.len() * TWO_TONE_MIN_PERCENT
}

fn is_one_object(width: usize, is_object: &[bool]) -> bool {
    let sizes = Regions::find(width, is_object).sizes;
    let covered: usize = sizes.iter().sum();
    let largest = sizes.iter().max().copied().unwrap_or(0);
    OBJECT_PERCENT.contains(&(covered * 100 / is_object.len()))
        && largest * 100 >= covered * LARGEST_MIN_PERCENT
}

/// Gives the pixels at the edge their share of the object, told by how far their colour is on
/// its way from the background's to the object's, so that the outline runs between pixels.
fn soften(width: usize, distances: &[u8], is_object: &[bool]) -> Raster {
    let height = distances.len() / width;
    let around = |x: usize, y: usize, reach: usize| {
        let columns = x.saturating_sub(reach)..(x + reach + 1).min(width);
        (y.saturating_sub(reach)..(y + reach + 1).min(height))
            .flat_map(move |row| columns.clone().map(move |column| row * width + column))
    };
    Raster::from_fn(width, height, |x, y| {
        let cell = y * width + x;
        let is_edge = around(x, y, 1).any(|other| is_object[other] != is_object[cell]);
        if !is_edge {
            return if is_object[cell] { 1.0 } else { 0.0 };
        }
        let farthest = around(x, y, 2).map(|other| distances[other]).max().unwrap_or(0);
        f32::from(distances[cell]) / f32::from(farthest.max(1))
    })
}

fn median_colour(colours: &[Rgba<u8>]) -> Option<Rgba<u8>> {
    let median = |channel: usize| {
        let mut counts = [0_usize; 256];
        for colour in colours {
            counts[usize::from(colour[channel])] += 1;
        }
        let mut seen = 0;
        (0..=u8::MAX).find(|&value| {
            seen += counts[usize::from(value)];
            seen * 2 > colours.len()
        })
    };
    Some(Rgba([median(0)?, median(1)?, median(2)?, u8::MAX]))
}

fn distance(one: Rgba<u8>, other: Rgba<u8>) -> u8 {
    (0..3).map(|channel| one[channel].abs_diff(other[channel])).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawing(colour_at: impl Fn(i32, i32) -> [u8; 3]) -> RgbaImage {
        RgbaImage::from_fn(64, 64, |x, y| {
            let [red, green, blue] =
                colour_at(i32::try_from(x).unwrap() - 32, i32::try_from(y).unwrap() - 32);
            Rgba([red, green, blue, 255])
        })
    }

    #[test]
    fn a_ring_on_white_is_cut_out_with_its_hole() {
        let ring = |x: i32, y: i32| (100..400).contains(&(x * x + y * y));
        let picture = drawing(|x, y| if ring(x, y) { [20, 20, 20] } else { [255; 3] });
        let opacity = remove(&picture).unwrap();
        assert!(opacity.at(32, 32) < 0.5);
        assert!(opacity.at(32, 17) > 0.5);
        assert!(opacity.at(0, 0) < 0.5);
    }

    #[test]
    fn a_white_spot_in_a_coloured_object_is_part_of_it() {
        let picture = drawing(|x, y| match x * x + y * y {
            25..200 => [200, 30, 30],
            200..500 => [30, 30, 200],
            _ => [255; 3],
        });
        assert!(remove(&picture).unwrap().at(32, 32) > 0.5);
    }

    #[test]
    fn scattered_things_and_uneven_borders_are_a_full_picture() {
        let dots = drawing(|x, y| if x % 8 < 3 && y % 8 < 3 { [0; 3] } else { [255; 3] });
        assert!(remove(&dots).is_none());
        let slope = drawing(|x, _| [u8::try_from(x + 32).unwrap() * 3; 3]);
        assert!(remove(&slope).is_none());
        assert!(remove(&drawing(|_, _| [255; 3])).is_none());
    }
}
