//! Decides whether a photo shows one object to cut out, and which pixels belong to it.

use super::{GenerateError, GenerateErrorKind, background, photo::Photo, raster::Raster};

/// Opacity from which a pixel counts as part of the object, of 255.
const OPAQUE_MIN: u8 = 128;
/// A photo is a cut-out when more than one pixel in this many is transparent: below that it is
/// the leftover of an editor.
const TRANSPARENT_ONE_IN: usize = 1000;

/// An object without its surroundings.
pub(super) struct Cutout {
    /// How far each pixel belongs to the object, from 0 to 1.
    pub(super) opacity: Raster,
}

impl Cutout {
    /// Finds the object of a photo: what its transparency leaves, or what stands before a plain
    /// background. `None` is a full picture.
    pub(super) fn find(photo: &Photo) -> Result<Option<Self>, GenerateError> {
        let (width, height) = photo.size_px();
        let transparent = photo.pixels.pixels().filter(|pixel| pixel[3] < OPAQUE_MIN).count();
        if transparent == width * height {
            let message = "the image is empty: every pixel is transparent";
            return Err(GenerateError::new(GenerateErrorKind::Empty, message));
        }
        if transparent * TRANSPARENT_ONE_IN > width * height {
            let opacity = photo.pixels.pixels().map(|pixel| f32::from(pixel[3]) / 255.0).collect();
            return Ok(Some(Self { opacity: Raster { width, height, values: opacity } }));
        }
        Ok(background::remove(&photo.pixels).map(|opacity| Self { opacity }))
    }
}
