//! The photo as the model's texture: an opaque JPEG, so that no colour of a transparent pixel is
//! ever seen.

use image::codecs::jpeg::JpegEncoder;

use super::{
    GenerateError, GenerateErrorKind, bleed,
    cutout::Cutout,
    photo::Photo,
    progress::{Reporter, Step},
};

/// JPEG quality, of 100.
const QUALITY: u8 = 88;

/// Encodes the photo; of a cut-out the object's colours reach outwards over everything else.
pub(super) fn encode(
    photo: &Photo,
    cutout: Option<&Cutout>,
    reporter: &mut Reporter<'_>,
) -> Result<Vec<u8>, GenerateError> {
    reporter.report(Step::Texture, 0.0)?;
    let picture = match cutout {
        Some(cutout) => bleed::outwards(&photo.pixels, &cutout.opacity),
        None => bleed::onto_white(&photo.pixels),
    };
    reporter.report(Step::Texture, 0.5)?;
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY).encode_image(&picture).map_err(|error| {
        let message = "the texture could not be encoded";
        GenerateError::caused(GenerateErrorKind::Mesh, message, error)
    })?;
    reporter.report(Step::Texture, 1.0)?;
    Ok(jpeg)
}
