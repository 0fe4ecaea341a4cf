//! The end of a stored entry, as any file may have it: read or refused, and never a panic.
//!
//! The bytes are tried as they are, and once more with the sum and the magic put right, so that what
//! lies behind the sum is reached too.

#![no_main]

use libfuzzer_sys::fuzz_target;
use meshmemo_tiers::envelope::{Footer, TAIL_BYTES, footer_bytes, read};
use twox_hash::XxHash3_64;

/// The sum and the magic at the very end.
const SEAL_BYTES: usize = 16;

fuzz_target!(|file: &[u8]| {
    try_file(file);
    try_file(&sealed(file));
});

/// Puts the length, the version, the sum and the magic right.
fn sealed(file: &[u8]) -> Vec<u8> {
    let mut footer = file.to_vec();
    footer.resize(footer.len().max(TAIL_BYTES), 0);
    let length = u32::try_from(footer.len()).unwrap_or(u32::MAX);
    let end = footer.len() - SEAL_BYTES;
    footer[end - 8..end - 4].copy_from_slice(&length.to_le_bytes());
    footer[end - 4..end].copy_from_slice(&1_u32.to_le_bytes());
    let sum = XxHash3_64::oneshot(&footer[..end]);
    footer[end..end + 8].copy_from_slice(&sum.to_le_bytes());
    footer[end + 8..].copy_from_slice(b"meshmemo");
    footer
}

fn try_file(file: &[u8]) {
    let Some(tail) = file.last_chunk::<TAIL_BYTES>() else { return };
    let Ok(length) = footer_bytes(tail, file.len() as u64) else { return };
    let Some(start) = file.len().checked_sub(length) else { return };
    if let Ok(footer) = read(&file[start..]) {
        use_footer(&footer, &file[..start]);
    }
}

/// Whatever a footer says, using it does not panic.
fn use_footer(footer: &Footer, payload: &[u8]) {
    for range in [0..0, 0..1, 5..u64::MAX, 0..footer.meta.size_bytes] {
        let chunks = footer.verifiable(&range);
        let _refused = footer.verify(chunks.start, payload);
    }
}
