//! `generic`: a server of one's own, described in the configuration file. Requests are JSON or
//! multipart; what is not said to be irrelevant is part of the key.

mod form;
mod route;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use meshmemo::{Digest, Value};
use meshmemo_gen::{FieldError, Format};
use serde_json::{Map, Value as Json};

use super::Unseeded;
use super::fields::{Fields, text, value};
use crate::adapter::{
    Adapter, Ask, Door, Expected, Keeping, Letter, Meaning, Reply, Report, RequestHead, Unclear,
};
use crate::base64_text::{decode_uri, encode, unescape};
use crate::remote_generation::wrapped;
use form::Form;
use route::BodyKind;
pub use route::{GenericRoute, GenericRoutes};

const NAME: &str = "generic";

/// The protocol.
#[derive(Debug)]
pub(super) struct Generic {
    routes: GenericRoutes,
    unseeded: Unseeded,
    /// Those of all routes.
    keyed_headers: Vec<String>,
}

impl Generic {
    pub(super) fn new(routes: GenericRoutes, unseeded: Unseeded) -> Self {
        let named = routes.0.iter().flat_map(|route| route.keyed_headers.clone());
        let keyed_headers = named.collect();
        Self { routes, unseeded, keyed_headers }
    }

    fn route(&self, method: &Method, path: &str) -> Option<&GenericRoute> {
        self.routes.0.iter().find(|route| route.method == method.as_str() && route.path == path)
    }
}

impl Adapter for Generic {
    fn name(&self) -> &'static str {
        NAME
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
        let (name, method) = (format!("{} {}", route.method, route.path), head.query.as_str());
        draft.fields.set("@route", text(&name));
        draft.fields.set_query(method);
        for name in &route.keyed_headers {
            for (index, value) in head.headers.get_all(name).iter().enumerate() {
                // Who says nothing accepts anything (RFC 9110, 12.5.1).
                if name == "accept" && value == "*/*" {
                    continue;
                }
                let shown = String::from_utf8_lossy(value.as_bytes());
                draft.fields.set(&format!("@header {name} {index}"), text(&shown));
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
        let is_only_format = Some(ask.parameters.format) == route.answer.format();
        honoured.extend(is_only_format.then_some("format"));
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
            BodyKind::Multipart => form::write(&route.images[0], &ask.photo, &more),
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

    fn keyed_headers(&self) -> &[String] {
        &self.keyed_headers
    }

    /// There are no jobs.
    fn report(&self, _report: &Report) -> Reply {
        Reply {
            status: StatusCode::NOT_FOUND,
            media_type: "application/json",
            before: "{}".to_owned(),
            after: None,
            is_for_any_origin: false,
        }
    }
}

/// What is known of a request while it is read.
struct Draft<'a> {
    fields: Fields<'a>,
    images: Vec<Digest>,
    /// Whether an image is named by an address, behind which another one may be tomorrow.
    is_image_elsewhere: bool,
}

impl<'a> Draft<'a> {
    fn of_json(route: &GenericRoute, body: &'a Bytes) -> Result<Self, Unclear> {
        let fields = Fields::of_json(body)?;
        let mut draft = Self { fields, images: Vec::new(), is_image_elsewhere: false };
        for (place, name) in route.images.iter().enumerate() {
            let Some(json) = draft.fields.take(name) else { continue };
            let texts = match serde_json::from_str::<Vec<&serde_json::value::RawValue>>(json) {
                Ok(list) => list.into_iter().map(serde_json::value::RawValue::get).collect(),
                Err(_) => vec![json],
            };
            for (index, json) in texts.into_iter().enumerate() {
                draft.add_image((place, name, index), json)?;
            }
        }
        Ok(draft)
    }

    fn add_image(
        &mut self,
        (place, name, index): (usize, &str, usize),
        json: &str,
    ) -> Result<(), Unclear> {
        let content = unescape(json).ok_or_else(|| Unclear(format!("`{name}` is no text")))?;
        if content.starts_with("http://") || content.starts_with("https://") {
            self.is_image_elsewhere = true;
            self.fields.set(&format!("@image {name} {index}"), text(&content));
            return Ok(());
        }
        let bytes =
            decode_uri(&content).ok_or_else(|| Unclear(format!("`{name}` is no base64")))?;
        self.note_image((place, name, index), Digest::of(&bytes));
        Ok(())
    }

    /// The first field's images count by their order, all others by their names too.
    fn note_image(&mut self, (place, name, index): (usize, &str, usize), digest: Digest) {
        self.images.push(digest);
        if place > 0 {
            self.fields.set(&format!("@image {name} {index}"), Value::Digest(digest));
        }
    }

    fn of_form(route: &GenericRoute, form: Form) -> Self {
        let fields = Fields::empty();
        let mut draft = Self { fields, images: Vec::new(), is_image_elsewhere: false };
        for (name, index, bytes) in form.parts {
            if let Some(place) = route.images.iter().position(|image| *image == name) {
                draft.note_image((place, &name, index), Digest::of(&bytes));
                continue;
            }
            let content = match std::str::from_utf8(&bytes) {
                Ok(content) => route.form_value(&name, content),
                Err(_) => Value::Digest(Digest::of(&bytes)),
            };
            let name = if index == 0 { name } else { format!("@{index} {name}") };
            draft.fields.add(&name, content);
        }
        draft
    }

    fn finish(mut self, route: &GenericRoute, unseeded: Unseeded) -> Result<Meaning, Unclear> {
        let irrelevant: Vec<_> = route.irrelevant.iter().map(String::as_str).collect();
        self.fields.leave_out(&irrelevant);
        let mut parameters = self.fields.finish();
        for name in &irrelevant {
            parameters.remove(*name);
        }
        for (name, default) in &route.defaults {
            parameters.entry(name.clone()).or_insert_with(|| value(&default.to_string()));
        }
        let format = route.format(&mut parameters)?;
        let is_true = |field: &String| parameters.get(field) == Some(&Value::Flag(true));
        let expected = Expected {
            statuses: route.statuses.clone(),
            format,
            is_textured: route.texture_field.as_ref().is_some_and(is_true),
            model_field: route.model_field.clone(),
            headers: route.keep_headers.clone(),
        };
        let keeping = if self.is_image_elsewhere {
            Keeping::PassedThrough("an image is named by an address")
        } else {
            route.keeping(&parameters, unseeded)
        };
        let variant = match (&route.model_field, format) {
            (Some(_), Some(format)) => wrapped(format).canonical.to_owned(),
            (Some(_), None) => "json".to_owned(),
            (None, Some(format)) => format.as_str().to_owned(),
            (None, None) => "any".to_owned(),
        };
        Ok(Meaning { parameters, images: self.images, variant, expected, keeping })
    }
}

impl GenericRoute {
    /// Says what becomes of a result, by the seed.
    fn keeping(
        &self,
        parameters: &std::collections::BTreeMap<String, Value>,
        unseeded: Unseeded,
    ) -> Keeping {
        let Some(field) = &self.seed else { return Keeping::Kept };
        match parameters.get(field) {
            Some(seed) if self.random_seeds.iter().any(|it| value(&it.to_string()) == *seed) => {
                Keeping::PassedThrough("its seed means a random one")
            }
            None if unseeded == Unseeded::Pass => {
                Keeping::PassedThrough("the server draws at random")
            }
            _ => Keeping::Kept,
        }
    }

    /// Takes the format out of the parameters: it is the variant.
    fn format(
        &self,
        parameters: &mut std::collections::BTreeMap<String, Value>,
    ) -> Result<Option<Format>, Unclear> {
        let Some(field) = &self.format_field else { return Ok(self.answer.format()) };
        match parameters.get(field) {
            None => Ok(self.answer.format()),
            Some(Value::Text(text)) => {
                let format = text.to_ascii_lowercase().parse().map_err(|_| {
                    Unclear(format!("`{field}` is `{text}`, which can not be checked"))
                })?;
                parameters.remove(field);
                Ok(Some(format))
            }
            Some(_) => Err(Unclear(format!("`{field}` is no text"))),
        }
    }

    /// Reads a field of a form, which has no types of its own: as a number or a truth value only where
    /// the default is one.
    fn form_value(&self, name: &str, content: &str) -> Value {
        match self.defaults.get(name) {
            Some(Json::Number(_)) if content.trim().parse::<f64>().is_ok() => value(content.trim()),
            Some(Json::Bool(_)) if matches!(content, "true" | "false") => {
                Value::Flag(content == "true")
            }
            _ => text(content),
        }
    }
}
