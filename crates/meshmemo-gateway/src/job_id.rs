//! The names of jobs: random, and yet known as this gateway's own, so that a job which was forgotten is
//! not taken for one that nobody has ever heard of.
//!
//! A name looks like a random UUID (RFC 9562, version 4): its first half is random, its second half a
//! hash of the first with a secret.

use std::fmt;

use meshmemo::Digest;

/// Where the bits of a UUID are that say what kind it is, and what they are there.
const VERSION: (usize, u8, u8) = (6, 0x0f, 0x40);
const VARIANT: (usize, u8, u8) = (8, 0x3f, 0x80);

/// A secret of this gateway.
#[derive(Clone, Copy)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Takes 32 random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Hashes something so that only who has the secret could have.
    fn hash(&self, about: &str, parts: &[Vec<u8>]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for part in [about.as_bytes()].into_iter().chain(parts.iter().map(Vec::as_slice)) {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.finalize()
    }

    /// Hashes what a client shows the backend of who it is; nothing of nothing.
    pub fn credentials(&self, shown: &[Vec<u8>]) -> Option<Digest> {
        let hash = (!shown.is_empty()).then(|| self.hash("credentials", shown))?;
        Some(Digest::from_bytes(*hash.as_bytes()))
    }

    /// Makes a name of 8 random bytes.
    pub(crate) fn name(&self, random: [u8; 8]) -> String {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&random);
        mark(&mut bytes, VERSION);
        let seal = self.hash("job", &[bytes[..8].to_vec()]);
        bytes[8..].copy_from_slice(&seal.as_bytes()[..8]);
        mark(&mut bytes, VARIANT);
        let hex = format!("{:032x}", u128::from_be_bytes(bytes));
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    /// Returns whether a name is one of this gateway's.
    pub(crate) fn is_own(&self, name: &str) -> bool {
        let Some(hex) = name.get(..18).map(|half| half.replace('-', "")) else { return false };
        let digits = hex.as_bytes().chunks(2);
        let bytes: Option<Vec<u8>> = digits
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        let random = bytes.and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
        random.is_some_and(|random| self.name(random) == name)
    }
}

fn mark(bytes: &mut [u8; 16], (place, mask, bits): (usize, u8, u8)) {
    bytes[place] = bytes[place] & mask | bits;
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_names_are_known_and_no_others() {
        let (secret, other) = (Secret::new([7; 32]), Secret::new([8; 32]));
        let name = secret.name([1, 2, 3, 4, 5, 6, 0xf7, 8]);
        assert_eq!((name.len(), &name[14..15]), (36, "4"), "{name}");
        assert!(secret.is_own(&name) && !other.is_own(&name));
        for strange in
            ["test", "", "é", "00000000-0000-4000-8000-000000000000", &name.to_uppercase()]
        {
            assert!(!secret.is_own(strange), "{strange}");
        }
    }
}
