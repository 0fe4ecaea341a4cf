//! `stability`: the hosted API of Stability AI, `stable-fast-3d` and `stable-point-aware-3d`. Requests are
//! forms; every generation is paid for, by whom the `Authorization` names.
//!
//! `stable-fast-3d` draws nothing at random. `stable-point-aware-3d` does, unless it is sent a seed, and
//! there 0 means none.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use meshmemo::{Digest, Value};
use meshmemo_gen::{FieldError, Format};
use serde_json::Map;

use super::fields::{Fields, text};
use super::form::{self, Form};
use crate::adapter::{
    Adapter, Ask, Door, Expected, Keeping, Letter, Manner, Meaning, Reason, Reply, Report,
    RequestHead, Said, Unclear,
};

const NAME: &str = "stability";

const FAST: &str = "/v2beta/3d/stable-fast-3d";
const POINT_AWARE: &str = "/v2beta/3d/stable-point-aware-3d";

/// Where the model is, in base64, for who accepts JSON.
const MODEL_FIELD: &str = "/model";
/// Says whether a model was withheld; it is kept with an answer.
const FINISH_REASON: &str = "finish-reason";
const FINISHED: Said = Said { header: FINISH_REASON, field: "/finish_reason", word: "SUCCESS" };

const TEXTURE_RESOLUTIONS: [&str; 3] = ["1024", "512", "2048"];
const REMESHES: [&str; 3] = ["none", "triangle", "quad"];
const TARGET_TYPES: [&str; 3] = ["none", "vertex", "face"];

/// The protocol.
#[derive(Debug)]
pub(super) struct Stability {
    manner: Manner,
}

impl Stability {
    pub(super) fn new() -> Self {
        // A cookie makes nobody else of who pays.
        let (accept, payer) = (header::ACCEPT.to_string(), header::AUTHORIZATION.to_string());
        let (keyed_headers, credential_headers) = (vec![accept], Some(vec![payer]));
        Self { manner: Manner { keyed_headers, credential_headers, ..Manner::plain(NAME) } }
    }
}

impl Adapter for Stability {
    fn manner(&self) -> &Manner {
        &self.manner
    }

    fn recognise<'a>(&self, method: &Method, path: &'a str) -> Door<'a> {
        match (method, path) {
            (&Method::POST, FAST | POINT_AWARE) => Door::Generate,
            _ => Door::Elsewhere,
        }
    }

    fn read(&self, head: &RequestHead, body: &Bytes) -> Result<Meaning, Unclear> {
        let mut sent = Sent::read(&head.headers, body)?;
        sent.fields.set("@path", text(&head.path));
        sent.fields.set_query(&head.query);
        sent.choice("texture_resolution", &TEXTURE_RESOLUTIONS)?;
        sent.choice("remesh", &REMESHES)?;
        let keeping = if head.path == FAST { sent.fast()? } else { sent.point_aware()? };
        let (variant, model_field) = match accepted(&head.headers) {
            Accepted::Model => ("glb", None),
            Accepted::Json => ("json-glb", Some(MODEL_FIELD.to_owned())),
            Accepted::Other(named) => {
                sent.fields.set("@accept", text(&named));
                ("glb", None)
            }
        };
        let headers = vec![FINISH_REASON.to_owned()];
        let expected =
            Expected { model_field, headers, said: Some(FINISHED), ..Expected::model(Format::Glb) };
        let (images, parameters) = (vec![sent.image], sent.fields.finish());
        Ok(Meaning { parameters, images, variant: variant.to_owned(), expected, keeping })
    }

    /// Asks `stable-fast-3d`: the same photo is the same request there.
    fn write(&self, ask: &Ask) -> Result<Letter, FieldError> {
        let is_glb = ask.parameters.format == Format::Glb;
        let honoured: &[&str] = if is_glb { &["format"] } else { &[] };
        ask.check(honoured, NAME)?;
        let (content_type, body) = form::write(("image", "image"), &ask.photo, &Map::new());
        let content_type = HeaderValue::from_str(&content_type).expect("it is letters and digits");
        let head = RequestHead {
            method: Method::POST,
            path: FAST.to_owned(),
            query: String::new(),
            headers: HeaderMap::from_iter([(header::CONTENT_TYPE, content_type)]),
        };
        Ok(Letter { head, body })
    }

    fn report(&self, _report: &Report) -> Option<Reply> {
        None
    }
}

/// What a form has sent, of which fields are taken whose meaning is known.
struct Sent {
    image: Digest,
    texts: Map<String, serde_json::Value>,
    fields: Fields<'static>,
}

impl Sent {
    /// Reads a form: one image, and texts of which each comes once.
    fn read(headers: &HeaderMap, body: &Bytes) -> Result<Self, Unclear> {
        let (mut image, mut texts) = (None, Map::new());
        for part in Form::read(headers, body)?.parts {
            if part.index > 0 {
                return Err(Unclear(format!("`{}` is sent twice", part.name)));
            }
            if part.name == "image" && part.file_name.is_some() {
                image = Some(Digest::of(&part.content));
                continue;
            }
            let content =
                std::str::from_utf8(&part.content).ok().filter(|_| part.file_name.is_none());
            let content = content.ok_or_else(|| Unclear(format!("`{}` is no text", part.name)))?;
            texts.insert(part.name, content.into());
        }
        let image = image.ok_or_else(|| Unclear("there is no `image`".to_owned()))?;
        Ok(Self { image, texts, fields: Fields::empty() })
    }

    /// Takes the fields of `stable-fast-3d`.
    fn fast(&mut self) -> Result<Keeping, Unclear> {
        self.number("foreground_ratio", 0.85, (0.1, 1.0))?;
        self.whole("vertex_count", -1, (-1, 20_000))?;
        self.finish();
        Ok(Keeping::Kept)
    }

    /// Takes the fields of `stable-point-aware-3d`.
    fn point_aware(&mut self) -> Result<Keeping, Unclear> {
        self.number("foreground_ratio", 1.3, (1.0, 2.0))?;
        self.number("guidance_scale", 3.0, (1.0, 10.0))?;
        let is_counted = self.choice("target_type", &TARGET_TYPES)? != "none";
        let target_count = self.taken_whole("target_count", 1000, (100, 20_000))?;
        if is_counted {
            self.fields.set("target_count", Value::Integer(target_count.into()));
        }
        let seed = self.whole("seed", 0, (0, 4_294_967_294))?;
        self.finish();
        let random = Keeping::PassedThrough(Reason::RandomSeed);
        Ok(if seed == 0 { random } else { Keeping::Kept })
    }

    fn take(&mut self, name: &str) -> Option<String> {
        self.texts.remove(name)?.as_str().map(str::to_owned)
    }

    /// Takes one of several words, of which the first is the default.
    fn choice(
        &mut self,
        name: &'static str,
        words: &[&'static str],
    ) -> Result<&'static str, Unclear> {
        let word = match self.take(name) {
            None => words[0],
            Some(sent) => words.iter().find(|word| **word == sent).ok_or_else(|| refused(name))?,
        };
        self.fields.set(name, text(word));
        Ok(word)
    }

    fn number(
        &mut self,
        name: &str,
        default: f64,
        (least, most): (f64, f64),
    ) -> Result<(), Unclear> {
        let number = match self.take(name) {
            None => default,
            Some(sent) if is_plain(&sent) => sent.parse().map_err(|_| refused(name))?,
            Some(_) => return Err(refused(name)),
        };
        if !(least..=most).contains(&number) {
            return Err(refused(name));
        }
        self.fields.set(name, Value::Number(number));
        Ok(())
    }

    fn whole(&mut self, name: &str, default: i64, range: (i64, i64)) -> Result<i64, Unclear> {
        let number = self.taken_whole(name, default, range)?;
        self.fields.set(name, Value::Integer(number.into()));
        Ok(number)
    }

    fn taken_whole(
        &mut self,
        name: &str,
        default: i64,
        (least, most): (i64, i64),
    ) -> Result<i64, Unclear> {
        let number = match self.take(name) {
            None => default,
            Some(sent) if is_plain(&sent) => sent.parse().map_err(|_| refused(name))?,
            Some(_) => return Err(refused(name)),
        };
        if (least..=most).contains(&number) { Ok(number) } else { Err(refused(name)) }
    }

    /// Keeps what is not known as it was sent.
    fn finish(&mut self) {
        for (name, sent) in std::mem::take(&mut self.texts) {
            self.fields.add(&name, text(sent.as_str().unwrap_or_default()));
        }
    }
}

/// What a client takes for an answer.
enum Accepted {
    Model,
    Json,
    Other(String),
}

/// Who says nothing accepts anything (RFC 9110, 12.5.1), and is sent the model.
fn accepted(headers: &HeaderMap) -> Accepted {
    let named = headers.get_all(header::ACCEPT).iter().map(HeaderValue::as_bytes);
    let named = named.map(String::from_utf8_lossy).collect::<Vec<_>>().join(",");
    let named = named.trim().to_ascii_lowercase();
    match named.as_str() {
        "" | "*/*" | "model/*" | "model/gltf-binary" => Accepted::Model,
        "application/json" => Accepted::Json,
        _ => Accepted::Other(named),
    }
}

/// Returns whether a number is written as everybody reads it.
fn is_plain(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    is_digits(whole) && is_digits(fraction)
}

fn refused(name: &str) -> Unclear {
    Unclear(format!("`{name}` is not what the server documents"))
}
