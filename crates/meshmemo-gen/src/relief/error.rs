//! Why a photo did not become a model, in words for the person who sent it.

use std::error::Error;

use crate::{FieldError, mesh::MeshError};

/// The error of [`generate`](super::generate).
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct GenerateError(Box<Cause>);

/// What a caller can do about a [`GenerateError`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GenerateErrorKind {
    /// The bytes are neither PNG, JPEG nor WebP: send one of these.
    UnsupportedType,
    /// The picture is damaged, cut short, or of a variety that cannot be decoded.
    Undecodable,
    /// The picture has more pixels than the bound: send a smaller one.
    TooLarge,
    /// There is nothing to model: no bytes, or every pixel is transparent.
    Empty,
    /// A parameter is out of its range.
    InvalidParameter(FieldError),
    /// The progress callback stopped the work.
    Cancelled,
    /// The finished surface could not be written as a model.
    Mesh,
}

impl GenerateErrorKind {
    /// Returns a short name for logs and metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::UnsupportedType => "unsupported_type",
            Self::Undecodable => "undecodable",
            Self::TooLarge => "too_large",
            Self::Empty => "empty",
            Self::InvalidParameter(_) => "invalid_parameter",
            Self::Cancelled => "cancelled",
            Self::Mesh => "mesh",
        }
    }
}

impl GenerateError {
    /// Returns what kind of error this is.
    pub fn kind(&self) -> &GenerateErrorKind {
        &self.0.kind
    }

    pub(super) fn new(kind: GenerateErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Cause { kind, message: message.into(), source: None }))
    }

    pub(super) fn invalid_parameter(error: FieldError) -> Self {
        let message = error.to_string();
        Self::new(GenerateErrorKind::InvalidParameter(error), message)
    }

    pub(super) fn cancelled() -> Self {
        Self::new(GenerateErrorKind::Cancelled, "the generation was cancelled")
    }

    pub(super) fn mesh(source: MeshError) -> Self {
        let message = format!("the model could not be written: {source}");
        Self::caused(GenerateErrorKind::Mesh, message, source)
    }

    pub(super) fn caused(
        kind: GenerateErrorKind,
        message: impl Into<String>,
        source: impl Error + Send + Sync + 'static,
    ) -> Self {
        Self(Box::new(Cause { kind, message: message.into(), source: Some(Box::new(source)) }))
    }
}

/// What stands behind the pointer, so that a `Result` stays small.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Cause {
    kind: GenerateErrorKind,
    message: String,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}
