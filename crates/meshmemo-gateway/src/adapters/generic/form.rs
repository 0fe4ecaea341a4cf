//! Multipart forms, read from bytes that are all there.

use std::collections::HashMap;
use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{FutureExt, stream};
use http::{HeaderMap, header};
use multer::Multipart;
use serde_json::{Map, Value as Json};

use crate::adapter::Unclear;

/// How many parts a form may have that is read at all.
const PARTS_MAX: usize = 64;
/// Bytes of a part's name.
const NAME_MAX_BYTES: usize = 256;

/// A form.
pub(super) struct Form {
    pub(super) parts: Vec<Part>,
}

/// A part of a form.
pub(super) struct Part {
    pub(super) name: String,
    /// How many of this name came before.
    pub(super) index: usize,
    /// Whether it has a file name: to a server, what has none may be no file.
    pub(super) is_file: bool,
    pub(super) content: Bytes,
}

impl Form {
    /// Reads a form.
    pub(super) fn read(headers: &HeaderMap, body: &Bytes) -> Result<Self, Unclear> {
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
        let boundary = multer::parse_boundary(content_type.unwrap_or_default())
            .map_err(|error| Unclear(format!("the body is no form: {error}")))?;
        // All of it is there, so nothing is waited for.
        let reading = read(boundary, body.clone()).now_or_never();
        reading.unwrap_or_else(|| Err(Unclear("the form does not end".to_owned())))
    }
}

async fn read(boundary: String, body: Bytes) -> Result<Form, Unclear> {
    let malformed = |error: multer::Error| Unclear(format!("the form is malformed: {error}"));
    let mut form = Multipart::new(stream::iter([Ok::<_, Infallible>(body)]), boundary);
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut parts = Vec::new();
    while let Some(part) = form.next_field().await.map_err(malformed)? {
        if parts.len() == PARTS_MAX {
            return Err(Unclear("the form has too many parts".to_owned()));
        }
        let name = part.name().unwrap_or_default().to_owned();
        if name.len() > NAME_MAX_BYTES {
            return Err(Unclear("a name of the form is too long".to_owned()));
        }
        let is_file = part.file_name().is_some();
        let content = part.bytes().await.map_err(malformed)?;
        let count = seen.entry(name.clone()).or_default();
        let index = *count;
        *count += 1;
        parts.push(Part { name, index, is_file, content });
    }
    Ok(Form { parts })
}

/// Writes a form with a photo and other fields; returns its media type and its bytes.
pub(super) fn write(image: &str, photo: &[u8], fields: &Map<String, Json>) -> (String, Bytes) {
    // A digest of the photo does not stand in the photo.
    let boundary = format!("meshmemo-{}", meshmemo::Digest::of(photo));
    let mut body = Vec::with_capacity(photo.len() + 1024);
    for (name, value) in fields {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let part = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
        body.extend_from_slice(part.as_bytes());
    }
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"{image}\"; filename=\"image\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(photo);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body.into())
}
