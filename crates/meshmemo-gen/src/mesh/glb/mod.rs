//! GLB, the container of binary glTF 2.0: a header, a chunk of JSON and a chunk of bytes.

mod check;
mod document;
mod read;
mod write;

pub(super) use check::check;
pub(super) use read::read;
pub(super) use write::write;

use super::{MeshError, words::u32_at};
use document::Document;

const MAGIC: u32 = u32::from_le_bytes(*b"glTF");
const VERSION: u32 = 2;
const JSON_CHUNK: u32 = u32::from_le_bytes(*b"JSON");
const BINARY_CHUNK: u32 = u32::from_le_bytes(*b"BIN\0");
/// Bytes of the header, and of the header of a chunk.
const HEADER_BYTES: usize = 12;
const CHUNK_HEADER_BYTES: usize = 8;

/// Returns whether a well-formed GLB has a texture.
pub(super) fn is_textured(bytes: &[u8]) -> bool {
    Container::parse(bytes).is_ok_and(|container| {
        let Document { images, textures, .. } = &container.document;
        !images.is_empty() && !textures.is_empty()
    })
}

/// A GLB taken apart.
struct Container<'a> {
    document: Document,
    /// The binary chunk, if there is one.
    binary: Option<&'a [u8]>,
}

impl<'a> Container<'a> {
    /// Takes a file apart; it must be as long as it says, and its chunks must fill it.
    fn parse(bytes: &'a [u8]) -> Result<Self, MeshError> {
        let (Some(magic), Some(version), Some(length)) =
            (u32_at(bytes, 0), u32_at(bytes, 4), u32_at(bytes, 8))
        else {
            return Err(MeshError::truncated("the GLB ends within its header"));
        };
        if magic != MAGIC || version != VERSION {
            return Err(MeshError::malformed("the file is not a GLB of version 2"));
        }
        let (announced, actual) = (u64::from(length), bytes.len() as u64);
        if announced != actual {
            let message = format!("the GLB has {actual} bytes, but announces {announced}");
            return Err(if actual < announced {
                MeshError::truncated(message)
            } else {
                MeshError::malformed(message)
            });
        }
        let (mut json, mut binary) = (None, None);
        let mut rest = &bytes[HEADER_BYTES..];
        while !rest.is_empty() {
            let (kind, chunk, after) = split_chunk(rest)?;
            match kind {
                JSON_CHUNK if json.is_none() => json = Some(chunk),
                BINARY_CHUNK if json.is_some() && binary.is_none() => binary = Some(chunk),
                _ if json.is_none() => {
                    return Err(MeshError::malformed("the GLB does not begin with JSON"));
                }
                // Chunks of other kinds are allowed, and are to be ignored.
                _ => {}
            }
            rest = after;
        }
        let json = json.ok_or_else(|| MeshError::truncated("the GLB has no chunk of JSON"))?;
        let document = serde_json::from_slice(json)
            .map_err(|error| MeshError::malformed(format!("the GLB's JSON is wrong: {error}")))?;
        Ok(Self { document, binary })
    }
}

fn split_chunk(bytes: &[u8]) -> Result<(u32, &[u8], &[u8]), MeshError> {
    let cut_off = || MeshError::truncated("the GLB ends within a chunk");
    let (Some(length), Some(kind)) = (u32_at(bytes, 0), u32_at(bytes, 4)) else {
        return Err(cut_off());
    };
    let length = usize::try_from(length).map_err(|_| cut_off())?;
    let (chunk, after) =
        bytes[CHUNK_HEADER_BYTES..].split_at_checked(length).ok_or_else(cut_off)?;
    Ok((kind, chunk, after))
}
