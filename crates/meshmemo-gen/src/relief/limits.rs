//! The generator's bounds, each with its reason. Memory stays below 1.5 GB at all of them.

/// Most pixels on one side of a photo: above any camera, below decompression bombs.
pub(super) const SIDE_MAX_PX: u32 = 16_384;
/// Most pixels of a photo: 64 megapixels, which 16-bit RGBA decodes into 512 MiB.
pub(super) const PIXELS_MAX: u64 = 64 * 1024 * 1024;
/// Most that a decoder may allocate, in bytes: the largest photo and its own working memory.
pub(super) const DECODER_BYTES_MAX: u64 = 768 * 1024 * 1024;
/// Most pixels on the long side of the picture worked on, which also becomes the texture.
pub(super) const WORKING_SIDE_MAX_PX: u32 = 2048;
/// Cells on the long side for quality 1 to 10: geometric from 64 to 1024. A table, because `powf`
/// may differ between platforms.
const CELLS_BY_QUALITY: [usize; 10] = [64, 87, 119, 161, 219, 299, 406, 553, 752, 1024];
/// The least cells on the long side, however small the photo.
const CELLS_MIN: usize = 16;
/// The finest cell, in millimetres: finer than any printer, coarser than `f32` in metres.
const CELL_MIN_MM: f64 = 0.02;

/// Returns how many cells the long side gets: what `quality` asks for, but not more than two for
/// each pixel, nor finer than a printer can follow.
pub(super) fn cells_on_long_side(quality: u8, long_px: usize, long_mm: f64) -> usize {
    let wanted = CELLS_BY_QUALITY[usize::from(quality.clamp(1, 10)) - 1];
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a size of at most 2000 mm gives at most 100,000 cells"
    )]
    let printable = (long_mm / CELL_MIN_MM) as usize;
    wanted.min(long_px.saturating_mul(2)).min(printable).max(CELLS_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_follow_quality_pixels_and_size() {
        assert_eq!(cells_on_long_side(1, 4000, 100.0), 64);
        assert_eq!(cells_on_long_side(10, 4000, 100.0), 1024);
        assert_eq!(cells_on_long_side(10, 100, 100.0), 200);
        assert_eq!(cells_on_long_side(10, 4000, 1.0), 50);
        assert_eq!(cells_on_long_side(10, 1, 100.0), 16);
    }
}
