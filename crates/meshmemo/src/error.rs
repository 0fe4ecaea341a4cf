//! What can go wrong, named for what the caller can do about it.

use std::error::Error as StdError;
use std::fmt::{self, Display};
use std::sync::Arc;
use std::time::Duration;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure that all waiters of a request share; cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Error {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What kind of failure an [`Error`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request can never succeed as it is.
    Invalid,
    /// The request or its result is larger than a bound.
    TooLarge,
    /// There is no place for the request now.
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// The caller has used up what it may use; somebody else may have it.
    OverQuota {
        /// When to try again.
        retry_after: Duration,
    },
    /// The backend did not let the caller in; it may let in somebody else.
    BackendDenied,
    /// The answer was to come from the cache only, and is not there.
    NotCached,
    /// The backend refused the request.
    BackendRejected,
    /// The backend failed, or what it answered is not a complete model.
    BackendFailed,
    /// The backend did not answer in time.
    BackendTimeout,
    /// A tier could not read or write.
    Storage,
    /// What a tier holds is not what it was given.
    Corrupt,
    /// The work was given up before it ended; the only kind after which a waiter takes over.
    Cancelled,
    /// The process is ending and takes no new work.
    Shutdown,
}

impl ErrorKind {
    /// Returns whether the caller was sent away, or has left, before any work began.
    pub(crate) fn is_before_work(&self) -> bool {
        matches!(
            self,
            Self::Busy { .. } | Self::OverQuota { .. } | Self::Cancelled | Self::Shutdown
        )
    }

    /// Returns whether the error is of one caller, and of nobody else who waits for the same.
    pub(crate) fn is_of_one_caller(&self) -> bool {
        matches!(self, Self::OverQuota { .. } | Self::BackendDenied)
    }

    /// Returns the kind's name as logs and metrics show it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::TooLarge => "too-large",
            Self::OverQuota { .. } => "over-quota",
            Self::Busy { .. } => "busy",
            Self::BackendDenied => "backend-denied",
            Self::NotCached => "not-cached",
            Self::BackendRejected => "backend-rejected",
            Self::BackendFailed => "backend-failed",
            Self::BackendTimeout => "backend-timeout",
            Self::Storage => "storage",
            Self::Corrupt => "corrupt",
            Self::Cancelled => "cancelled",
            Self::Shutdown => "shutdown",
        }
    }
}

impl Error {
    /// Makes an error of a kind, with the sentence that the user reads.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { inner: Arc::new(Inner { kind, message: message.into(), source: None }) }
    }

    /// Makes an error that keeps what caused it.
    pub fn with_source(
        kind: ErrorKind,
        message: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        let source = Some(source.into());
        Self { inner: Arc::new(Inner { kind, message: message.into(), source }) }
    }

    /// Returns what kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
