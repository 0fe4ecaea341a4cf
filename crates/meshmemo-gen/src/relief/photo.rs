//! A decoded photo: upright, 8 bits per channel, no larger than the working size.
//! Its size is checked against the limits before memory for its pixels is taken.

use std::io::Cursor;

use image::{
    DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbaImage,
    metadata::Orientation,
};

use super::{
    GenerateError, GenerateErrorKind,
    limits::{DECODER_BYTES_MAX, PIXELS_MAX, SIDE_MAX_PX, WORKING_SIDE_MAX_PX},
    progress::{Reporter, Step},
};
use crate::{ImageType, image_type};

/// A decoded photo.
pub(super) struct Photo {
    /// The pixels, upright, at most [`WORKING_SIDE_MAX_PX`] on the long side.
    pub(super) pixels: RgbaImage,
}

impl Photo {
    /// Decodes the bytes of a PNG, JPEG or WebP file.
    pub(super) fn decode(bytes: &[u8], reporter: &mut Reporter<'_>) -> Result<Self, GenerateError> {
        reporter.report(Step::Decode, 0.0)?;
        let (picture, orientation) = read(bytes)?;
        reporter.report(Step::Decode, 0.6)?;
        // Shrinking comes before turning and widening, so that only the decoder ever holds the
        // full size.
        let mut picture = shrink(picture);
        picture.apply_orientation(orientation);
        reporter.report(Step::Decode, 1.0)?;
        Ok(Self { pixels: picture.into_rgba8() })
    }

    /// Returns width and height in pixels.
    pub(super) fn size_px(&self) -> (usize, usize) {
        (self.pixels.width() as usize, self.pixels.height() as usize)
    }
}

fn read(bytes: &[u8]) -> Result<(DynamicImage, Orientation), GenerateError> {
    if bytes.is_empty() {
        return Err(GenerateError::new(GenerateErrorKind::Empty, "the image is empty (0 bytes)"));
    }
    let format = match image_type(bytes) {
        Some(ImageType::Png) => ImageFormat::Png,
        Some(ImageType::Jpeg) => ImageFormat::Jpeg,
        Some(ImageType::Webp) => ImageFormat::WebP,
        None => {
            let message = "the file is not an image of a known type: send PNG, JPEG or WebP";
            return Err(GenerateError::new(GenerateErrorKind::UnsupportedType, message));
        }
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(DECODER_BYTES_MAX);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(undecodable)?;
    check_size(decoder.dimensions())?;
    // A photo whose orientation cannot be read is shown as it is stored, as viewers do.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let picture = DynamicImage::from_decoder(decoder).map_err(undecodable)?;
    Ok((picture, orientation))
}

fn check_size((width_px, height_px): (u32, u32)) -> Result<(), GenerateError> {
    let pixels = u64::from(width_px) * u64::from(height_px);
    if pixels == 0 {
        return Err(GenerateError::new(GenerateErrorKind::Empty, "the image has no pixels"));
    }
    if width_px <= SIDE_MAX_PX && height_px <= SIDE_MAX_PX && pixels <= PIXELS_MAX {
        return Ok(());
    }
    let message = format!(
        "the image is {width_px} × {height_px} pixels, but may have at most {SIDE_MAX_PX} on a \
         side and {PIXELS_MAX} in all"
    );
    Err(GenerateError::new(GenerateErrorKind::TooLarge, message))
}

fn undecodable(error: ImageError) -> GenerateError {
    if matches!(error, ImageError::Limits(_)) {
        let message = format!(
            "decoding the image takes more than the {} MiB that are allowed",
            DECODER_BYTES_MAX / (1024 * 1024)
        );
        return GenerateError::caused(GenerateErrorKind::TooLarge, message, error);
    }
    let message = format!("the image is damaged or cannot be decoded: {error}");
    GenerateError::caused(GenerateErrorKind::Undecodable, message, error)
}

fn shrink(picture: DynamicImage) -> DynamicImage {
    let long_px = picture.width().max(picture.height());
    if long_px <= WORKING_SIDE_MAX_PX {
        return picture;
    }
    let scaled = |side: u32| {
        let side = u64::from(side) * u64::from(WORKING_SIDE_MAX_PX) / u64::from(long_px);
        u32::try_from(side).unwrap_or(WORKING_SIDE_MAX_PX).max(1)
    };
    picture.thumbnail_exact(scaled(picture.width()), scaled(picture.height()))
}
