//! The JSON bodies of management calls.

use axum::body::Bytes;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};

use super::problem::Problem;

/// Answers with JSON that no cache keeps.
pub(super) fn answer(body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).expect("what is answered has nothing that JSON has not");
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (headers, body).into_response()
}

/// Reads a JSON object whose fields are all known; an empty body is an empty object.
pub(super) fn object(body: &Bytes, known: &[&str]) -> Result<Map<String, Value>, Problem> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    let object: Map<String, Value> = serde_json::from_slice(body)
        .map_err(|error| Problem::bad_request(format!("the body is not a JSON object: {error}")))?;
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(object),
        Some(unknown) => {
            let unknown: String = unknown.chars().take(80).collect();
            let known = known.join(", ");
            Err(Problem::bad_request(format!("`{unknown}` is not a field here; known: {known}")))
        }
    }
}
