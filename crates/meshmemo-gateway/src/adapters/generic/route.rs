//! What the configuration says of a server of one's own.

use std::collections::BTreeMap;

use http::{HeaderName, Method};
use meshmemo_gen::Format;
use serde::Deserialize;
use serde_json::Value as Json;

/// The routes of a server: one table, or a list of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GenericRoutes(pub Vec<GenericRoute>);

/// A route whose answers are kept.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenericRoute {
    /// The path, as it is.
    pub path: String,
    /// The method.
    #[serde(default = "post")]
    pub method: String,
    /// How requests say what they ask for.
    #[serde(default)]
    pub body: BodyKind,
    /// The fields with images: base64 or data URIs in JSON, files in a form.
    pub images: Vec<String>,
    /// The fields that do not reach the result.
    #[serde(default)]
    pub irrelevant: Vec<String>,
    /// What the server takes for fields that are left out.
    #[serde(default)]
    pub defaults: BTreeMap<String, Json>,
    /// The field with the seed, where the server draws at random.
    #[serde(default)]
    pub seed: Option<String>,
    /// The seeds that mean a random one.
    #[serde(default)]
    pub random_seeds: Vec<Json>,
    /// The format of the models.
    #[serde(default)]
    pub answer: Answer,
    /// The field with the format, where the client chooses.
    #[serde(default)]
    pub format_field: Option<String>,
    /// The field that, where it is true, promises a texture.
    #[serde(default)]
    pub texture_field: Option<String>,
    /// Where the model is, in base64, if the answer is JSON around it: a JSON pointer.
    #[serde(default)]
    pub model_field: Option<String>,
    /// The statuses of answers that may be kept.
    #[serde(default = "ok")]
    pub statuses: Vec<u16>,
    /// The headers of a request that may change its answer; in lower case.
    #[serde(default = "keyed_headers")]
    pub keyed_headers: Vec<String>,
    /// The headers by which clients show the server who they are, besides the usual ones; in lower
    /// case. Who shows another one sees another cache.
    #[serde(default)]
    pub credential_headers: Vec<String>,
    /// The headers of an answer that are kept with it, besides the usual ones; in lower case.
    #[serde(default)]
    pub keep_headers: Vec<String>,
}

/// How requests say what they ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BodyKind {
    /// A JSON object.
    #[default]
    Json,
    /// A form.
    Multipart,
}

/// What answers are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// GLB.
    #[default]
    Glb,
    /// STL.
    Stl,
    /// OBJ.
    Obj,
    /// PLY.
    Ply,
    /// Something that is not checked.
    Any,
}

impl Answer {
    /// Returns the format, where it can be checked.
    pub(super) fn format(self) -> Option<Format> {
        match self {
            Self::Glb => Some(Format::Glb),
            Self::Stl => Some(Format::Stl),
            Self::Obj => Some(Format::Obj),
            Self::Ply => Some(Format::Ply),
            Self::Any => None,
        }
    }
}

impl GenericRoutes {
    /// Checks what was read.
    ///
    /// # Errors
    /// The first route that makes no sense, and why.
    pub fn check(&self) -> Result<(), String> {
        if self.0.is_empty() {
            return Err("`[generic]` has no route".to_owned());
        }
        for (place, route) in self.0.iter().enumerate() {
            route.check()?;
            let is_same = |other: &&GenericRoute| {
                (&other.method, &other.path) == (&route.method, &route.path)
            };
            if self.0[..place].iter().any(|other| is_same(&other)) {
                return Err(format!("`[generic]` has `{} {}` twice", route.method, route.path));
            }
        }
        Ok(())
    }
}

impl GenericRoute {
    fn check(&self) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("`[generic]` of `{}`: {what}", self.path));
        if !self.path.starts_with('/') {
            return wrong("`path` must begin with `/`");
        }
        if self.path.contains(['?', '#', ' ']) || self.path.parse::<http::Uri>().is_err() {
            return wrong("`path` must be a path, without a query");
        }
        if self.path.starts_with("/api/cache/") || self.path.starts_with("/-/meshmemo") {
            return wrong("`path` is one of this server's own");
        }
        let methods = [Method::POST, Method::PUT, Method::PATCH];
        if !methods.iter().any(|method| method.as_str() == self.method) {
            return wrong(&format!(
                "`method` is `{}`, but must be `POST`, `PUT` or `PATCH`",
                self.method
            ));
        }
        if let Some(name) = self.images.iter().find(|name| self.irrelevant.contains(name)) {
            return wrong(&format!("`{name}` is in `images` and in `irrelevant`"));
        }
        if self.statuses.is_empty() {
            return wrong("`statuses` names none, so that nothing would be kept");
        }
        if self.model_field.is_some() && self.answer == Answer::Any {
            return wrong("`model_field` needs an `answer` that can be checked");
        }
        if self.images.is_empty() {
            return wrong("`images` names no field");
        }
        if self.statuses.iter().any(|status| !(200..300).contains(status)) {
            return wrong("`statuses` must lie from 200 to 299");
        }
        let headers = self.keyed_headers.iter().chain(&self.keep_headers);
        let headers = headers.chain(&self.credential_headers);
        if let Some(name) =
            headers.clone().find(|name| HeaderName::from_lowercase(name.as_bytes()).is_err())
        {
            return wrong(&format!("`{name}` is no header in lower case"));
        }
        if self.model_field.as_ref().is_some_and(|pointer| !pointer.starts_with('/')) {
            return wrong("`model_field` must be a JSON pointer such as `/artifacts/0/base64`");
        }
        if self.seed.is_none() && !self.random_seeds.is_empty() {
            return wrong("`random_seeds` is given without `seed`");
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for GenericRoutes {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(RoutesVisitor)
    }
}

struct RoutesVisitor;

impl<'de> serde::de::Visitor<'de> for RoutesVisitor {
    type Value = GenericRoutes;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a table `[generic]`, or a list `[[generic]]` of them")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<GenericRoutes, A::Error> {
        let route = GenericRoute::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
        Ok(GenericRoutes(vec![route]))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, list: A) -> Result<GenericRoutes, A::Error> {
        Vec::deserialize(serde::de::value::SeqAccessDeserializer::new(list)).map(GenericRoutes)
    }
}

fn post() -> String {
    "POST".to_owned()
}

fn ok() -> Vec<u16> {
    vec![200]
}

/// What servers choose their answers by: which of several forms, and whose pages may read it.
fn keyed_headers() -> Vec<String> {
    vec!["accept".to_owned(), "origin".to_owned()]
}
