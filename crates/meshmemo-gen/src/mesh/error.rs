//! Why a file is not a model that can be kept.

/// The error of [`check`](super::check), [`convert`](super::convert) and [`read`](super::read).
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct MeshError(Box<Cause>);

/// What is wrong with a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MeshErrorKind {
    /// The file ends before what it announces: it was cut off.
    Truncated,
    /// The file breaks the rules of its format.
    Malformed,
    /// The file is well-formed, but there is nothing to see in it.
    Empty,
    /// The file may be right, but is of a variety that is not read here.
    Unsupported,
    /// The model is larger than the format can hold.
    TooLarge,
}

impl MeshErrorKind {
    /// Returns a short name for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::Malformed => "malformed",
            Self::Empty => "empty",
            Self::Unsupported => "unsupported",
            Self::TooLarge => "too_large",
        }
    }
}

impl MeshError {
    /// Returns what kind of error this is.
    pub fn kind(&self) -> MeshErrorKind {
        self.0.kind
    }

    pub(super) fn new(kind: MeshErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Cause { kind, message: message.into() }))
    }

    pub(super) fn truncated(message: impl Into<String>) -> Self {
        Self::new(MeshErrorKind::Truncated, message)
    }

    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::new(MeshErrorKind::Malformed, message)
    }

    pub(super) fn empty(message: impl Into<String>) -> Self {
        Self::new(MeshErrorKind::Empty, message)
    }

    pub(super) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(MeshErrorKind::Unsupported, message)
    }

    pub(super) fn too_large(message: impl Into<String>) -> Self {
        Self::new(MeshErrorKind::TooLarge, message)
    }
}

/// What stands behind the pointer, so that a `Result` stays small.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Cause {
    kind: MeshErrorKind,
    message: String,
}
