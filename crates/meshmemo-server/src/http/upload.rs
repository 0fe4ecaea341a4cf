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
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use meshmemo_gen::{Parameters, image_type};
use mime::Mime;
use multer::Multipart;

use super::fields::{Fields, Scalar};
use super::problem::Problem;
use super::state::State;
use crate::body_budget::{BodyBudget, Share};
use crate::limits::{
    BATCH_MAX, BODY_CAPACITY_MAX, BODY_MAX, FIELD_MAX_BYTES, FIELDS_MAX, LABEL_MAX_CHARS,
    RETRY_AFTER,
};
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
    /// The names of the fields that were sent.
    pub(super) given: Vec<String>,
    pub(super) label: String,
}

impl Upload {
    /// Reads and checks a request's body.
    pub(super) async fn read(state: &Arc<State>, request: Request) -> Result<Self, Problem> {
        let media_type = MediaType::of(&request)?;
        let (body, share) = read_body(state, request, |_| {}).await?;
        let form = match media_type {
            MediaType::Form(boundary) => Form::of_multipart(boundary, body, 1).await?,
            MediaType::Json => Form::of_json(&body)?,
        };
        let [upload] = form.finish(share)?.try_into().map_err(|_| no_image())?;
        upload
    }

    /// Reads a form with many images, each of which is asked for with the same parameters; what is no
    /// image is a problem of its own.
    pub(super) async fn read_many(
        state: &Arc<State>,
        request: Request,
    ) -> Result<Vec<Result<Self, Problem>>, Problem> {
        let MediaType::Form(boundary) = MediaType::of(&request)? else {
            let detail = "the body must be `multipart/form-data`, with an `image` for each photo";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        };
        let (body, share) = read_body(state, request, |_| {}).await?;
        Form::of_multipart(boundary, body, BATCH_MAX).await?.finish(share)
    }
}

/// In which of two ways a body says what it asks for.
enum MediaType {
    /// A form, with the boundary between its parts.
    Form(String),
    Json,
}

impl MediaType {
    fn of(request: &Request) -> Result<Self, Problem> {
        let value = request.headers().get(header::CONTENT_TYPE);
        let text = value.map_or("", |value| value.to_str().unwrap_or("(not readable)"));
        let mime: Option<Mime> = text.parse().ok();
        match mime.as_ref().map(Mime::essence_str) {
            Some("multipart/form-data") => Ok(Self::Form(
                multer::parse_boundary(text)
                    .map_err(|error| Problem::bad_request(format!("the form: {error}")))?,
            )),
            Some("application/json") => Ok(Self::Json),
            _ => {
                let text: String = text.chars().take(LABEL_MAX_CHARS).collect();
                let detail = format!(
                    "the body is `{text}`, but must be `multipart/form-data` or `application/json`"
                );
                Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
            }
        }
    }
}

/// Reads a body whole, within `--max-body`, the budget and the time there is; `see` is shown each piece
/// as it arrives.
pub(super) async fn read_body(
    state: &State,
    request: Request,
    see: impl FnMut(&Bytes) + Send,
) -> Result<(Bytes, Share), Problem> {
    let max_bytes = state.config.max_body_bytes;
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > max_bytes) {
        return Err(too_large(max_bytes));
    }
    let reading = read_chunks(state, request.into_body(), (max_bytes, length), see);
    tokio::time::timeout(BODY_MAX, reading).await.unwrap_or_else(|_elapsed| {
        let detail = format!("the body took longer than {} s", BODY_MAX.as_secs());
        Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail))
    })
}

/// Takes each chunk's part of the budget as it comes: a client that only says how much it will
/// send takes nothing.
async fn read_chunks(
    state: &State,
    body: Body,
    (max_bytes, length): (u64, Option<u64>),
    mut see: impl FnMut(&Bytes) + Send,
) -> Result<(Bytes, Share), Problem> {
    let busy = || Problem::busy("too many photos are on their way already", RETRY_AFTER);
    let mut share = state.uploads.take(0).ok_or_else(busy)?;
    let mut chunks = body.into_data_stream();
    // No more is reserved on a client's word than it costs to be wrong.
    let capacity = length.unwrap_or(0).min(BODY_CAPACITY_MAX);
    let mut read = BytesMut::with_capacity(usize::try_from(capacity).unwrap_or(0));
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| {
            Problem::bad_request(format!("the body did not arrive whole: {error}"))
        })?;
        if read.len() as u64 + chunk.len() as u64 > max_bytes {
            return Err(too_large(max_bytes));
        }
        // While a body is taken apart, its parts are there a second time.
        see(&chunk);
        read.extend_from_slice(&chunk);
        if !state.uploads.grow_to(&mut share, 2 * read.len() as u64) {
            return Err(busy());
        }
    }
    Ok((read.freeze(), share))
}

fn too_large(max_bytes: u64) -> Problem {
    let detail = format!("the body is larger than {} (`--max-body`)", show_size(max_bytes));
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
}

/// What a form has said so far.
#[derive(Default)]
struct Form {
    images: Vec<(Bytes, Option<String>)>,
    label: Option<String>,
    parameters: Parameters,
    seen: HashSet<String>,
    /// The fields that say something.
    given: Vec<String>,
}

impl Form {
    async fn of_multipart(
        boundary: String,
        body: Bytes,
        images_max: usize,
    ) -> Result<Self, Problem> {
        let malformed =
            |error: multer::Error| Problem::bad_request(format!("the form is malformed: {error}"));
        let chunks = stream::iter([Ok::<_, std::convert::Infallible>(body)]);
        let mut parts = Multipart::new(chunks, boundary);
        let mut form = Self::default();
        while let Some(part) = parts.next_field().await.map_err(malformed)? {
            let name = part.name().unwrap_or_default().to_owned();
            let file_name = part.file_name().map(str::to_owned);
            let value = part.bytes().await.map_err(malformed)?;
            if name == "image" {
                form.add_image(images_max, value, file_name)?;
            } else {
                let text = std::str::from_utf8(&value);
                let text = text.map_err(|_| field_problem(&name, "is not UTF-8 text"))?;
                form.set(&name, text)?;
            }
        }
        Ok(form)
    }

    fn of_json(body: &[u8]) -> Result<Self, Problem> {
        let Fields(fields) = serde_json::from_slice(body)
            .map_err(|error| Problem::bad_request(format!("the JSON is malformed: {error}")))?;
        let mut form = Self::default();
        for (name, value) in fields {
            match value {
                Scalar::Null => {}
                Scalar::Text(text) if name == "image" => {
                    form.add_image(1, decode_image(&text)?, None)?;
                }
                Scalar::Number(_) | Scalar::Other if name == "image" => {
                    let detail = "must be a text: base64 or a data URI";
                    return Err(field_problem(&name, detail));
                }
                Scalar::Text(text) | Scalar::Number(text) => form.set(&name, &text)?,
                Scalar::Other => return Err(field_problem(&name, "must be a text or a number")),
            }
        }
        Ok(form)
    }

    fn add_image(
        &mut self,
        images_max: usize,
        image: Bytes,
        file_name: Option<String>,
    ) -> Result<(), Problem> {
        if self.images.len() == images_max {
            return Err(match images_max {
                1 => field_problem("image", "is given twice"),
                most => field_problem("image", &format!("is given more than {most} times")),
            });
        }
        self.images.push((image, file_name));
        Ok(())
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
            _ if Parameters::FIELDS.contains(&name) => {
                self.parameters.set(name, value)?;
                self.given.push(name.to_owned());
            }
            _ => {
                let known = Parameters::FIELDS.join(", ");
                let detail = format!("is not a field here; known: image, label, {known}");
                return Err(field_problem(name, &detail));
            }
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

    fn finish(self, mut share: Share) -> Result<Vec<Result<Upload, Problem>>, Problem> {
        let Self { images, label, parameters, given, .. } = self;
        if images.is_empty() {
            return Err(no_image());
        }
        parameters.validate()?;
        // The photos wait in the queue for as long as they must, and their share with them.
        share.shrink_to(images.iter().map(|(image, _)| image.len() as u64).sum());
        let share = Arc::new(share);
        let upload = |(image, file_name): (Bytes, Option<String>)| {
            check_image(&image)?;
            let label = label.clone().or(file_name).unwrap_or_default();
            let label = label.chars().filter(|c| !c.is_control()).take(LABEL_MAX_CHARS).collect();
            let image = BodyBudget::hold(image, Arc::clone(&share));
            Ok(Upload { image, parameters: parameters.clone(), given: given.clone(), label })
        };
        Ok(images.into_iter().map(upload).collect())
    }
}

fn check_image(image: &[u8]) -> Result<(), Problem> {
    if image.is_empty() {
        return Err(no_image());
    }
    if image_type(image).is_none() {
        let detail = "`image` is not an image that can be read: send a PNG, JPEG or WebP";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    Ok(())
}

fn no_image() -> Problem {
    field_problem("image", "is missing or empty: send a PNG, JPEG or WebP")
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
