//! The fields of a request on their way to become parameters: an adapter takes those whose meaning it
//! knows, and the rest is kept as it was sent.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use meshmemo::{Digest, Value};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::adapter::Unclear;
use crate::base64_text::unescape;

/// How many fields a request may have that is read at all, and how long their names may be.
const FIELDS_MAX: usize = 256;
const NAME_MAX_BYTES: usize = 256;
const NAMES_MAX_BYTES: usize = 8 << 10;
/// Bytes of a text that is kept as it is; of a longer one, the digest is.
const TEXT_MAX_BYTES: usize = 64;
/// What the names of parameters begin with that are no fields; a field's own is doubled.
const RESERVED: char = '@';

/// The fields of a request, each as the JSON that was sent.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    sent: BTreeMap<Cow<'a, str>, &'a str>,
    parameters: BTreeMap<String, Value>,
}

impl<'a> Fields<'a> {
    /// Reads a JSON object as Python does: of a field that is sent twice, the last one counts.
    pub(super) fn of_json(body: &'a [u8]) -> Result<Self, Unclear> {
        let Sent(sent) = serde_json::from_slice(body)
            .map_err(|error| Unclear(format!("the body is no JSON object: {error}")))?;
        Ok(Self { sent, parameters: BTreeMap::new() })
    }

    /// Has no fields yet.
    pub(super) fn empty() -> Self {
        Self { sent: BTreeMap::new(), parameters: BTreeMap::new() }
    }

    /// Adds a field that was sent otherwise than in JSON.
    pub(super) fn add(&mut self, name: &str, value: Value) {
        self.parameters.insert(kept_name(name), value);
    }

    /// Returns whether a field was sent.
    pub(super) fn has(&self, name: &str) -> bool {
        self.sent.contains_key(name)
    }

    /// Takes a field out.
    pub(super) fn take(&mut self, name: &str) -> Option<&'a str> {
        self.sent.remove(name)
    }

    /// Takes out fields that do not reach the result.
    pub(super) fn leave_out(&mut self, names: &[&str]) {
        for name in names {
            self.sent.remove(*name);
        }
    }

    /// Sets a parameter.
    pub(super) fn set(&mut self, name: &str, value: Value) {
        self.parameters.insert(name.to_owned(), value);
    }

    /// Takes a whole number; written as anything else, it is another value than that number, as the
    /// server does not convert it.
    pub(super) fn strict_integer(&mut self, name: &str, default: i128) {
        let value = match self.take(name) {
            None => Value::Integer(default),
            Some(json) => match json.parse() {
                Ok(number) => Value::Integer(number),
                Err(_) => otherwise(json),
            },
        };
        self.set(name, value);
    }

    /// Takes a number.
    pub(super) fn number(&mut self, name: &str, default: f64) {
        let value = self.take(name).map_or(Value::Number(default), value);
        self.set(name, value);
    }

    /// Takes a field that Python tests for its truth.
    pub(super) fn truth(&mut self, name: &str) -> bool {
        let is_true = self.take(name).is_some_and(is_truthy);
        self.set(name, Value::Flag(is_true));
        is_true
    }

    /// Takes what the query says.
    pub(super) fn set_query(&mut self, query: &str) {
        if !query.is_empty() {
            // It may have a secret in it, and nobody reads it back.
            self.set("@query", Value::Digest(Digest::of(query.as_bytes())));
        }
    }

    /// Returns the parameters, with all that nobody took as it was sent.
    pub(super) fn finish(self) -> BTreeMap<String, Value> {
        let rest = self.sent.into_iter().map(|(name, json)| (kept_name(&name), value(json)));
        let mut parameters = self.parameters;
        parameters.extend(rest);
        parameters
    }
}

/// Keeps the names of fields apart from those that are none.
pub(super) fn kept_name(name: &str) -> String {
    if name.starts_with(RESERVED) { format!("{RESERVED}{name}") } else { name.to_owned() }
}

/// Reads a value; equal numbers are equal however they are written.
pub(super) fn value(json: &str) -> Value {
    match json.as_bytes() {
        b"true" => Value::Flag(true),
        b"false" => Value::Flag(false),
        [b'"', ..] => unescape(json).map_or_else(|| otherwise(json), |it| text(&it)),
        [b'-' | b'0'..=b'9', ..] => number(json),
        _ => otherwise(json),
    }
}

/// Keeps a text, or, of a long one, its digest.
pub(super) fn text(text: &str) -> Value {
    if text.len() <= TEXT_MAX_BYTES {
        Value::Text(text.to_owned())
    } else {
        Value::Digest(Digest::of(&[b"text ", text.as_bytes()].concat()))
    }
}

fn number(json: &str) -> Value {
    if let Ok(whole) = json.parse::<i128>() {
        return Value::Integer(whole);
    }
    // A whole number that is too large for the key's is not the float next to it.
    let is_whole = !json.contains(['.', 'e', 'E']);
    match json.parse::<f64>() {
        Ok(number) if number.is_finite() && !is_whole => Value::Number(number),
        _ => otherwise(json),
    }
}

/// Keeps what is none of the plain values apart from them, as it was written.
fn otherwise(json: &str) -> Value {
    Value::Digest(Digest::of(&[b"json ", json.as_bytes()].concat()))
}

/// Returns whether Python takes a JSON value for true.
fn is_truthy(json: &str) -> bool {
    match value(json) {
        Value::Flag(flag) => flag,
        Value::Text(text) => !text.is_empty(),
        Value::Integer(number) => number != 0,
        Value::Number(number) => number != 0.0,
        _ => json != "null" && !is_empty(json),
    }
}

fn is_empty(json: &str) -> bool {
    let inner: String = json.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    inner == "[]" || inner == "{}"
}

struct Sent<'a>(BTreeMap<Cow<'a, str>, &'a str>);

impl<'de> Deserialize<'de> for Sent<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(SentVisitor)
    }
}

struct SentVisitor;

impl<'de> Visitor<'de> for SentVisitor {
    type Value = Sent<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the fields of a request")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Sent<'de>, A::Error> {
        let (mut sent, mut names_bytes) = (BTreeMap::new(), 0);
        while let Some((Name(name), json)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
            if name.len() > NAME_MAX_BYTES {
                return Err(A::Error::custom("a name is too long"));
            }
            let name_bytes = name.len();
            sent.insert(name, json.get());
            names_bytes += name_bytes;
            if sent.len() > FIELDS_MAX || names_bytes > NAMES_MAX_BYTES {
                return Err(A::Error::custom("there are too many fields"));
            }
        }
        Ok(Sent(sent))
    }
}

/// A field's name, borrowed where it has no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Borrowed(name)))
    }

    fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Owned(name.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(json: &str) -> BTreeMap<String, Value> {
        Fields::of_json(json.as_bytes()).unwrap().finish()
    }

    #[test]
    fn what_nobody_takes_is_kept_as_it_was_sent() {
        let kept = parameters(r#"{"b": [1, 2], "a": 5.0, "n": null, "t": "x", "@q": true}"#);
        assert_eq!(kept["a"], Value::Number(5.0));
        assert_eq!(kept["t"], Value::Text("x".into()));
        assert_eq!(kept["@@q"], Value::Flag(true));
        assert!(matches!(kept["b"], Value::Digest(_)) && matches!(kept["n"], Value::Digest(_)));
        assert_ne!(kept["b"], parameters(r#"{"b": [1, 3]}"#)["b"]);
        assert_ne!(text(&"a".repeat(300)), text(&"a".repeat(301)));
    }

    #[test]
    fn of_a_field_sent_twice_the_last_counts() {
        assert_eq!(parameters(r#"{"a": 1, "a": 2}"#), parameters(r#"{"a": 2}"#));
        assert_eq!(parameters(r#"{"\u0061": 2}"#), parameters(r#"{"a": 2}"#));
    }

    #[test]
    fn truth_is_pythons() {
        for (json, is_true) in [
            ("true", true),
            ("1", true),
            ("\"false\"", true),
            ("[0]", true),
            ("false", false),
            ("0.0", false),
            ("\"\"", false),
            ("null", false),
            ("[ ]", false),
            ("{}", false),
        ] {
            assert_eq!(is_truthy(json), is_true, "{json}");
        }
    }

    #[test]
    fn what_is_no_object_or_has_too_many_fields_is_not_read() {
        let many: Vec<_> = (0..=FIELDS_MAX).map(|n| format!("\"{n}\": 0")).collect();
        let many = format!("{{{}}}", many.join(","));
        assert_ne!(value(&"9".repeat(50)), value(&format!("{}8", "9".repeat(49))));
        for body in ["", "[]", "7", "{", "{\"a\": NaN}", &many] {
            assert!(Fields::of_json(body.as_bytes()).is_err(), "{body}");
        }
    }
}
