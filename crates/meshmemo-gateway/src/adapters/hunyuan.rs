//! What the servers of `Hunyuan3D` have in common: their routes, their image, and how they speak of jobs.

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use meshmemo::Digest;
use meshmemo_gen::{FieldError, Format};
use serde_json::{Map, Value as Json, json};

use super::fields::Fields;
use crate::adapter::{
    Ask, Door, Keeping, Letter, Manner, Reason, Reply, Report, RequestHead, Unclear,
};
use crate::base64_text::{decode, encode, unescape};

/// Bytes of a format's name.
const FORMAT_MAX_BYTES: usize = 16;

/// Says what holds of all requests of these servers.
pub(super) fn manner(name: &'static str) -> Manner {
    Manner { lets_any_page_read: true, ..Manner::plain(name) }
}

/// Says what a request is to these servers.
pub(super) fn recognise<'a>(method: &Method, path: &'a str) -> Door<'a> {
    match (method, path) {
        (&Method::POST, "/generate") => Door::Generate,
        (&Method::POST, "/send") => Door::Submit,
        (&Method::GET, path) => match path.strip_prefix("/status/") {
            Some(uid) if !uid.is_empty() && !uid.contains('/') => Door::Status(uid),
            _ => Door::Elsewhere,
        },
        _ => Door::Elsewhere,
    }
}

/// Reads a field with a file in base64.
pub(super) fn file(name: &str, json: &str) -> Result<Digest, Unclear> {
    let text = unescape(json).ok_or_else(|| Unclear(format!("`{name}` is no text")))?;
    let bytes = decode(&text).ok_or_else(|| Unclear(format!("`{name}` is no base64")))?;
    Ok(Digest::of(&bytes))
}

/// Takes the output format, which is GLB unless another one is asked for. What is none of those that
/// can be checked is passed through.
pub(super) fn format(fields: &mut Fields<'_>) -> Result<(String, Option<Format>), Unclear> {
    let Some(json) = fields.take("type") else { return Ok(("glb".to_owned(), Some(Format::Glb))) };
    let text = unescape(json).ok_or_else(|| Unclear("`type` is no text".to_owned()))?;
    if text.len() > FORMAT_MAX_BYTES {
        return Err(Unclear("`type` is no format".to_owned()));
    }
    Ok((text.to_string(), text.parse().ok()))
}

/// Says whether a result of this format is kept.
pub(super) fn keeping(format: Option<Format>) -> Keeping {
    match format {
        Some(_) => Keeping::Kept,
        None => Keeping::PassedThrough(Reason::UncheckedFormat),
    }
}

/// Writes a request of these servers; with these fields besides the image, the format and the seed.
pub(super) fn write(
    ask: &Ask,
    adapter: &'static str,
    more: Map<String, Json>,
) -> Result<Letter, FieldError> {
    ask.check(&["format", "seed"], adapter)?;
    let mut fields = more;
    fields.insert("image".to_owned(), Json::from(encode(&ask.photo)));
    if ask.parameters.format != Format::Glb {
        fields.insert("type".to_owned(), Json::from(ask.parameters.format.as_str()));
    }
    if let Some(seed) = ask.parameters.seed {
        fields.insert("seed".to_owned(), Json::from(seed));
    }
    let json = HeaderValue::from_static("application/json");
    let head = RequestHead {
        method: Method::POST,
        path: "/generate".to_owned(),
        query: String::new(),
        headers: HeaderMap::from_iter([(header::CONTENT_TYPE, json)]),
    };
    Ok(Letter { head, body: Json::from(fields).to_string().into() })
}

/// Speaks of a job as these servers do; they have no word for a failed one, so it ends as their read
/// errors do.
pub(super) fn report(report: &Report) -> Reply {
    let (status, before, after) = match report {
        Report::Taken(uid) => (StatusCode::OK, json!({ "uid": uid }).to_string(), None),
        Report::Processing => (StatusCode::OK, json!({ "status": "processing" }).to_string(), None),
        Report::Failed(message) => {
            let failed = json!({ "status": "error", "message": message });
            (StatusCode::INTERNAL_SERVER_ERROR, failed.to_string(), None)
        }
        Report::Completed => {
            let before = "{\"status\":\"completed\",\"model_base64\":\"".to_owned();
            (StatusCode::OK, before, Some("\"}".to_owned()))
        }
    };
    Reply { status, media_type: "application/json", before, after }
}
