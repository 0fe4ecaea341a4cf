//! What a generation is asked for, as pydantic reads it: leniently, and naming all that is wrong.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};

use super::Refusal;

const FORMATS: [&str; 4] = ["stl", "obj", "glb", "ply"];
/// The sides of a model, what they are by default, and how long they may be.
const SIDES: [(&str, i64, i64); 3] =
    [("width", 100, 1000), ("height", 100, 1000), ("depth", 20, 500)];
const QUALITY: i64 = 7;
const QUALITY_MAX: i64 = 10;

/// A request that is in order, with its defaults filled in.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) job_id: String,
    pub(super) format: String,
    pub(super) dimensions: BTreeMap<&'static str, i64>,
    pub(super) quality: i64,
}

impl Asked {
    /// Reads a request, or says what is against it.
    pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Refusal> {
        let is_json = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("application/json"));
        let Some(Value::Object(fields)) = serde_json::from_slice(body).ok().filter(|_| is_json)
        else {
            return Err(failed());
        };
        let mut complaints = Complaints::default();
        let job_id = job_id(&fields, &mut complaints);
        let format = format(&fields, &mut complaints);
        let dimensions = dimensions(&fields, &mut complaints);
        let quality = complaints.integer(
            fields.get("quality").unwrap_or(&QUALITY.into()),
            QUALITY_MAX,
            &["quality"],
        );
        // The exception of a check of its own is nothing that JSON can hold.
        if job_id.as_ref().is_some_and(|id| !is_uuid(id)) {
            return Err(failed());
        }
        match (job_id, format, dimensions, quality) {
            (Some(job_id), Some(format), Some(dimensions), Some(quality)) => {
                Ok(Self { job_id, format, dimensions, quality })
            }
            _ => {
                let json =
                    json!({ "details": complaints.found, "error": "Invalid request parameters" });
                Err(Refusal { status: 400, json })
            }
        }
    }

    /// Returns what decides about the model, as text.
    pub(super) fn fields(&self) -> BTreeMap<String, String> {
        let sides =
            self.dimensions.iter().map(|(name, side)| ((*name).to_owned(), side.to_string()));
        let mut fields: BTreeMap<_, _> = sides.collect();
        fields.insert("format".to_owned(), self.format.clone());
        fields.insert("quality".to_owned(), self.quality.to_string());
        fields
    }
}

/// The server's own error, whatever has happened.
fn failed() -> Refusal {
    Refusal::new(500, "3D generation failed")
}

fn job_id(fields: &Map<String, Value>, complaints: &mut Complaints) -> Option<String> {
    let Some(id) = fields.get("job_id") else {
        complaints.missing(&["job_id"], &Value::Object(fields.clone()));
        return None;
    };
    if !id.is_string() {
        complaints.add("string_type", &["job_id"], "Input should be a valid string", id);
    }
    id.as_str().map(str::to_owned)
}

fn format(fields: &Map<String, Value>, complaints: &mut Complaints) -> Option<String> {
    let Some(format) = fields.get("format") else { return Some("stl".to_owned()) };
    if let Some(known) = format.as_str().filter(|format| FORMATS.contains(format)) {
        return Some(known.to_owned());
    }
    let expected = "'stl', 'obj', 'glb' or 'ply'";
    complaints.add("literal_error", &["format"], &format!("Input should be {expected}"), format);
    complaints.explain(json!({ "expected": expected }));
    None
}

fn dimensions(
    fields: &Map<String, Value>,
    complaints: &mut Complaints,
) -> Option<BTreeMap<&'static str, i64>> {
    let Some(given) = fields.get("dimensions") else {
        return Some(SIDES.iter().map(|(name, side, _)| (*name, *side)).collect());
    };
    let Some(sides) = given.as_object() else {
        let message = "Input should be a valid dictionary or instance of DimensionsModel";
        complaints.add("model_type", &["dimensions"], message, given);
        return None;
    };
    // All of them are looked at, even if the first one is wrong.
    let read: Vec<_> = SIDES
        .iter()
        .map(|(name, _, most)| {
            let place = ["dimensions", *name];
            let Some(side) = sides.get(*name) else {
                complaints.missing(&place, given);
                return None;
            };
            Some((*name, complaints.integer(side, *most, &place)?))
        })
        .collect();
    read.into_iter().collect()
}

fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12])
        && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'))
}

/// What pydantic has against a request.
#[derive(Debug, Default)]
struct Complaints {
    found: Vec<Value>,
}

impl Complaints {
    /// Reads a whole number from one on, of whatever looks like one.
    fn integer(&mut self, value: &Value, most: i64, place: &[&str]) -> Option<i64> {
        let number = match value {
            Value::Bool(is_one) => Some(i64::from(*is_one)),
            Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
            Value::String(text) => {
                let text = text.trim();
                text.parse().ok().or_else(|| whole(text.parse().ok()?))
            }
            _ => None,
        };
        let Some(number) = number else {
            let (kind, rest) = match value {
                Value::Number(_) => ("int_from_float", ", got a number with a fractional part"),
                Value::String(_) => ("int_parsing", ", unable to parse string as an integer"),
                _ => ("int_type", ""),
            };
            self.add(kind, place, &format!("Input should be a valid integer{rest}"), value);
            return None;
        };
        let (kind, word, name, limit) = if number < 1 {
            ("greater_than_equal", "greater", "ge", 1)
        } else if number > most {
            ("less_than_equal", "less", "le", most)
        } else {
            return Some(number);
        };
        self.add(kind, place, &format!("Input should be {word} than or equal to {limit}"), value);
        self.explain(json!({ name: limit }));
        None
    }

    fn missing(&mut self, place: &[&str], input: &Value) {
        self.add("missing", place, "Field required", input);
    }

    fn add(&mut self, kind: &str, place: &[&str], message: &str, input: &Value) {
        self.found.push(json!({
            "input": input,
            "loc": place,
            "msg": message,
            "type": kind,
            "url": format!("https://errors.pydantic.dev/2.11/v/{kind}"),
        }));
    }

    /// Adds to the last one what it was measured by.
    fn explain(&mut self, context: Value) {
        self.found.last_mut().unwrap()["ctx"] = context;
    }
}

#[expect(clippy::cast_possible_truncation, reason = "what is cut off is out of range anyway")]
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0).then_some(number as i64)
}
