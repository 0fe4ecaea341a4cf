//! Whether an answer is a result that may be kept: complete, and what was asked for.

use http::header;
use meshmemo_gen::{Format, mesh};
use serde_json::Value as Json;

use crate::adapter::Expected;
use crate::answer::BackendAnswer;
use crate::base64_text::decode_uri;

/// Judges an answer.
///
/// # Errors
/// Why it may not be kept.
pub(crate) fn judge(expected: &Expected, answer: &BackendAnswer) -> Result<(), String> {
    if !expected.statuses.contains(&answer.status.as_u16()) {
        return Err(format!("its status is {}", answer.status));
    }
    if let Some(encoding) = answer.headers.get(header::CONTENT_ENCODING)
        && encoding != "identity"
    {
        return Err("it is compressed, though nobody asked for that".to_owned());
    }
    if answer.body.is_empty() {
        return Err("it is empty".to_owned());
    }
    let has_end = matches!(expected.format, Some(Format::Glb | Format::Stl | Format::Ply))
        || expected.model_field.is_some();
    if !answer.is_framed && !has_end {
        return Err("nothing tells its end from a broken connection".to_owned());
    }
    match &expected.model_field {
        None => judge_model(expected, &answer.body),
        Some(pointer) => judge_model(expected, &unwrap(&answer.body, pointer)?),
    }
}

/// Takes the model out of the JSON around it.
///
/// # Errors
/// Why there is none.
pub(crate) fn unwrap(body: &[u8], pointer: &str) -> Result<Vec<u8>, String> {
    let json: Json = serde_json::from_slice(body).map_err(|error| format!("no JSON: {error}"))?;
    let text = json.pointer(pointer).and_then(Json::as_str);
    let text = text.ok_or_else(|| format!("there is no text at `{pointer}`"))?;
    decode_uri(text).ok_or_else(|| format!("the text at `{pointer}` is no base64"))
}

fn judge_model(expected: &Expected, model: &[u8]) -> Result<(), String> {
    let Some(format) = expected.format else { return Ok(()) };
    mesh::check(model, format).map_err(|error| error.to_string())?;
    // The other formats have their textures elsewhere, or none.
    if expected.is_textured && format == Format::Glb && !mesh::is_textured(model) {
        return Err("a texture was asked for, and the model has none".to_owned());
    }
    Ok(())
}
