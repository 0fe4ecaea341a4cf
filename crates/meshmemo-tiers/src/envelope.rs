//! The stored form of an entry: its bytes, and behind them a footer that describes and seals them.
//!
//! ```text
//! payload   the exact bytes that are sent, from offset 0
//! header    chunk_bytes: u32, payload_bytes: u64, digest: [u8; 32], key: [u8; 32]
//! fields    tag: u16, length: u32, bytes; as often as needed (`fields.rs`)
//! sums      XXH3-64 of each chunk of the payload: u64 each
//! tail      fields_bytes: u32, footer_bytes: u32, version: u32, XXH3-64 of the footer before
//!           this: u64, magic: [u8; 8]
//! ```
//!
//! Numbers are little-endian. `digest` is the BLAKE3-256 of the payload. The footer is everything
//! behind the payload, the tail included. Whatever the version, a file ends with a version, eight
//! bytes and the magic. XXH3-64 is specified in the [xxHash repository].
//!
//! A range of the payload is verified by the sums of the chunks that it touches, so that reading a
//! part never needs the whole. The same form serves every tier below memory.
//!
//! [xxHash repository]: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md

pub(crate) mod codec;
mod fields;

use std::fmt;
use std::ops::Range;

use meshmemo::{Digest, Key, Meta};
use twox_hash::XxHash3_64;

use crate::limits::FOOTER_MAX_BYTES;
use codec::{Reader, Writer};

/// Bytes of a chunk, the last one of a payload apart.
pub const CHUNK_BYTES: u32 = 1 << 20;
/// Bytes of the part at the very end that says how long the footer is.
pub const TAIL_BYTES: usize = 28;

/// What a chunk may have in a file that is read: a chunk is read at once.
const CHUNK_LEAST_BYTES: u64 = 4096;
const CHUNK_MOST_BYTES: u64 = 64 << 20;

const HEADER_BYTES: usize = 4 + 8 + 32 + 32;
const VERSION: u32 = 1;
const MAGIC: [u8; 8] = *b"meshmemo";

/// What a footer says.
#[derive(Debug, Clone, PartialEq)]
pub struct Footer {
    /// What is known of the entry.
    pub meta: Meta,
    chunk_bytes: u64,
    sums: Vec<u64>,
}

/// Why a file is not an entry that can be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// A newer version wrote it; it is to be left as it is.
    Newer,
    /// It is not what was written; with what is wrong.
    Corrupt(String),
}

impl Broken {
    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt(what.into())
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer => f.write_str("it is in the format of a newer version"),
            Self::Corrupt(what) => f.write_str(what),
        }
    }
}

/// Returns the footer that seals a payload.
pub fn seal(meta: &Meta, payload: &[u8]) -> Vec<u8> {
    seal_in(CHUNK_BYTES, meta, payload)
}

/// Returns the footer that seals a payload in chunks of so many bytes.
pub(crate) fn seal_in(chunk_bytes: u32, meta: &Meta, payload: &[u8]) -> Vec<u8> {
    let fields = fields::write(meta);
    let mut footer = Writer::default();
    footer.u32(chunk_bytes);
    footer.u64(payload.len() as u64);
    footer.raw(meta.digest.as_bytes());
    footer.raw(meta.key.as_bytes());
    footer.raw(&fields);
    for chunk in payload.chunks(chunk_bytes as usize) {
        footer.u64(XxHash3_64::oneshot(chunk));
    }
    footer.u32(u32::try_from(fields.len()).expect("what is known of an entry has no 4 GiB"));
    let footer_bytes = footer.0.len() - 4 + TAIL_BYTES;
    footer.u32(u32::try_from(footer_bytes).expect("a payload has less than 2^29 chunks"));
    footer.u32(VERSION);
    footer.u64(XxHash3_64::oneshot(&footer.0));
    footer.raw(&MAGIC);
    footer.0
}

/// Returns how long the footer is of a file of `file_bytes` that ends with `tail`, its last
/// [`TAIL_BYTES`].
///
/// # Errors
/// `Corrupt` if this is no footer's end; `Newer` if a newer version says it in another way.
pub fn footer_bytes(tail: &[u8], file_bytes: u64) -> Result<usize, Broken> {
    let corrupt = || Broken::corrupt("it does not end as an entry does");
    let mut reader = Reader(tail);
    let numbers = (reader.u32(), reader.u32(), reader.u32(), reader.u64(), reader.array::<8>());
    let (Some(_), Some(footer_bytes), Some(version), Some(_), Some(MAGIC)) = numbers else {
        return Err(corrupt());
    };
    let least = u32::try_from(HEADER_BYTES + TAIL_BYTES).expect("both are small");
    let is_plausible =
        (least..=FOOTER_MAX_BYTES).contains(&footer_bytes) && u64::from(footer_bytes) <= file_bytes;
    match version {
        0 => Err(corrupt()),
        _ if is_plausible => Ok(footer_bytes as usize),
        VERSION => Err(corrupt()),
        _ => Err(Broken::Newer),
    }
}

/// Reads a footer, whole.
///
/// # Errors
/// `Newer`, or `Corrupt` with what is wrong.
pub fn read(footer: &[u8]) -> Result<Footer, Broken> {
    let corrupt = |what: &str| Broken::corrupt(what);
    let tail = footer.last_chunk::<TAIL_BYTES>().ok_or_else(|| corrupt("its footer is cut"))?;
    if footer_bytes(tail, footer.len() as u64)? != footer.len() {
        return Err(corrupt("its footer has another length than it says"));
    }
    let (sealed, seal) = footer.split_at(footer.len() - 16);
    let (body, version) = sealed.split_at(sealed.len() - 4);
    let sum = Reader(seal).u64();
    let ours = [body, &VERSION.to_le_bytes()].concat();
    if version != VERSION.to_le_bytes() {
        // Of our version it is if the sum says so, and then a bit of the version has changed.
        let is_ours = sum == Some(XxHash3_64::oneshot(&ours));
        return Err(if is_ours { corrupt("its version has changed") } else { Broken::Newer });
    }
    if sum != Some(XxHash3_64::oneshot(sealed)) {
        return Err(corrupt("its footer has changed"));
    }
    parse(sealed).ok_or_else(|| corrupt("its footer contradicts itself"))?
}

/// Reads a footer that is what was written; nothing if it contradicts itself.
fn parse(sealed: &[u8]) -> Option<Result<Footer, Broken>> {
    let (body, tail) = sealed.split_at_checked(sealed.len().checked_sub(12)?)?;
    let fields_bytes = Reader(tail).u32()? as usize;
    let mut reader = Reader(body);
    let (chunk_bytes, payload_bytes) = (u64::from(reader.u32()?), reader.u64()?);
    let digest = Digest::from_bytes(reader.array()?);
    let key = Key::from_bytes(reader.array()?);
    let fields = reader.take(fields_bytes)?;
    let mut sums = Vec::with_capacity(reader.0.len() / 8);
    while let Some(sum) = reader.u64() {
        sums.push(sum);
    }
    let is_chunk = (CHUNK_LEAST_BYTES..=CHUNK_MOST_BYTES).contains(&chunk_bytes);
    let chunk_count = is_chunk.then(|| payload_bytes.div_ceil(chunk_bytes))?;
    if !reader.is_at_end() || sums.len() as u64 != chunk_count {
        return None;
    }
    let meta = fields::read(fields, fields::blank(key, digest, payload_bytes));
    Some(meta.map(|meta| Footer { meta, chunk_bytes, sums }))
}

impl Footer {
    /// Returns the bytes of the payload that must be read to verify `range`: whole chunks.
    pub fn verifiable(&self, range: &Range<u64>) -> Range<u64> {
        let start = range.start / self.chunk_bytes * self.chunk_bytes;
        let end = range.end.div_ceil(self.chunk_bytes).saturating_mul(self.chunk_bytes);
        start..end.min(self.meta.size_bytes)
    }

    /// Returns how many bytes a chunk has, the last one apart.
    pub fn chunk_bytes(&self) -> usize {
        usize::try_from(self.chunk_bytes).unwrap_or(usize::MAX)
    }

    /// Verifies the chunk of the payload that begins at `start`.
    ///
    /// # Errors
    /// `Corrupt` if it is not what was written.
    pub fn verify(&self, start: u64, chunk: &[u8]) -> Result<(), Broken> {
        let number = usize::try_from(start / self.chunk_bytes).unwrap_or(usize::MAX);
        if self.sums.get(number) == Some(&XxHash3_64::oneshot(chunk)) {
            return Ok(());
        }
        Err(Broken::corrupt(format!("its chunk {number} has changed")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(payload: &[u8]) -> Meta {
        fields::blank(Key::from_bytes([1; 32]), Digest::of(payload), payload.len() as u64)
    }

    #[test]
    fn a_footer_is_read_back_and_verifies_its_payload() {
        for length in [0, 1, CHUNK_BYTES as usize, CHUNK_BYTES as usize + 1] {
            let payload = vec![7; length];
            let sealed = seal(&meta(&payload), &payload);
            let footer = read(&sealed).unwrap();
            assert_eq!(footer.meta, meta(&payload));
            let (tail, length) = (&sealed[sealed.len() - TAIL_BYTES..], sealed.len());
            assert_eq!(footer_bytes(tail, length as u64), Ok(length));
            assert!(footer_bytes(tail, length as u64 - 1).is_err(), "it is longer than its file");
            for (number, chunk) in payload.chunks(CHUNK_BYTES as usize).enumerate() {
                let start = number as u64 * u64::from(CHUNK_BYTES);
                assert_eq!(footer.verify(start, chunk), Ok(()));
                assert!(footer.verify(start, &chunk[1..]).is_err());
            }
        }
    }

    #[test]
    fn a_range_is_verified_by_the_chunks_that_it_touches() {
        let payload = vec![7; 3 * CHUNK_BYTES as usize + 5];
        let footer = read(&seal(&meta(&payload), &payload)).unwrap();
        let chunk = u64::from(CHUNK_BYTES);
        for (range, chunks) in [
            (0..1, 0..chunk),
            (chunk - 1..chunk + 1, 0..2 * chunk),
            (3 * chunk..3 * chunk + 5, 3 * chunk..3 * chunk + 5),
            (2 * chunk..u64::MAX, 2 * chunk..3 * chunk + 5),
        ] {
            assert_eq!(footer.verifiable(&range), chunks, "{range:?}");
        }
    }

    /// A payload of 2^64 bytes in chunks of one byte: the product of both overflowed. Fuzzing
    /// found it.
    #[test]
    fn numbers_that_contradict_one_another_are_corrupt() {
        let payload = vec![7; 5];
        for (at, number) in [(0, [1; 12]), (0, [0; 12]), (0, [0xff; 12])] {
            let mut footer = seal(&meta(&payload), &payload);
            footer[at..at + 12].copy_from_slice(&number);
            let sum_at = footer.len() - 16;
            let sum = XxHash3_64::oneshot(&footer[..sum_at]);
            footer[sum_at..sum_at + 8].copy_from_slice(&sum.to_le_bytes());
            assert!(matches!(read(&footer), Err(Broken::Corrupt(_))), "{number:?}");
        }
    }
}
