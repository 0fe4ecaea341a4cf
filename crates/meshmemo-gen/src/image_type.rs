//! Which picture formats are accepted, told by their first bytes and never by a file name.

/// A picture format that can be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ImageType {
    /// PNG, also animated PNG, of which the default picture is taken.
    Png,
    /// JPEG.
    Jpeg,
    /// WebP, also animated, of which the first frame is taken.
    Webp,
}

impl ImageType {
    /// Returns the name, as Pillow writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::Webp => "WEBP",
        }
    }

    /// Returns the media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
        }
    }
}

/// Tells the picture format by the first bytes of a file; `None` is a type that is not accepted.
pub fn image_type(bytes: &[u8]) -> Option<ImageType> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some(ImageType::Png)
    } else if bytes.starts_with(b"\xff\xd8\xff") {
        Some(ImageType::Jpeg)
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        Some(ImageType::Webp)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_told_by_its_first_bytes() {
        assert_eq!(image_type(b"\x89PNG\r\n\x1a\n...."), Some(ImageType::Png));
        assert_eq!(image_type(b"\xff\xd8\xff\xe0"), Some(ImageType::Jpeg));
        assert_eq!(image_type(b"RIFF\0\0\0\0WEBPVP8 "), Some(ImageType::Webp));
        assert_eq!(image_type(b"RIFF\0\0\0\0WAVE"), None);
        assert_eq!(image_type(b"GIF89a"), None);
        assert_eq!(image_type(b""), None);
    }
}
