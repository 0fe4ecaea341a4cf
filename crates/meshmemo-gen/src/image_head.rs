//! What the head of an image says of it; nothing is decoded.

use std::io::Cursor;

use image::{ExtendedColorType, ImageDecoder, ImageFormat, ImageReader};

use crate::image_type::{ImageType, image_type};

/// Where a PNG has the bits of a sample, and its kind of colours (PNG, third edition, 11.2.1).
const PNG_DEPTH: usize = 24;
const PNG_COLOURS: usize = 25;

/// What the head of an image says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageHead {
    /// The type of the file.
    pub kind: ImageType,
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// The kind of pixels, as Pillow names it.
    pub mode: &'static str,
}

/// Reads the head of a PNG, JPEG or WebP; nothing of what is none of them, or whose head is not whole.
pub fn image_head(bytes: &[u8]) -> Option<ImageHead> {
    let kind = image_type(bytes)?;
    let format = match kind {
        ImageType::Png => ImageFormat::Png,
        ImageType::Jpeg => ImageFormat::Jpeg,
        ImageType::Webp => ImageFormat::WebP,
    };
    let decoder = ImageReader::with_format(Cursor::new(bytes), format).into_decoder().ok()?;
    let (width, height) = decoder.dimensions();
    let mode = match kind {
        ImageType::Png => png_mode(*bytes.get(PNG_COLOURS)?, *bytes.get(PNG_DEPTH)?)?,
        ImageType::Jpeg => match decoder.original_color_type() {
            ExtendedColorType::L8 => "L",
            ExtendedColorType::Cmyk8 => "CMYK",
            _ => "RGB",
        },
        ImageType::Webp if decoder.color_type().has_alpha() => "RGBA",
        ImageType::Webp => "RGB",
    };
    Some(ImageHead { kind, width, height, mode })
}

fn png_mode(colours: u8, depth: u8) -> Option<&'static str> {
    Some(match (colours, depth) {
        (0, 1) => "1",
        (0, 16) => "I;16",
        (0, _) => "L",
        (2, _) => "RGB",
        (3, _) => "P",
        (4, _) => "LA",
        (6, _) => "RGBA",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_photos_are_read_and_of_what_is_none_nothing_is() {
        let horse = include_bytes!("../../../examples/images/horse.png");
        let head = image_head(horse).unwrap();
        assert_eq!((head.kind, head.width, head.height), (ImageType::Png, 400, 328));
        let rocket = include_bytes!("../../../examples/images/rocket.jpg");
        let head = image_head(rocket).unwrap();
        assert_eq!((head.kind, head.mode), (ImageType::Jpeg, "RGB"));
        assert_eq!(image_head(&horse[..20]), None);
        assert_eq!(image_head(b"GIF89a"), None);
        assert_eq!(
            [png_mode(3, 8), png_mode(0, 16), png_mode(7, 8)],
            [Some("P"), Some("I;16"), None]
        );
    }
}
