//! `generic`: a server of one's own, described in the configuration file. Requests are JSON or
//! multipart; what is not said to be irrelevant is part of the key.

mod draft;
mod route;

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use meshmemo::{Digest, Value};
use meshmemo_gen::{FieldError, Format};
use serde_json::{Map, Value as Json};

use super::Unseeded;
use super::fields::{kept_name, text, value};
use super::form::{self, Form};
use crate::adapter::{
    Adapter, Ask, Door, Keeping, Letter, Manner, Meaning, Reason, Reply, Report, RequestHead,
    Unclear,
};
use crate::base64_text::encode;
use draft::Draft;
use route::BodyKind;
pub use route::{GenericRoute, GenericRoutes};

const NAME: &str = "generic";

/// The protocol.
#[derive(Debug)]
pub(super) struct Generic {
    routes: GenericRoutes,
    unseeded: Unseeded,
    manner: Manner,
}

impl Generic {
    pub(super) fn new(routes: GenericRoutes, unseeded: Unseeded) -> Self {
        let named = routes.0.iter().flat_map(|route| route.keyed_headers.clone());
        let manner = Manner { keyed_headers: named.collect(), ..Manner::plain(NAME) };
        Self { routes, unseeded, manner }
    }

    fn route(&self, method: &Method, path: &str) -> Option<&GenericRoute> {
        self.routes.0.iter().find(|route| route.method == method.as_str() && route.path == path)
    }
}

impl Adapter for Generic {
    fn manner(&self) -> &Manner {
        &self.manner
    }

    fn recognise<'a>(&self, method: &Method, path: &'a str) -> Door<'a> {
        self.route(method, path).map_or(Door::Elsewhere, |_| Door::Generate)
    }

    fn read(&self, head: &RequestHead, body: &Bytes) -> Result<Meaning, Unclear> {
        let route = self.route(&head.method, &head.path);
        let route = route.ok_or_else(|| Unclear("there is no such route".to_owned()))?;
        let mut draft = match route.body {
            BodyKind::Json => Draft::of_json(route, body)?,
            BodyKind::Multipart => Draft::of_form(route, Form::read(&head.headers, body)?),
        };
        draft.fields.set("@route", text(&format!("{} {}", route.method, route.path)));
        draft.fields.set_query(&head.query);
        for name in &route.keyed_headers {
            for (index, value) in head.headers.get_all(name).iter().enumerate() {
                // Who says nothing accepts anything (RFC 9110, 12.5.1).
                if name != "accept" || value != "*/*" {
                    // What a header says may be a secret: it is not kept as it is.
                    let digest = Value::Digest(Digest::of(value.as_bytes()));
                    draft.fields.set(&format!("@header {name} {index}"), digest);
                }
            }
        }
        draft.finish(route, self.unseeded)
    }

    fn write(&self, ask: &Ask) -> Result<Letter, FieldError> {
        let no_route =
            || FieldError::new("image", "a photo", "for a route with a field for images");
        let route = self.routes.0.iter().find(|route| !route.images.is_empty());
        let route = route.ok_or_else(no_route)?;
        let mut honoured = Vec::new();
        honoured.extend(route.format_field.as_ref().map(|_| "format"));
        honoured.extend(route.seed.as_ref().map(|_| "seed"));
        // The one that there is may be named.
        let is_only_format = Some(ask.parameters.format) == route.answer.format();
        let is_all_there_is = is_only_format && route.format_field.is_none();
        honoured.extend(is_all_there_is.then_some("format"));
        ask.check(&honoured, NAME)?;
        let mut more = Map::new();
        if let Some(field) = route.format_field.as_ref().filter(|_| ask.has("format")) {
            more.insert(field.clone(), Json::from(ask.parameters.format.as_str()));
        }
        if let (Some(field), Some(seed)) = (&route.seed, ask.parameters.seed) {
            more.insert(field.clone(), Json::from(seed));
        }
        let (content_type, body) = match route.body {
            BodyKind::Json => {
                more.insert(route.images[0].clone(), Json::from(encode(&ask.photo)));
                ("application/json".to_owned(), Json::from(more).to_string().into())
            }
            BodyKind::Multipart => form::write((&route.images[0], "image"), &ask.photo, &more),
        };
        let content_type = HeaderValue::from_str(&content_type).expect("it is letters and digits");
        let head = RequestHead {
            method: route.method.parse().expect("it was checked when it was read"),
            path: route.path.clone(),
            query: String::new(),
            headers: HeaderMap::from_iter([(header::CONTENT_TYPE, content_type)]),
        };
        Ok(Letter { head, body })
    }

    fn report(&self, _report: &Report) -> Option<Reply> {
        None
    }
}

impl GenericRoute {
    /// Says what becomes of a result, by the seed.
    fn keeping(&self, parameters: &Parameters, unseeded: Unseeded) -> Keeping {
        let Some(field) = &self.seed else { return Keeping::Kept };
        match parameters.get(&kept_name(field)) {
            Some(seed) if self.random_seeds.iter().any(|random| is_seed(seed, random)) => {
                Keeping::PassedThrough(Reason::RandomSeed)
            }
            seed if unseeded == Unseeded::Pass && seed.is_none_or(is_none) => {
                Keeping::PassedThrough(Reason::Unseeded)
            }
            _ => Keeping::Kept,
        }
    }

    /// Takes the format out of the parameters: it is the variant.
    fn format(&self, parameters: &mut Parameters) -> Result<Option<Format>, Unclear> {
        let Some(field) = &self.format_field else { return Ok(self.answer.format()) };
        let name = kept_name(field);
        match parameters.get(&name) {
            None => Ok(self.answer.format()),
            Some(Value::Text(text)) => {
                let format = text.to_ascii_lowercase().parse().map_err(|_| {
                    Unclear(format!("`{field}` is `{text}`, which can not be checked"))
                })?;
                parameters.remove(&name);
                Ok(Some(format))
            }
            Some(_) => Err(Unclear(format!("`{field}` is no text"))),
        }
    }

    /// Reads a field of a form, which has no types of its own: as a number or a truth value only where
    /// the default is one, or where it is the seed.
    fn form_value(&self, name: &str, content: &str) -> Value {
        let is_seed = self.seed.as_deref() == Some(name);
        match self.defaults.get(name) {
            Some(Json::Bool(_)) if matches!(content, "true" | "false") => {
                Value::Flag(content == "true")
            }
            default => {
                let is_number = is_seed || matches!(default, Some(Json::Number(_)));
                let is_one = is_number && content.trim().parse::<f64>().is_ok_and(f64::is_finite);
                if is_one { value(content.trim()) } else { text(content) }
            }
        }
    }
}

/// Parameters on their way.
type Parameters = BTreeMap<String, Value>;

/// Returns whether a value says as much as none.
fn is_none(value: &Value) -> bool {
    *value == super::fields::value("null") || *value == Value::Text(String::new())
}

/// Returns whether a seed is this one, as a number or as a text.
fn is_seed(seed: &Value, wanted: &Json) -> bool {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let (seed, wanted) =
        (seed.to_string(), wanted.as_str().map_or_else(|| wanted.to_string(), str::to_owned));
    seed == wanted || number(&seed).is_some_and(|seed| Some(seed) == number(&wanted))
}

/// Returns whether a value promises something, in JSON or in a form.
fn means_yes(value: &Value) -> bool {
    match value {
        Value::Flag(flag) => *flag,
        Value::Text(text) => {
            matches!(text.to_ascii_lowercase().as_str(), "true" | "yes" | "on" | "1")
        }
        Value::Integer(number) => *number != 0,
        Value::Number(number) => *number != 0.0,
        _ => false,
    }
}
