//! The gateway: an adapter in front of servers. It says what a request is, what it means, and makes
//! the engine's request of it.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};
use meshmemo::{Freshness, Request};
use meshmemo_gen::FieldError;

use crate::adapter::{Adapter, Ask, Door, Keeping, Letter, Meaning, Owner, RequestHead, Unclear};
use crate::alias::{Aliases, Known, RequestDigest};
use crate::answer::BackendAnswer;
use crate::backends::Backends;
use crate::judge::judge;
use crate::quota::PlaceQuota;
use crate::remote_generation::RemoteGeneration;
use crate::shown::Shown;

/// Characters of an image's digest that its entry is labelled with.
const LABEL_DIGITS: usize = 16;

/// An adapter in front of servers that do the same work.
#[derive(Debug)]
pub struct Gateway {
    adapter: Arc<dyn Adapter>,
    backends: Arc<Backends>,
    model_id: String,
    aliases: Aliases,
}

/// What is asked for besides the model itself.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// A name for people; without one, it is taken from the image.
    pub label: Option<String>,
    /// What may come from the cache.
    pub freshness: Freshness,
    /// Where its place in the line is taken from.
    pub quota: Option<Arc<PlaceQuota>>,
}

impl Gateway {
    /// Puts an adapter in front of servers, whose model the operator calls `model_id`.
    pub fn new(adapter: Arc<dyn Adapter>, backends: Arc<Backends>, model_id: String) -> Self {
        Self { adapter, backends, model_id, aliases: Aliases::new() }
    }

    /// Returns the adapter.
    pub fn adapter(&self) -> &dyn Adapter {
        &*self.adapter
    }

    /// Returns the servers.
    pub fn backends(&self) -> &Arc<Backends> {
        &self.backends
    }

    /// Says what a request is.
    pub fn recognise<'a>(&self, method: &Method, path: &'a str) -> Door<'a> {
        self.adapter.recognise(method, path)
    }

    /// Begins to digest a request; its body's pieces are added as they arrive.
    pub fn digest(&self, owner: &Owner, head: &RequestHead) -> RequestDigest {
        let shown = owner.credentials.map(|hash| hash.to_string()).unwrap_or_default();
        let about = [owner.namespace.as_str(), &shown, self.adapter.manner().name, &self.model_id];
        RequestDigest::new(&about, head, &self.adapter.manner().keyed_headers)
    }

    /// Returns what a request means that came, to the byte, before.
    pub fn recall(&self, digest: &RequestDigest) -> Option<Known> {
        self.aliases.find(&digest.finish())
    }

    /// Reads what a request means, which takes a while: the image is decoded and hashed. One that can
    /// not be read is the backend's to answer, and nothing of it is kept.
    pub fn read(&self, owner: &Owner, letter: &Letter, digest: &RequestDigest) -> Known {
        let is_plain = !letter.head.headers.contains_key(http::header::CONTENT_ENCODING);
        let read = if is_plain {
            self.adapter.read(&letter.head, &letter.body)
        } else {
            Err(Unclear("the body is compressed".to_owned()))
        };
        match read {
            Ok(meaning) => {
                let known = self.known(owner, meaning);
                self.aliases.remember(digest.finish(), &known);
                known
            }
            Err(Unclear(why)) => {
                tracing::debug!(path = letter.head.path, why, "a request is not understood");
                self.known(owner, Meaning::of_unclear(&letter.head, &letter.body))
            }
        }
    }

    /// Writes the request of the protocol for a photo that came by the native door, of who shows the
    /// backend this, and reads it.
    ///
    /// # Errors
    /// The first field that the backend can not honour.
    pub fn write(
        &self,
        namespace: &str,
        shown: Option<Shown>,
        ask: &Ask,
    ) -> Result<(Letter, Known), FieldError> {
        let mut letter = self.adapter.write(ask)?;
        // The photo waits with it, and with the photo what was reserved for it.
        letter.body = held_with(letter.body, ask.photo.clone());
        let meaning = self.adapter.read(&letter.head, &letter.body);
        let meaning = meaning.unwrap_or_else(|_| Meaning::of_unclear(&letter.head, &letter.body));
        let credentials = shown.as_ref().and_then(|shown| shown.hash);
        let owner = Owner { namespace: namespace.to_owned(), credentials };
        if let Some(shown) = shown {
            letter.head.headers.insert(http::header::AUTHORIZATION, shown.authorization);
        }
        Ok((letter, self.known(&owner, meaning)))
    }

    /// Makes the engine's request of what a letter means. What must not be kept is not looked for
    /// either.
    pub fn request(&self, known: &Known, letter: Letter, wanted: Wanted) -> Request {
        let meaning = Arc::clone(&known.meaning);
        let label = wanted.label.unwrap_or_else(|| label(&meaning));
        let freshness = match meaning.keeping {
            Keeping::Kept => wanted.freshness,
            Keeping::PassedThrough(_) if wanted.freshness == Freshness::OnlyIfCached => {
                Freshness::OnlyIfCached
            }
            Keeping::PassedThrough(_) => Freshness::Bypass,
        };
        let (variant, course) = (meaning.variant.clone(), self.adapter.manner().course);
        let (backends, quota) = (Arc::clone(&self.backends), wanted.quota);
        let key = known.generation_key.key(&variant);
        Request {
            identity: Arc::clone(&known.identity),
            generation_key: known.generation_key,
            variant,
            label,
            freshness,
            generation: Arc::new(RemoteGeneration {
                backends,
                letter,
                course,
                key,
                meaning,
                quota,
            }),
        }
    }

    /// Returns whether an answer that went by is a result that might be kept.
    pub fn is_result(
        &self,
        known: &Known,
        status: http::StatusCode,
        headers: HeaderMap,
        body: Bytes,
    ) -> bool {
        let answer = BackendAnswer { status, headers, body, is_framed: true, reason: None };
        judge(&known.meaning.expected, &answer).is_ok()
    }

    fn known(&self, owner: &Owner, meaning: Meaning) -> Known {
        let identity = meaning.identity(self.adapter.manner().name, owner, &self.model_id);
        Known {
            generation_key: identity.generation_key(),
            identity: Arc::new(identity),
            meaning: Arc::new(meaning),
        }
    }
}

impl RequestHead {
    /// Takes the head of a request whose headers are ready to be sent on.
    pub fn new(method: Method, uri: &http::Uri, headers: HeaderMap) -> Self {
        let query = uri.query().unwrap_or_default().to_owned();
        Self { method, path: uri.path().to_owned(), query, headers }
    }
}

impl Letter {
    /// Binds a head to its body.
    pub fn new(head: RequestHead, body: Bytes) -> Self {
        Self { head, body }
    }
}

/// Binds bytes to others, so that the others are not given back before.
fn held_with(bytes: Bytes, others: Bytes) -> Bytes {
    Bytes::from_owner(Held { bytes, _others: others })
}

struct Held {
    bytes: Bytes,
    _others: Bytes,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

fn label(meaning: &Meaning) -> String {
    match meaning.images.first() {
        Some(image) => format!("image-{}", &image.to_string()[..LABEL_DIGITS]),
        None => "without an image".to_owned(),
    }
}
