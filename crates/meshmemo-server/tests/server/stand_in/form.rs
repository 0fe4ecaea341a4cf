//! The parts of a form, as a server reads them.

use std::convert::Infallible;

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use futures_util::stream;
use multer::Multipart;

/// One part of a form.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: String,
    /// What makes a file of a part.
    pub(super) file_name: Option<String>,
    pub(super) content: Bytes,
}

impl Part {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.content).into_owned()
    }
}

/// Reads a form; nothing, if it is none.
pub(super) async fn parts(headers: &HeaderMap, body: Bytes) -> Option<Vec<Part>> {
    let boundary = multer::parse_boundary(headers.get(CONTENT_TYPE)?.to_str().ok()?).ok()?;
    let whole = stream::iter([Ok::<Bytes, Infallible>(body)]);
    let mut form = Multipart::new(whole, boundary);
    let mut parts = Vec::new();
    while let Some(field) = form.next_field().await.ok()? {
        let name = field.name()?.to_owned();
        let file_name = field.file_name().map(str::to_owned);
        parts.push(Part { name, file_name, content: field.bytes().await.ok()? });
    }
    Some(parts)
}
