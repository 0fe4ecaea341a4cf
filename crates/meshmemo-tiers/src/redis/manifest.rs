//! What makes an entry one: a hash in Redis whose field `m` is its manifest, and whose other fields are the
//! chunks of its bytes. Redis evicts it whole.
//!
//! ```text
//! mm1 e <upload: 32 hex> <chunks> <size_bytes> <digest: 64 hex>\n   then the footer (`envelope.rs`)
//! mm1 x <size_bytes>\n                                              a marker: too large to be shared
//! ```
//!
//! The line in front is text, so that scripts in Redis can read it. The names of chunks have the upload in
//! them: who reads an entry that is replaced meanwhile gets no byte of the other one.

use meshmemo::Digest;

/// The line in front of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    Entry(Upload),
    Marker,
}

/// The bytes of an entry in Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Upload {
    /// What tells it from all others.
    pub(super) id: String,
    pub(super) chunk_count: u64,
    pub(super) size_bytes: u64,
    pub(super) digest: Digest,
}

impl Upload {
    /// The field of a chunk.
    pub(super) fn chunk(&self, number: u64) -> String {
        format!("{}:{number}", self.id)
    }

    /// Writes the manifest of an entry.
    pub(super) fn manifest(&self, footer: &[u8]) -> Vec<u8> {
        let Self { id, chunk_count, size_bytes, digest } = self;
        let mut manifest = format!("mm1 e {id} {chunk_count} {size_bytes} {digest}\n").into_bytes();
        manifest.extend_from_slice(footer);
        manifest
    }
}

/// The field of a manifest.
pub(super) const MANIFEST: &str = "m";

/// Writes a marker: there is such an entry, and it is too large to be shared.
pub(super) fn marker(size_bytes: u64) -> String {
    format!("mm1 x {size_bytes}\n")
}

/// Takes a manifest apart into its line and the footer; nothing if it is none.
pub(super) fn read(manifest: &[u8]) -> Option<(Line, &[u8])> {
    let end = manifest.iter().position(|byte| *byte == b'\n')?;
    let (line, footer) = (std::str::from_utf8(&manifest[..end]).ok()?, &manifest[end + 1..]);
    Some((read_line(line)?, footer))
}

/// Reads the line alone.
pub(super) fn read_line(line: &str) -> Option<Line> {
    let words: Vec<&str> = line.trim_end().split(' ').collect();
    match words[..] {
        ["mm1", "e", id, chunk_count, size_bytes, digest] => Some(Line::Entry(Upload {
            id: id.to_owned(),
            chunk_count: chunk_count.parse().ok()?,
            size_bytes: size_bytes.parse().ok()?,
            digest: digest.parse().ok()?,
        })),
        ["mm1", "x", _] => Some(Line::Marker),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_garbage_is_not() {
        let digest = Digest::of(b"bytes");
        let upload = Upload { id: "ab".repeat(16), chunk_count: 3, size_bytes: 2_500_000, digest };
        let manifest = upload.manifest(b"footer\nof two lines");
        let (line, footer) = read(&manifest).unwrap();
        assert_eq!((line, footer), (Line::Entry(upload), &b"footer\nof two lines"[..]));
        assert_eq!(read(marker(7).as_bytes()), Some((Line::Marker, &b""[..])));
        for garbage in ["", "mm1 e", "mm2 x 7\n", "mm1 e a b c d\n", "mm1 x 7"] {
            assert_eq!(read(garbage.as_bytes()), None, "{garbage}");
        }
    }
}
