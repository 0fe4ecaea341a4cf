//! An API key as its owner holds it: `mm_<id>_<secret>`.
//!
//! The id, 12 hexadecimal digits, names the key in lists and logs. The secret, 32 random bytes in
//! base64url, is in no file: what is kept is the BLAKE3 of the whole. It can not be guessed, so a slow
//! hash would protect nothing, and would let strangers keep the server busy.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// What hashes of tokens are told apart by from all other hashes.
const CONTEXT: &str = "meshmemo api key v1";
const PREFIX: &str = "mm_";
const ID_BYTES: usize = 6;
const SECRET_BYTES: usize = 32;
/// Characters of a token.
const LENGTH: usize = PREFIX.len() + 2 * ID_BYTES + 1 + (SECRET_BYTES * 4).div_ceil(3);

/// An API key as its owner holds it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Draws a new one.
    ///
    /// # Errors
    /// The operating system has no random bytes.
    pub fn draw() -> Result<Self, getrandom::Error> {
        const ID_DIGITS: usize = 2 * ID_BYTES;
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut secret)?;
        let id = getrandom::u64()? >> (64 - 8 * ID_BYTES);
        let secret = BASE64_URL_SAFE_NO_PAD.encode(secret);
        Ok(Self(format!("{PREFIX}{id:0ID_DIGITS$x}_{secret}")))
    }

    /// Reads what somebody sent; nothing, if it has not the form of a token.
    pub fn read(text: &str) -> Option<Self> {
        let id = text.strip_prefix(PREFIX)?.get(..2 * ID_BYTES)?;
        let is_token = text.len() == LENGTH && is_id(id) && text.is_ascii();
        is_token.then(|| Self(text.to_owned()))
    }

    /// Returns the part that may be shown.
    pub fn id(&self) -> &str {
        &self.0[PREFIX.len()..PREFIX.len() + 2 * ID_BYTES]
    }

    /// Returns what is kept of it. Two of these are compared in constant time.
    pub fn hash(&self) -> blake3::Hash {
        blake3::Hash::from_bytes(blake3::derive_key(CONTEXT, self.0.as_bytes()))
    }

    /// Returns all of it, for its owner alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Returns whether a text is the id of a token.
pub(super) fn is_id(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == 2 * ID_BYTES && text.bytes().all(is_digit)
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token(mm_{}_…)", self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_are_read_as_they_are_written() {
        let (one, other) = (Token::draw().unwrap(), Token::draw().unwrap());
        assert!(one.reveal() != other.reveal() && one.hash() != other.hash());
        assert_eq!(Token::read(one.reveal()), Some(one.clone()));
        assert_eq!(one.reveal().len(), LENGTH);
    }

    #[test]
    fn the_secret_is_not_in_what_is_logged() {
        let token = Token::draw().unwrap();
        let secret = &token.reveal()[PREFIX.len() + 2 * ID_BYTES + 1..];
        let logged = format!("{token:?} {:?}", Some(&token));
        assert!(logged.contains(token.id()) && !logged.contains(secret), "{logged}");
    }

    #[test]
    fn anything_else_is_no_token() {
        let token = Token::draw().unwrap();
        let good = token.reveal();
        let long = good.repeat(20_000);
        let multibyte = format!("mm_{}", "é".repeat(30));
        for wrong in ["", "mm_", "mm_0123456789ab", &good[1..], &good[..LENGTH - 1], &long] {
            assert_eq!(Token::read(wrong), None, "{}", wrong.len());
        }
        for wrong in [good.to_uppercase(), format!("{good} "), multibyte] {
            assert_eq!(Token::read(&wrong), None, "{wrong}");
        }
    }
}
