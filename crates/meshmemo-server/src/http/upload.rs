//! The body of a generation request, and what it asks for.
//!
//! Multipart and JSON say the same in two ways: an image, parameters, and a label that is not in
//! the key. The body is read whole before anything is parsed, within `--max-body` and the budget of
//! bodies on their way.

use std::collections::HashSet;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use meshmemo_gen::{Parameters, image_type};
use multer::Multipart;
use serde_json::Value;

use super::problem::Problem;
use super::state::State;
use crate::in_flight::{InFlight, Share};
use crate::limits::{FIELD_MAX_BYTES, FIELDS_MAX, LABEL_MAX_CHARS, RETRY_AFTER};
use crate::units::show_size;

/// Base64 as clients write it: with its padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a client asks for.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) image: Bytes,
    pub(super) parameters: Parameters,
    pub(super) label: String,
}

impl Upload {
    /// Reads and checks a request's body.
    pub(super) async fn read(state: &Arc<State>, request: Request) -> Result<Self, Problem> {
        let content_type = content_type(&request)?;
        let share = reserve(state, &request)?;
        let body = read_body(request.into_body(), state.config.max_body_bytes).await?;
        let form = if content_type.starts_with("multipart/form-data") {
            Form::of_multipart(&content_type, body).await?
        } else if content_type.starts_with("application/json") {
            Form::of_json(&body)?
        } else {
            let detail = format!(
                "the body is `{content_type}`, but must be `multipart/form-data` or \
                 `application/json`"
            );
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        };
        form.finish(share)
    }
}

fn content_type(request: &Request) -> Result<String, Problem> {
    let value = request.headers().get(header::CONTENT_TYPE);
    let text = value.map(|value| value.to_str().map(str::trim)).transpose();
    match text {
        Ok(Some(text)) => Ok(text.to_owned()),
        Ok(None) => Ok(String::new()),
        Err(_) => Err(Problem::bad_request("the `Content-Type` is not readable")),
    }
}

/// Takes the body's part of the budget before a byte of it is read.
fn reserve(state: &State, request: &Request) -> Result<Share, Problem> {
    let max_bytes = state.config.max_body_bytes;
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > max_bytes) {
        return Err(too_large(max_bytes));
    }
    // While a body is taken apart, its parts are there a second time.
    let held_bytes = length.unwrap_or(max_bytes).saturating_mul(2);
    let busy = || Problem::busy("too many bodies are on their way already", RETRY_AFTER);
    state.in_flight.take(held_bytes).ok_or_else(busy)
}

fn too_large(max_bytes: u64) -> Problem {
    let detail = format!("the body is larger than {} (`--max-body`)", show_size(max_bytes));
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
}

async fn read_body(body: Body, max_bytes: u64) -> Result<Bytes, Problem> {
    let limit = usize::try_from(max_bytes).unwrap_or(usize::MAX);
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large(max_bytes)),
        Err(error) => Err(Problem::bad_request(format!("the body did not arrive whole: {error}"))),
    }
}

/// What a form has said so far.
#[derive(Default)]
struct Form {
    image: Option<Bytes>,
    file_name: Option<String>,
    label: Option<String>,
    parameters: Parameters,
    seen: HashSet<String>,
}

impl Form {
    async fn of_multipart(content_type: &str, body: Bytes) -> Result<Self, Problem> {
        let malformed =
            |error: multer::Error| Problem::bad_request(format!("the form is malformed: {error}"));
        let boundary = multer::parse_boundary(content_type).map_err(malformed)?;
        let chunks = stream::iter([Ok::<_, std::convert::Infallible>(body)]);
        let mut parts = Multipart::new(chunks, boundary);
        let mut form = Self::default();
        while let Some(part) = parts.next_field().await.map_err(malformed)? {
            let name = part.name().unwrap_or_default().to_owned();
            let file_name = part.file_name().map(str::to_owned);
            let value = part.bytes().await.map_err(malformed)?;
            if name == "image" {
                form.note(&name)?;
                form.file_name = file_name;
                form.image = Some(value);
            } else {
                let text = std::str::from_utf8(&value);
                let text = text.map_err(|_| field_problem(&name, "is not UTF-8 text"))?;
                form.set(&name, text)?;
            }
        }
        Ok(form)
    }

    fn of_json(body: &[u8]) -> Result<Self, Problem> {
        let fields: serde_json::Map<String, Value> = serde_json::from_slice(body)
            .map_err(|error| Problem::bad_request(format!("the JSON is malformed: {error}")))?;
        let mut form = Self::default();
        for (name, value) in fields {
            match value {
                Value::Null => {}
                Value::String(text) if name == "image" => {
                    form.image = Some(decode_image(&text)?);
                }
                _ if name == "image" => {
                    let detail = "must be a text: base64 or a data URI";
                    return Err(field_problem(&name, detail));
                }
                Value::String(text) => form.set(&name, &text)?,
                Value::Number(number) => form.set(&name, &number.to_string())?,
                _ => return Err(field_problem(&name, "must be a text or a number")),
            }
        }
        Ok(form)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        self.note(name)?;
        if value.len() > FIELD_MAX_BYTES {
            let detail = format!("is longer than {FIELD_MAX_BYTES} bytes");
            return Err(field_problem(name, &detail));
        }
        match (name, value) {
            ("label", label) => self.label = Some(label.to_owned()),
            // An input of a page that was left empty is sent all the same.
            (_, "") => {}
            _ => self.parameters.set(name, value)?,
        }
        Ok(())
    }

    /// Notes a field's name, which may come once.
    fn note(&mut self, name: &str) -> Result<(), Problem> {
        if self.seen.len() >= FIELDS_MAX {
            let detail = format!("the form has more than {FIELDS_MAX} fields");
            return Err(Problem::unprocessable(detail));
        }
        if !self.seen.insert(name.to_owned()) {
            return Err(field_problem(name, "is given twice"));
        }
        Ok(())
    }

    fn finish(self, share: Share) -> Result<Upload, Problem> {
        let image = self.image.unwrap_or_default();
        if image.is_empty() {
            return Err(field_problem("image", "is missing or empty: send a PNG, JPEG or WebP"));
        }
        if image_type(&image).is_none() {
            let detail = "`image` is not an image that can be read: send a PNG, JPEG or WebP";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        self.parameters.validate()?;
        let label = self.label.or(self.file_name).unwrap_or_default();
        let label = label.chars().filter(|c| !c.is_control()).take(LABEL_MAX_CHARS).collect();
        // The photo waits in the queue for as long as it must, and its share with it.
        let image = InFlight::hold(image, Box::new(share));
        Ok(Upload { image, parameters: self.parameters, label })
    }
}

/// Decodes base64, or a data URI of it.
fn decode_image(text: &str) -> Result<Bytes, Problem> {
    let encoded = match text.strip_prefix("data:") {
        None => text,
        Some(uri) => match uri.split_once(',') {
            Some((head, data)) if head.ends_with(";base64") => data,
            _ => return Err(field_problem("image", "is a data URI, but not a base64 one")),
        },
    };
    let compact: String = encoded.split_ascii_whitespace().collect();
    let decoded = BASE64.decode(compact.as_bytes());
    decoded.map(Bytes::from).map_err(|error| {
        field_problem("image", &format!("is neither base64 nor a data URI: {error}"))
    })
}

fn field_problem(name: &str, detail: &str) -> Problem {
    let name: String = name.chars().take(LABEL_MAX_CHARS).collect();
    Problem::unprocessable(format!("`{name}` {detail}"))
}
