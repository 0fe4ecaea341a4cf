//! What a result is known by.
//!
//! A [`GenerationKey`] covers all that reaches the generation; a [`Key`] adds the variant (the
//! output format); a [`Digest`] is of bytes alone. All three are BLAKE3-256. The encoding that is
//! hashed is versioned by its context string and prefixes every length, so that no two identities
//! share an encoding; `tests/engine/golden_keys.rs` holds it still. A change that loses keys is a new
//! version and a line in the CHANGELOG.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind};

const GENERATION_CONTEXT: &str = "meshmemo generation key v1";
const VARIANT_CONTEXT: &str = "meshmemo key v1";

macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident, $noun:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Takes the 32 bytes as they are.
            pub fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// Returns the 32 bytes.
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(hex: &str) -> Result<Self, Error> {
                let hash = blake3::Hash::from_hex(hex).map_err(|_| {
                    let shown: String = hex.chars().take(80).collect();
                    let message =
                        format!(concat!("`{}` is not ", $noun, ": 64 hexadecimal digits"), shown);
                    Error::new(ErrorKind::Invalid, message)
                })?;
                Ok(Self(*hash.as_bytes()))
            }
        }
    };
}

hash_type! {
    /// Names one entry: a generation in one variant. Shown as 64 hexadecimal digits.
    Key, "a key"
}

hash_type! {
    /// Names one generation, whatever the variant it is kept in. Shown as 64 hexadecimal digits.
    GenerationKey, "a generation key"
}

hash_type! {
    /// The BLAKE3-256 of some bytes. Shown as 64 hexadecimal digits.
    Digest, "a digest"
}

impl Digest {
    /// Digests bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl GenerationKey {
    /// Returns the key of this generation's `variant`.
    pub fn key(&self, variant: &str) -> Key {
        let mut encoder = Encoder::new(VARIANT_CONTEXT);
        encoder.bytes(&self.0);
        encoder.bytes(variant.as_bytes());
        Key(encoder.finish())
    }
}

/// Everything that reaches a generation, and so everything its key covers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Identity {
    /// Whose entry it is; no namespace sees another's.
    pub namespace: String,
    /// The protocol that says what the parameters mean.
    pub adapter: String,
    /// The operator's name for the model behind the backend.
    pub model_id: String,
    /// The revision of that model.
    pub model_revision: String,
    /// The effective parameters: defaults filled in, irrelevant ones left out, unknown ones kept.
    pub parameters: BTreeMap<String, Value>,
    /// The digests of the input images, in their order.
    pub images: Vec<Digest>,
}

impl Identity {
    /// Returns the key of the generation that this identifies.
    pub fn generation_key(&self) -> GenerationKey {
        let mut encoder = Encoder::new(GENERATION_CONTEXT);
        encoder.bytes(self.namespace.as_bytes());
        encoder.bytes(self.adapter.as_bytes());
        encoder.bytes(self.model_id.as_bytes());
        encoder.bytes(self.model_revision.as_bytes());
        encoder.count(self.parameters.len());
        for (name, value) in &self.parameters {
            encoder.bytes(name.as_bytes());
            encoder.value(value);
        }
        encoder.count(self.images.len());
        for image in &self.images {
            encoder.bytes(&image.0);
        }
        GenerationKey(encoder.finish())
    }
}

/// The value of a parameter. Numbers are equal if they are the same number: `7` is `7.0`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A text, as it is.
    Text(String),
    /// A number.
    Number(f64),
    /// A whole number of any size, for seeds: a 64-bit one does not fit a float.
    Integer(i128),
    /// A yes or no.
    Flag(bool),
    /// What is too long, or too deep, to be kept as it is.
    Digest(Digest),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Digest(digest) => write!(f, "{digest}"),
        }
    }
}

/// Feeds a hash with fields that can not be mistaken for one another.
struct Encoder(blake3::Hasher);

impl Encoder {
    fn new(context: &str) -> Self {
        Self(blake3::Hasher::new_derive_key(context))
    }

    fn count(&mut self, count: usize) {
        self.0.update(&(count as u64).to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.update(bytes);
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Text(text) => {
                self.0.update(&[1]);
                self.bytes(text.as_bytes());
            }
            Value::Number(number) => match whole(*number) {
                Some(whole) => self.integer(whole),
                None => {
                    // All values that are not a number are one.
                    let number = if number.is_nan() { f64::NAN } else { *number };
                    self.0.update(&[3]);
                    self.0.update(&number.to_bits().to_le_bytes());
                }
            },
            Value::Integer(number) => self.integer(*number),
            Value::Flag(flag) => {
                self.0.update(&[4, u8::from(*flag)]);
            }
            Value::Digest(digest) => {
                self.0.update(&[5]);
                self.0.update(digest.as_bytes());
            }
        }
    }

    fn integer(&mut self, number: i128) {
        self.0.update(&[2]);
        self.0.update(&number.to_le_bytes());
    }

    fn finish(self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}

/// Returns the whole number that a float is exactly, up to 2^53 beyond which floats skip some.
#[expect(clippy::cast_possible_truncation, reason = "the bound is checked, and the fraction is 0")]
fn whole(number: f64) -> Option<i128> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && number.abs() <= EXACT_MAX).then_some(number as i128)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: Value) -> GenerationKey {
        let parameters = BTreeMap::from([(name.to_owned(), value)]);
        Identity { parameters, ..Identity::default() }.generation_key()
    }

    #[test]
    fn equal_numbers_share_a_key_however_they_are_written() {
        assert_eq!(with("q", Value::Number(7.0)), with("q", Value::Integer(7)));
        assert_eq!(with("q", Value::Number(-0.0)), with("q", Value::Integer(0)));
        assert_ne!(with("q", Value::Number(7.5)), with("q", Value::Integer(7)));
    }

    #[test]
    fn seeds_beyond_a_float_keep_their_last_digit() {
        let seed = i128::from(u64::MAX);
        assert_ne!(with("seed", Value::Integer(seed)), with("seed", Value::Integer(seed - 1)));
    }

    #[test]
    fn a_text_is_not_the_number_it_spells() {
        assert_ne!(with("q", Value::Text("7".into())), with("q", Value::Integer(7)));
        assert_ne!(with("q", Value::Flag(true)), with("q", Value::Integer(1)));
        let digest = Digest::of(b"a long text");
        assert_ne!(with("q", Value::Digest(digest)), with("q", Value::Text(digest.to_string())));
    }

    #[test]
    fn fields_do_not_run_into_one_another() {
        let identity = |namespace: &str, adapter: &str| Identity {
            namespace: namespace.into(),
            adapter: adapter.into(),
            ..Identity::default()
        };
        assert_ne!(identity("ab", "c").generation_key(), identity("a", "bc").generation_key());
    }

    #[test]
    fn hexadecimal_round_trips_and_anything_else_is_refused() {
        let key = with("q", Value::Flag(true)).key("glb");
        assert_eq!(key.to_string().parse::<Key>().unwrap(), key);
        for wrong in ["", "abc", &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(wrong.parse::<Key>().unwrap_err().kind(), ErrorKind::Invalid);
        }
    }
}
