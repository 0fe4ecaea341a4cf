//! Base64 as Python's `b64decode` reads it, which is what the servers do: characters that are not in
//! the alphabet are skipped, and what follows the padding is not looked at.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Decodes a text; nothing, if Python would refuse it.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    // What is written plainly, which nearly all is, reads the same in both.
    STANDARD.decode(text).ok().or_else(|| decode_leniently(text.as_bytes()))
}

/// Decodes a text, or a data URI of it.
pub(crate) fn decode_uri(text: &str) -> Option<Vec<u8>> {
    match text.strip_prefix("data:") {
        None => decode(text),
        Some(uri) => {
            let (head, data) = uri.split_once(',')?;
            head.ends_with(";base64").then(|| decode(data)).flatten()
        }
    }
}

/// Encodes bytes.
pub(crate) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Walks through the text as `CPython`'s `a2b_base64` does.
fn decode_leniently(text: &[u8]) -> Option<Vec<u8>> {
    if !text.is_ascii() {
        return None;
    }
    let mut decoded = Vec::with_capacity(text.len() / 4 * 3);
    let (mut place, mut left_over, mut pads) = (0_u8, 0_u8, 0_u8);
    for &character in text {
        if character == b'=' {
            if place >= 2 {
                pads += 1;
                if place + pads >= 4 {
                    return Some(decoded);
                }
            }
            continue;
        }
        let Some(value) = value(character) else { continue };
        pads = 0;
        match place {
            0 => left_over = value,
            1 => {
                decoded.push(left_over << 2 | value >> 4);
                left_over = value & 0x0f;
            }
            2 => {
                decoded.push(left_over << 4 | value >> 2);
                left_over = value & 0x03;
            }
            _ => decoded.push(left_over << 6 | value),
        }
        place = (place + 1) % 4;
    }
    (place == 0).then_some(decoded)
}

fn value(character: u8) -> Option<u8> {
    Some(match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

/// Takes the quotes and the escapes off a JSON string.
pub(crate) fn unescape(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str(json).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `CPython` 3.11 answers.
    #[test]
    fn it_reads_what_python_reads() {
        for (text, bytes) in [
            ("", Some(&b""[..])),
            ("Y3Vw", Some(b"cup")),
            ("Y3 Vw\r\n", Some(b"cup")),
            ("Y-3_V!w", Some(b"cup")),
            ("Y3U=", Some(b"cu")),
            ("Y3V=", Some(b"cu")),
            ("Y3U=garbage", Some(b"cu")),
            ("Yw==", Some(b"c")),
            ("Y=w==", Some(b"c")),
            ("=Y3Vw", Some(b"cup")),
            ("Y3U", None),
            ("Y", None),
            ("Y3Vw\u{e9}", None),
        ] {
            assert_eq!(decode(text).as_deref(), bytes, "{text}");
        }
    }

    #[test]
    fn a_data_uri_is_read_without_its_head() {
        assert_eq!(decode_uri("data:image/png;base64,Y3Vw").as_deref(), Some(&b"cup"[..]));
        assert_eq!(decode_uri("data:image/png,cup"), None);
        // To a server that does not know them, the head is data too.
        assert_ne!(decode("data:image/png;base64,Y3Vw").as_deref(), Some(&b"cup"[..]));
    }

    #[test]
    fn escapes_are_taken_off() {
        assert_eq!(unescape(r#""Y3\nVw""#).as_deref(), Some("Y3\nVw"));
        assert_eq!(unescape(r#""Y3Vw""#).as_deref(), Some("Y3Vw"));
        assert_eq!(unescape("7"), None);
    }
}
