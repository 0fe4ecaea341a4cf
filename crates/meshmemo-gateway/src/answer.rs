//! What a backend answered: a result, or something to pass on as it is.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use meshmemo::{Digest, Entry, Error, ErrorKind, Identity, Meta};
use meshmemo_gen::{Format, mesh};

/// Characters of a backend's own words that an error repeats.
const WORDS_MAX_CHARS: usize = 300;
/// How long somebody waits whom a backend tells only that it is busy.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// An answer of a backend, whole.
#[derive(Debug, Clone)]
pub struct BackendAnswer {
    /// The status.
    pub status: StatusCode,
    /// The end-to-end headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Whether its end was told from a broken connection.
    pub is_framed: bool,
    /// Why it is no result, if its status does not say so.
    pub reason: Option<String>,
}

impl BackendAnswer {
    /// Returns the media type, as it was sent; nothing where there is none.
    pub(crate) fn media_type(&self) -> &str {
        self.headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default()
    }

    /// Turns an answer that is no result into the error that all who wait for it get, and that an
    /// adapter's client is sent as it came.
    pub(crate) fn into_error(self) -> Error {
        let kind = match self.status.as_u16() {
            400 | 413 | 415 | 422 => ErrorKind::BackendRejected,
            401 | 402 | 403 | 407 => ErrorKind::BackendDenied,
            429 | 503 => ErrorKind::Busy { retry_after: self.retry_after() },
            504 => ErrorKind::BackendTimeout,
            _ => ErrorKind::BackendFailed,
        };
        let message = self.to_string();
        Error::with_source(kind, message, self)
    }

    /// Returns the answer that an error stands for, if it stands for one.
    pub fn of_error(error: &Error) -> Option<&Self> {
        error.source()?.downcast_ref()
    }

    /// Makes an entry of an answer that is a whole model, though it is not what was asked for under this
    /// identity: for a job whose client comes back for it.
    pub fn as_entry(&self, identity: &Arc<Identity>) -> Option<Entry> {
        let is_whole = |format: &Format| mesh::check(&self.body, *format).is_ok();
        let format = Format::ALL.into_iter().find(is_whole).filter(|_| self.status.is_success())?;
        let generation_key = identity.generation_key();
        let meta = Meta {
            key: generation_key.key("not kept"),
            generation_key,
            identity: Arc::clone(identity),
            variant: format.as_str().to_owned(),
            label: String::new(),
            media_type: self.media_type().to_owned(),
            head: None,
            digest: Digest::of(&self.body),
            size_bytes: self.body.len() as u64,
            cost: Duration::ZERO,
            created: Duration::ZERO,
            expires: None,
        };
        Entry::whole(meta, self.body.clone()).ok()
    }

    fn retry_after(&self) -> Duration {
        let seconds = self.headers.get(header::RETRY_AFTER).and_then(|it| it.to_str().ok());
        seconds.and_then(|it| it.trim().parse().ok()).map_or(RETRY_AFTER, Duration::from_secs)
    }

    /// Returns the beginning of the body, if it is text.
    fn words(&self) -> String {
        let beginning = &self.body[..self.body.len().min(4 * WORDS_MAX_CHARS)];
        let text = String::from_utf8_lossy(beginning);
        let is_text = !text.chars().any(|c| c.is_control() && !c.is_whitespace());
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if is_text { words.chars().take(WORDS_MAX_CHARS).collect() } else { String::new() }
    }
}

impl fmt::Display for BackendAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Some(reason) => {
                write!(f, "the backend's answer ({}) is no complete model: {reason}", self.status)
            }
            None => write!(f, "the backend answered {}: {}", self.status, self.words()),
        }
    }
}

impl StdError for BackendAnswer {}
