//! Little-endian words, read without panics and written at fixed widths.

/// Returns the `N` bytes at `offset`, or `None` where the input ends before them.
pub(super) fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..offset.checked_add(N)?)?.try_into().ok()
}

/// Returns the unsigned word at `offset`.
pub(super) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    array_at(bytes, offset).map(u32::from_le_bytes)
}

/// Returns the floating point number at `offset`.
pub(super) fn f32_at(bytes: &[u8], offset: usize) -> Option<f32> {
    array_at(bytes, offset).map(f32::from_le_bytes)
}

/// Appends numbers.
pub(super) fn push_f32s(bytes: &mut Vec<u8>, numbers: &[f32]) {
    for number in numbers {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
}
