//! What a tier's index keeps of an entry: enough to list it and to choose by it without reading it.

use std::sync::Arc;
use std::time::Duration;

use crate::entry::Meta;
use crate::key::{Digest, Key};

/// What is known of an entry without opening it; all that a listing shows and a removal goes by.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The entry's key.
    pub key: Key,
    /// The digest of its bytes.
    pub digest: Digest,
    /// How many bytes.
    pub size_bytes: u64,
    /// Whose entry it is.
    pub namespace: Arc<str>,
    /// The operator's name for the model that made it.
    pub model_id: Arc<str>,
    /// Which variant it is: the output format.
    pub variant: Arc<str>,
    /// A name for people.
    pub label: Arc<str>,
    /// The media type that the bytes are sent with.
    pub media_type: Arc<str>,
    /// What the generation took.
    pub cost: Duration,
    /// When it was made, since the Unix epoch.
    pub created: Duration,
    /// When it is over, since the Unix epoch; `None` is never.
    pub expires: Option<Duration>,
}

impl Summary {
    /// Returns whether the entry is over at a wall time.
    pub fn is_expired(&self, wall: Duration) -> bool {
        self.expires.is_some_and(|expires| expires <= wall)
    }
}

impl From<&Meta> for Summary {
    fn from(meta: &Meta) -> Self {
        Self {
            key: meta.key,
            digest: meta.digest,
            size_bytes: meta.size_bytes,
            namespace: meta.identity.namespace.as_str().into(),
            model_id: meta.identity.model_id.as_str().into(),
            variant: meta.variant.as_str().into(),
            label: meta.label.as_str().into(),
            media_type: meta.media_type.as_str().into(),
            cost: meta.cost,
            created: meta.created,
            expires: meta.expires,
        }
    }
}

/// An entry as a tier lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// What is known of it.
    pub summary: Arc<Summary>,
    /// How often it was used.
    pub hits: u64,
    /// When it was last used, since the Unix epoch.
    pub last_used: Duration,
}
