//! What makes two requests the same: everything that reaches the generation, and nothing else.
//!
//! The image counts by the digest of its file, so that base64 and multipart of one file agree. The
//! format is not part of it: it is the variant. A seed that was sent counts even though the relief
//! generator ignores it, so that a client which asks for another result is never given the first.

use std::collections::BTreeMap;

use meshmemo::{Digest, Identity, Value};

use crate::{Parameters, relief};

/// The namespace of everything that is generated without an API key.
pub const NAMESPACE: &str = "default";
/// The adapter whose parameters these are.
pub const ADAPTER: &str = "native";

/// Returns the identity of a relief generation of `image` with `parameters`, of the model that the
/// operator calls `model_id`.
pub fn identity(
    namespace: &str,
    model_id: &str,
    parameters: &Parameters,
    image: &[u8],
) -> Identity {
    let Parameters { format: _, quality, width_mm, height_mm, depth_mm, seed } = parameters;
    let mut effective = BTreeMap::from([
        ("quality".to_owned(), Value::Integer((*quality).into())),
        ("width_mm".to_owned(), Value::Number(*width_mm)),
        ("height_mm".to_owned(), Value::Number(*height_mm)),
        ("depth_mm".to_owned(), Value::Number(*depth_mm)),
    ]);
    if let Some(seed) = seed {
        effective.insert("seed".to_owned(), Value::Integer((*seed).into()));
    }
    Identity {
        namespace: namespace.to_owned(),
        adapter: ADAPTER.to_owned(),
        model_id: model_id.to_owned(),
        model_revision: relief::REVISION.to_string(),
        parameters: effective,
        images: vec![Digest::of(image)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Format;

    fn key(change: impl FnOnce(&mut Parameters)) -> String {
        let mut parameters = Parameters::default();
        change(&mut parameters);
        identity(NAMESPACE, "relief", &parameters, b"photo").generation_key().to_string()
    }

    #[test]
    fn defaults_said_or_left_out_share_a_key() {
        let said = key(|parameters| {
            for (field, value) in [("quality", "7"), ("width_mm", "100.0"), ("depth_mm", "2e1")] {
                parameters.set(field, value).unwrap();
            }
        });
        assert_eq!(said, key(|_| {}));
    }

    #[test]
    fn the_format_is_a_variant_and_everything_else_is_another_generation() {
        let default = key(|_| {});
        assert_eq!(key(|parameters| parameters.format = Format::Stl), default);
        for (field, value) in [
            ("quality", "8"),
            ("width_mm", "99"),
            ("height_mm", "99"),
            ("depth_mm", "19.5"),
            ("seed", "0"),
            ("seed", "18446744073709551615"),
        ] {
            let other = key(|parameters| parameters.set(field, value).unwrap());
            assert_ne!(other, default, "{field}");
        }
        let parameters = Parameters::default();
        let other = |model: &str, photo: &[u8]| {
            identity(NAMESPACE, model, &parameters, photo).generation_key().to_string()
        };
        assert_ne!(other("relief", b"another photo"), default);
        assert_ne!(other("relief-2", b"photo"), default);
    }

    #[test]
    fn golden_keys_hold_still() {
        let golden = "c72b1582e1bac0e585874c63f60448f88a1acb24ac8f45adb5451cda64556399";
        assert_eq!(key(|_| {}), golden, "a change here loses every entry: bump the key's version");
    }
}
