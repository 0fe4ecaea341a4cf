//! Multipart forms, read from bytes that are all there.

use std::collections::HashMap;
use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{FutureExt, stream};
use http::{HeaderMap, header};
use memchr::memmem;
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
    /// Its file name: to a server, what has none may be no file.
    pub(super) file_name: Option<String>,
    pub(super) content: Bytes,
}

impl Form {
    /// Reads a form.
    pub(super) fn read(headers: &HeaderMap, body: &Bytes) -> Result<Self, Unclear> {
        let boundary = boundary(headers)?;
        check_delimiters(&boundary, body)?;
        // All of it is there, so nothing is waited for.
        let reading = read(boundary, body.clone()).now_or_never();
        reading.unwrap_or_else(|| Err(Unclear("the form does not end".to_owned())))
    }
}

async fn read(boundary: String, body: Bytes) -> Result<Form, Unclear> {
    let malformed = |error: multer::Error| Unclear(format!("the form is malformed: {error}"));
    let whole = body.clone();
    let mut form = Multipart::new(stream::iter([Ok::<_, Infallible>(body)]), boundary);
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut parts = Vec::new();
    while let Some(part) = form.next_field().await.map_err(malformed)? {
        if parts.len() == PARTS_MAX {
            return Err(Unclear("the form has too many parts".to_owned()));
        }
        check_part(part.headers())?;
        let name = part.name().unwrap_or_default().to_owned();
        if name.len() > NAME_MAX_BYTES {
            return Err(Unclear("a name of the form is too long".to_owned()));
        }
        let file_name = part.file_name().map(str::to_owned);
        let content = part.bytes().await.map_err(malformed)?;
        let count = seen.entry(name.clone()).or_default();
        let index = *count;
        *count += 1;
        parts.push(Part { name, index, file_name, content });
    }
    if dispositions(&whole) != parts.len() {
        return Err(Unclear("a part of the form says twice what it is".to_owned()));
    }
    Ok(Form { parts })
}

/// Returns what stands between the parts, if the form says so in the one way that all servers read alike:
/// where they differ, a request would be one thing to the cache and another to the server.
fn boundary(headers: &HeaderMap) -> Result<String, Unclear> {
    let unclear = || Unclear("the body is no form, or not plainly one".to_owned());
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(unclear()) };
    let (essence, parameter) =
        value.to_str().ok().and_then(|text| text.split_once(';')).ok_or_else(unclear)?;
    let boundary = parameter.trim().strip_prefix("boundary=").ok_or_else(unclear)?;
    let boundary = boundary
        .strip_prefix('"')
        .map_or(Some(boundary), |rest| rest.strip_suffix('"'))
        .ok_or_else(unclear)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "'()+_,-./:=?".contains(c);
    let is_form = essence.trim().eq_ignore_ascii_case("multipart/form-data");
    if !is_form || boundary.is_empty() || !boundary.chars().all(is_plain) {
        return Err(unclear());
    }
    Ok(boundary.to_owned())
}

/// Checks that wherever the boundary stands, a part begins or the form ends, and that nothing comes
/// before or after. A server that minds blanks behind it, or a bare line feed before it, would otherwise read
/// other parts than one that does not.
fn check_delimiters(boundary: &str, body: &[u8]) -> Result<(), Unclear> {
    let unclear = || Unclear("the form is not divided in the usual way".to_owned());
    let delimiter = format!("--{boundary}");
    let mut is_closed = false;
    for (number, at) in memmem::find_iter(body, &delimiter).enumerate() {
        let begins_line = if number == 0 { at == 0 } else { body[..at].ends_with(b"\r\n") };
        let after = &body[at + delimiter.len()..];
        let closes = after == b"--" || after == b"--\r\n";
        if is_closed || !begins_line || !(closes || after.starts_with(b"\r\n")) {
            return Err(unclear());
        }
        is_closed = closes;
    }
    if is_closed { Ok(()) } else { Err(unclear()) }
}

/// Counts the lines that say what a part is; of two for one part, a reader sees the last.
fn dispositions(body: &[u8]) -> usize {
    const NAME: &[u8] = b"content-disposition";
    let lines = body.split(|byte| *byte == b'\n');
    lines
        .filter(|line| line.get(..NAME.len()).is_some_and(|it| it.eq_ignore_ascii_case(NAME)))
        .count()
}

/// Checks that a part says what it is in the one way that all servers read alike.
fn check_part(headers: &HeaderMap) -> Result<(), Unclear> {
    let unclear = || Unclear("a part of the form says what it is in an unusual way".to_owned());
    let known = [header::CONTENT_DISPOSITION, header::CONTENT_TYPE];
    if headers.keys().any(|name| !known.contains(name)) {
        return Err(unclear());
    }
    let disposition = headers.get(header::CONTENT_DISPOSITION).ok_or_else(unclear)?;
    let disposition = std::str::from_utf8(disposition.as_bytes()).map_err(|_| unclear())?;
    let rest = disposition.strip_prefix("form-data; name=\"").ok_or_else(unclear)?;
    let (name, rest) = rest.split_once('"').ok_or_else(unclear)?;
    let file_name = match rest {
        "" => None,
        rest => {
            let rest = rest.strip_prefix("; filename=\"").ok_or_else(unclear)?;
            Some(rest.strip_suffix('"').ok_or_else(unclear)?)
        }
    };
    let is_plain = |text: &str| !text.contains(['"', '\\', '%', '\r', '\n']);
    let media_type = headers.get(header::CONTENT_TYPE).map(|it| it.to_str().unwrap_or("charset"));
    let has_charset = media_type.is_some_and(|it| it.to_ascii_lowercase().contains("charset"));
    // To some servers a part is a file by its type alone, and to some none is without a name.
    let is_one_thing = match file_name {
        None => media_type.is_none_or(|it| it.eq_ignore_ascii_case("text/plain")),
        Some(name) => !name.is_empty(),
    };
    let is_clear = is_plain(name) && file_name.is_none_or(is_plain) && !has_charset;
    if is_clear && is_one_thing { Ok(()) } else { Err(unclear()) }
}

/// Writes a form with a photo and other fields; returns its media type and its bytes.
pub(super) fn write(
    (image, file_name): (&str, &str),
    photo: &[u8],
    fields: &Map<String, Json>,
) -> (String, Bytes) {
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
        "--{boundary}\r\nContent-Disposition: form-data; name=\"{image}\"; filename=\"{file_name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(photo);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body.into())
}
