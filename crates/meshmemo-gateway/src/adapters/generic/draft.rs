//! What is known of a request while it is read.

use std::fmt;

use bytes::Bytes;
use meshmemo::{Digest, Value};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::means_yes;
use super::route::GenericRoute;
use crate::adapter::{Expected, Keeping, Meaning, Reason, Unclear};
use crate::adapters::Unseeded;
use crate::adapters::fields::{Fields, kept_name, text, value};
use crate::adapters::form::{Form, Part};
use crate::base64_text::{decode, unescape};
use crate::remote_generation::wrapped;

/// How many images a list may have.
const IMAGES_MAX: usize = 64;

/// What is known of a request while it is read.
pub(super) struct Draft<'a> {
    pub(super) fields: Fields<'a>,
    /// With the place of their field in the route.
    images: Vec<(usize, Digest)>,
    /// Whether an image is named by an address, behind which another one may be tomorrow.
    is_image_elsewhere: bool,
}

impl<'a> Draft<'a> {
    fn new(fields: Fields<'a>) -> Self {
        Self { fields, images: Vec::new(), is_image_elsewhere: false }
    }

    pub(super) fn of_json(route: &GenericRoute, body: &'a Bytes) -> Result<Self, Unclear> {
        let mut draft = Self::new(Fields::of_json(body)?);
        for (place, name) in route.images.iter().enumerate() {
            let Some(json) = draft.fields.take(name) else { continue };
            if !json.starts_with('[') {
                draft.add_image((place, name, 0), json)?;
                continue;
            }
            let Images(list) = serde_json::from_str(json)
                .map_err(|error| Unclear(format!("`{name}` is no list of images: {error}")))?;
            draft.fields.set(&format!("@list {name}"), Value::Integer(list.len() as i128));
            for (index, json) in list.into_iter().enumerate() {
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
        match decode_plainly(&content) {
            Some(bytes) => self.note_image((place, name, index), Digest::of(&bytes)),
            // A name or an address: what is behind it may be another image tomorrow.
            None => {
                self.is_image_elsewhere = true;
                self.fields.set(&format!("@image {name} {index}"), text(&content));
            }
        }
        Ok(())
    }

    /// The first field's images count by their order, all others by their names too.
    fn note_image(&mut self, (place, name, index): (usize, &str, usize), digest: Digest) {
        self.images.push((place, digest));
        if place > 0 {
            self.fields.set(&format!("@image {name} {index}"), Value::Digest(digest));
        }
    }

    pub(super) fn of_form(route: &GenericRoute, form: Form) -> Self {
        let mut draft = Self::new(Fields::empty());
        for Part { name, index, file_name, content } in form.parts {
            if let Some(place) = route.images.iter().position(|image| *image == name) {
                draft.note_image((place, &name, index), Digest::of(&content));
                if file_name.is_none() {
                    draft.fields.set(&format!("@no file {name} {index}"), Value::Flag(true));
                }
                continue;
            }
            let value = match std::str::from_utf8(&content) {
                Ok(text) if file_name.is_none() => route.form_value(&name, text),
                _ => Value::Digest(Digest::of(&[b"file ", &*content].concat())),
            };
            match index {
                0 => draft.fields.add(&name, value),
                _ => draft.fields.set(&format!("@{index} {name}"), value),
            }
        }
        // Between parts of different names, the order means nothing.
        draft.images.sort_by_key(|(place, _)| *place);
        draft
    }

    pub(super) fn finish(
        mut self,
        route: &GenericRoute,
        unseeded: Unseeded,
    ) -> Result<Meaning, Unclear> {
        let irrelevant: Vec<_> = route.irrelevant.iter().map(String::as_str).collect();
        self.fields.leave_out(&irrelevant);
        let mut parameters = self.fields.finish();
        for name in &irrelevant {
            parameters.remove(&kept_name(name));
        }
        for (name, default) in &route.defaults {
            parameters.entry(kept_name(name)).or_insert_with(|| value(&default.to_string()));
        }
        let format = route.format(&mut parameters)?;
        let texture = route.texture_field.as_ref();
        let texture = texture.and_then(|field| parameters.get(&kept_name(field)));
        let expected = Expected {
            statuses: route.statuses.clone(),
            format,
            is_textured: texture.is_some_and(means_yes),
            model_field: route.model_field.clone(),
            headers: route.keep_headers.clone(),
            said: None,
        };
        let keeping = if self.is_image_elsewhere {
            Keeping::PassedThrough(Reason::ImageByReference)
        } else {
            route.keeping(&parameters, unseeded)
        };
        let variant = match (&route.model_field, format) {
            (Some(_), Some(format)) => wrapped(format).canonical.to_owned(),
            (Some(_), None) => "json".to_owned(),
            (None, Some(format)) => format.as_str().to_owned(),
            (None, None) => "any".to_owned(),
        };
        let images = self.images.into_iter().map(|(_, digest)| digest).collect();
        Ok(Meaning { parameters, images, variant, expected, keeping })
    }
}

/// Decodes base64, or a data URI of it, as every server does: in its own alphabet, with its padding; line
/// breaks are skipped.
fn decode_plainly(text: &str) -> Option<Vec<u8>> {
    let data = match text.strip_prefix("data:") {
        None => text,
        Some(uri) => uri.split_once(',').filter(|(head, _)| head.ends_with(";base64"))?.1,
    };
    let is_plain = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'\r' | b'\n')
    };
    data.bytes().all(is_plain).then(|| decode(data)).flatten()
}

/// A list of images, of which there are not too many.
struct Images<'a>(Vec<&'a str>);

impl<'de> Deserialize<'de> for Images<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(ImagesVisitor)
    }
}

struct ImagesVisitor;

impl<'de> Visitor<'de> for ImagesVisitor {
    type Value = Images<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of images")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Images<'de>, A::Error> {
        let mut images = Vec::new();
        while let Some(image) = list.next_element::<&'de RawValue>()? {
            if images.len() == IMAGES_MAX {
                return Err(A::Error::custom("there are too many images"));
            }
            images.push(image.get());
        }
        Ok(Images(images))
    }
}
