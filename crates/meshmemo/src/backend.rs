//! What the engine asks of whoever makes models.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::audience::Audience;
use crate::entry::Head;
use crate::error::Result;
use crate::key::{GenerationKey, Identity, Key};

/// What a caller asks for.
#[derive(Debug, Clone)]
pub struct Request {
    /// Everything that the key covers.
    pub identity: Arc<Identity>,
    /// The key of the generation, which `identity` has.
    pub generation_key: GenerationKey,
    /// The output format.
    pub variant: String,
    /// A name for people; not part of the key.
    pub label: String,
    /// What may come from the cache.
    pub freshness: Freshness,
    /// The work that makes it, if nobody has made it.
    pub generation: Arc<dyn Generation>,
}

impl Request {
    /// Returns the key of what is asked for.
    pub fn key(&self) -> Key {
        self.generation_key.key(&self.variant)
    }

    /// Returns the key of what it is derived from, where it is.
    pub fn source_key(&self) -> Option<Key> {
        let source = self.generation.variants().source_of(&self.variant);
        source.map(|source| self.generation_key.key(source))
    }
}

/// What of the cache a request may use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Freshness {
    /// Whatever there is.
    #[default]
    Cached,
    /// Only what there is; nothing is generated for it.
    OnlyIfCached,
    /// Nothing: it is generated anew and takes the old one's place.
    Refresh,
    /// Nothing, and nothing is kept of it.
    Bypass,
}

/// One piece of work, bound to the input it works on and the backend that does it.
pub trait Generation: Debug + Send + Sync {
    /// Generates the model, in the variant that `variant` asks for, or in the one it is
    /// [derived from](Variants::source_of), and tells the audience how far it is. Work that has not
    /// begun when the audience has left need not begin.
    ///
    /// # Errors
    /// What the backend says, which all waiters get; `Cancelled` lets a waiter take over.
    fn generate<'a>(
        &'a self,
        variant: &'a str,
        audience: &'a Audience,
    ) -> BoxFuture<'a, Result<Generated>>;

    /// Checks that a model is complete and well-formed; what is not is never kept.
    ///
    /// # Errors
    /// `BackendFailed`, with what is wrong.
    fn validate(&self, variant: &str, body: &Bytes) -> BoxFuture<'_, Result<()>>;

    /// Returns which variants are derived from another one without a generation.
    fn variants(&self) -> Variants;

    /// Derives a variant from the bytes of its source.
    ///
    /// # Errors
    /// `BackendFailed`, with what is wrong.
    fn derive(&self, source: Bytes, variant: &str) -> BoxFuture<'_, Result<Derived>>;
}

/// What a generation made.
#[derive(Debug, Clone)]
pub struct Generated {
    /// The exact bytes to send.
    pub body: Bytes,
    /// The media type to send them with.
    pub media_type: String,
    /// What else the backend sent before them, if it is a server.
    pub head: Option<Head>,
    /// How long the work took, without the wait for it to begin.
    pub cost: Duration,
    /// How long it waited in the backend's queue.
    pub queued: Duration,
}

/// What a derivation made.
#[derive(Debug, Clone)]
pub struct Derived {
    /// The exact bytes to send.
    pub body: Bytes,
    /// The media type to send them with.
    pub media_type: String,
}

/// How the variants of a generation come from one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variants {
    /// The variant that a generation makes, and from which the others are derived.
    pub canonical: &'static str,
    /// The variants that are derived from it.
    pub derived: &'static [&'static str],
}

impl Variants {
    /// Every variant is a generation of its own.
    pub const INDEPENDENT: Self = Self { canonical: "", derived: &[] };

    /// Returns the variant from which `variant` is derived, if it is.
    pub fn source_of(&self, variant: &str) -> Option<&'static str> {
        self.derived.contains(&variant).then_some(self.canonical)
    }
}
