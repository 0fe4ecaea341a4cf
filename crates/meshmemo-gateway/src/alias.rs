//! The alias table: what a request meant that came, to the byte, before. A repeat is parsed, decoded
//! and hashed for its key no more; its own bytes are hashed while they arrive.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use meshmemo::{Cache, GenerationKey, Identity};

use crate::adapter::{Meaning, RequestHead};

/// How many requests are remembered.
const ALIASES_MAX: usize = 10_000;
/// What they may weigh together.
const ALIASES_MAX_BYTES: u64 = 32 << 20;
/// What one weighs besides its parameters.
const ALIAS_BYTES: u64 = 512;

const CONTEXT: &str = "meshmemo alias v1";

/// What a request means, and the key that follows.
#[derive(Debug, Clone)]
pub struct Known {
    /// All that the key covers.
    pub identity: Arc<Identity>,
    /// The key.
    pub generation_key: GenerationKey,
    /// What is asked for.
    pub meaning: Arc<Meaning>,
}

/// The requests that were read, by their digest.
#[derive(Debug)]
pub(crate) struct Aliases(Cache<[u8; 32], Known>);

impl Aliases {
    pub(crate) fn new() -> Self {
        let cache = Cache::builder()
            .max_entries(ALIASES_MAX)
            .max_bytes(ALIASES_MAX_BYTES)
            .weigher(|_, known: &Known| weight(known))
            .build();
        Self(cache)
    }

    pub(crate) fn find(&self, alias: &[u8; 32]) -> Option<Known> {
        self.0.get(alias)
    }

    pub(crate) fn remember(&self, alias: [u8; 32], known: &Known) {
        let _outcome = self.0.insert(alias, known.clone());
    }
}

fn weight(known: &Known) -> u64 {
    // Each value is short: of what is long, its digest is kept.
    let Meaning { parameters, images, variant, .. } = &*known.meaning;
    let names: u64 = parameters.keys().map(|name| name.len() as u64 + 256).sum();
    ALIAS_BYTES + 2 * names + 64 * images.len() as u64 + variant.len() as u64
}

/// Digests a request while it arrives.
#[derive(Debug)]
pub struct RequestDigest(blake3::Hasher);

impl RequestDigest {
    /// Begins with all that is not the body: whose it is, what the adapter takes it for, and what of
    /// the head may change the answer.
    pub(crate) fn new(about: &[&str], head: &RequestHead, keyed_headers: &[String]) -> Self {
        let mut digest = Self(blake3::Hasher::new_derive_key(CONTEXT));
        for text in about {
            digest.field(text.as_bytes());
        }
        for text in [head.method.as_str(), &head.path, &head.query] {
            digest.field(text.as_bytes());
        }
        for name in ["content-type", "content-encoding"] {
            digest.header(&head.headers, name);
        }
        for name in keyed_headers {
            digest.header(&head.headers, name);
        }
        digest
    }

    /// Adds a piece of the body.
    pub fn add(&mut self, piece: &Bytes) {
        self.0.update(piece);
    }

    pub(crate) fn finish(&self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }

    fn header(&mut self, headers: &HeaderMap, name: &str) {
        let values: Vec<_> = headers.get_all(name).iter().collect();
        self.0.update(&(values.len() as u64).to_le_bytes());
        for value in values {
            self.field(value.as_bytes());
        }
    }

    fn field(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }
}
