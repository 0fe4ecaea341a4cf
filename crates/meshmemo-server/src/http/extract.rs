//! Parts of a request whose absence or malformation is a problem document.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;

use super::problem::Problem;

/// The body of a management call.
#[derive(Debug)]
pub(super) struct RawBody(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let refused = |refused: BytesRejection| Problem::new(refused.status(), refused.body_text());
        Bytes::from_request(request, state).await.map(Self).map_err(refused)
    }
}

/// The one variable part of a path.
#[derive(Debug)]
pub(super) struct PathText(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for PathText {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let refused = |refused: PathRejection| Problem::new(refused.status(), refused.body_text());
        let Path(text) = Path::from_request_parts(parts, state).await.map_err(refused)?;
        Ok(Self(text))
    }
}
