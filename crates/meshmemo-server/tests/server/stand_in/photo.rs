//! What a picture says of itself at its beginning; nobody looks at its pixels here.

/// What is known of a picture without decoding it, in the words of Pillow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Photo {
    pub(super) format: &'static str,
    pub(super) mode: &'static str,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Photo {
    /// Reads the beginning of a picture; nothing, if it is none that is known here.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        png(bytes)
            .or_else(|| jpeg(bytes))
            .or_else(|| webp(bytes))
            .or_else(|| gif(bytes))
            .or_else(|| bmp(bytes))
    }

    pub(super) fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Returns whether Pillow's mode has alpha; that a palette may have it does not count.
    pub(super) fn has_transparency(self) -> bool {
        matches!(self.mode, "RGBA" | "LA")
    }
}

fn png(bytes: &[u8]) -> Option<Photo> {
    if !bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return None;
    }
    let mode = match (bytes.get(24)?, bytes.get(25)?) {
        (1, 0) => "1",
        (16, 0) => "I;16",
        (_, 0) => "L",
        (_, 3) => "P",
        (_, 4) => "LA",
        (_, 6) => "RGBA",
        _ => "RGB",
    };
    let (width, height) = (big_endian(bytes, 16, 4)?, big_endian(bytes, 20, 4)?);
    Some(Photo { format: "PNG", mode, width, height })
}

/// Goes from segment to segment until one begins a frame.
fn jpeg(bytes: &[u8]) -> Option<Photo> {
    if !bytes.starts_with(b"\xff\xd8\xff") {
        return None;
    }
    let mut at = 2;
    loop {
        match bytes.get(at + 1)? {
            0xc4 | 0xc8 | 0xcc => {}
            0xc0..=0xcf => break,
            _ => {}
        }
        at += 2 + big_endian(bytes, at + 2, 2)? as usize;
    }
    let mode = match bytes.get(at + 9)? {
        1 => "L",
        4 => "CMYK",
        _ => "RGB",
    };
    let (height, width) = (big_endian(bytes, at + 5, 2)?, big_endian(bytes, at + 7, 2)?);
    Some(Photo { format: "JPEG", mode, width, height })
}

fn webp(bytes: &[u8]) -> Option<Photo> {
    if !bytes.starts_with(b"RIFF") || bytes.get(8..12)? != b"WEBP" {
        return None;
    }
    let (width, height, has_alpha) = match bytes.get(12..16)? {
        b"VP8X" => {
            let has_alpha = bytes.get(20)? & 0x10 != 0;
            (little_endian(bytes, 24, 3)? + 1, little_endian(bytes, 27, 3)? + 1, has_alpha)
        }
        b"VP8L" => {
            let bits = little_endian(bytes, 21, 4)?;
            ((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1, bits >> 28 & 1 == 1)
        }
        _ => {
            let side = |at| little_endian(bytes, at, 2).map(|side| side & 0x3fff);
            (side(26)?, side(28)?, false)
        }
    };
    let mode = if has_alpha { "RGBA" } else { "RGB" };
    Some(Photo { format: "WEBP", mode, width, height })
}

fn gif(bytes: &[u8]) -> Option<Photo> {
    if !bytes.starts_with(b"GIF8") {
        return None;
    }
    let (width, height) = (little_endian(bytes, 6, 2)?, little_endian(bytes, 8, 2)?);
    Some(Photo { format: "GIF", mode: "P", width, height })
}

fn bmp(bytes: &[u8]) -> Option<Photo> {
    if !bytes.starts_with(b"BM") {
        return None;
    }
    let (width, height) = (little_endian(bytes, 18, 4)?, little_endian(bytes, 22, 4)?);
    Some(Photo { format: "BMP", mode: "RGB", width, height })
}

fn big_endian(bytes: &[u8], at: usize, length: usize) -> Option<u32> {
    let digits = bytes.get(at..at + length)?;
    Some(digits.iter().fold(0, |number, digit| number << 8 | u32::from(*digit)))
}

fn little_endian(bytes: &[u8], at: usize, length: usize) -> Option<u32> {
    let digits = bytes.get(at..at + length)?;
    Some(digits.iter().rev().fold(0, |number, digit| number << 8 | u32::from(*digit)))
}
