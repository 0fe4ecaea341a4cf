//! The name of an entry's file: `<key>.<digest>.<payload bytes>.<generation>`.
//!
//! The name alone says what is found by it. Of two files of one key the one with the higher
//! generation holds; a generation below the [epoch](super::epoch) was cleared.

use std::fmt;
use std::str::FromStr;

use meshmemo::{Digest, Key};

/// The name of an entry's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) key: Key,
    pub(super) digest: Digest,
    pub(super) payload_bytes: u64,
    pub(super) generation: u64,
}

/// The highest generation that is ever drawn: in microseconds since 1970, some 290,000 years.
pub(super) const GENERATION_MAX: u64 = i64::MAX as u64;

/// The directory of a key's files: one of 256, by its first byte.
///
/// One level and not two: a hundred thousand entries are some 400 to a directory, and a new entry
/// costs the sync of one directory. Two levels would make tens of thousands of directories of a
/// few entries, which take as long to read as the entries and 4 KiB each.
pub(super) fn directory(key: &Key) -> u8 {
    key.as_bytes()[0]
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, digest, payload_bytes, generation } = self;
        write!(f, "{key}.{digest}.{payload_bytes}.{generation}")
    }
}

impl FromStr for Name {
    type Err = ();

    /// Reads a name; one that would be written otherwise is none.
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('.');
        let mut part = || parts.next().ok_or(());
        let name = Self {
            key: part()?.parse().map_err(drop)?,
            digest: part()?.parse().map_err(drop)?,
            payload_bytes: part()?.parse().map_err(drop)?,
            generation: part()?.parse().map_err(drop)?,
        };
        let is_drawn = name.generation <= GENERATION_MAX;
        if is_drawn && name.to_string() == text { Ok(name) } else { Err(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written_and_in_no_other_way() {
        let name = Name {
            key: Key::from_bytes([0xab; 32]),
            digest: Digest::of(b"cup"),
            payload_bytes: 3,
            generation: 1_790_000_000_000_000,
        };
        let text = name.to_string();
        assert_eq!(text.parse(), Ok(name));
        assert_eq!(directory(&name.key), 0xab);
        for wrong in [
            text.replace(".3.", ".03."),
            text.replace(".3.", ".+3."),
            text.to_uppercase(),
            format!("{text}.tmp"),
            text.replace(".1790000000000000", ".18446744073709551615"),
            text[1..].to_owned(),
            String::new(),
        ] {
            assert_eq!(wrong.parse::<Name>(), Err(()), "{wrong}");
        }
    }
}
