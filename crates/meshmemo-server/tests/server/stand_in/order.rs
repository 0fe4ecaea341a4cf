//! What a generation is asked for, and the model that is made of it.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use super::glb::glb;
use super::script::Craft;
use super::{Protocol, Server, formats};

/// Bits that are left over are dropped, as Python drops them.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// A picture, and what is to be done with it.
#[derive(Debug)]
pub(super) struct Order {
    image: Vec<u8>,
    /// All other fields, as text.
    fields: BTreeMap<String, String>,
}

impl Order {
    pub(super) fn new(image: Vec<u8>, fields: BTreeMap<String, String>) -> Self {
        Self { image, fields }
    }

    /// Reads a JSON object; nothing, if it has no image that `decode` can read.
    pub(super) fn from_json(json: &Value, decode: fn(&str) -> Option<Vec<u8>>) -> Option<Self> {
        let object = json.as_object()?;
        let image = decode(object.get("image")?.as_str()?)?;
        let others = object.iter().filter(|(name, _)| name.as_str() != "image");
        let fields = others.map(|(name, value)| (name.clone(), text(value))).collect();
        Some(Self::new(image, fields))
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    pub(super) fn is_textured(&self) -> bool {
        self.field("texture").is_some_and(|texture| ["true", "True", "1"].contains(&texture))
    }

    /// Makes the model.
    pub(super) fn glb(&self, server: &Server, craft: Craft) -> Vec<u8> {
        let is_textured = self.is_textured() && craft != Craft::Untextured;
        let padding_bytes = server.padding_bytes.load(Ordering::Relaxed);
        craft.finish(glb(&self.tag(server), is_textured, padding_bytes))
    }

    /// Makes a file of this type; nothing, if there is no such type.
    pub(super) fn file(&self, server: &Server, kind: &str, craft: Craft) -> Option<Vec<u8>> {
        let write: fn(&str) -> Vec<u8> = match kind {
            "glb" => return Some(self.glb(server, craft)),
            "obj" => formats::obj,
            "ply" => formats::ply,
            "stl" => formats::stl,
            _ => return None,
        };
        Some(craft.finish(write(&self.tag(server))))
    }

    /// Returns what the model is known by: the same for the same order, except where the real
    /// server draws at random.
    pub(super) fn tag(&self, server: &Server) -> String {
        let hash = self.hash().to_hex();
        let is_drawn = match server.protocol {
            Protocol::Hunyuan2 | Protocol::Generic => false,
            Protocol::Hunyuan21 | Protocol::Orfeas => true,
            Protocol::Stability => self.field("seed") == Some("0"),
        };
        if is_drawn {
            format!("{hash}-{}", server.drawn.fetch_add(1, Ordering::Relaxed))
        } else {
            hash.as_str().to_owned()
        }
    }

    fn hash(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        // Hashes are all of one length, so that no value passes for the beginning of the next one.
        hasher.update(blake3::hash(&self.image).as_bytes());
        for text in self.fields.iter().flat_map(|(name, value)| [name, value]) {
            hasher.update(blake3::hash(text.as_bytes()).as_bytes());
        }
        hasher.finalize()
    }
}

/// Decodes base64 as Python's `b64decode` does: what is not in the alphabet is skipped, and nothing
/// after the padding is looked at.
pub(super) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let (mut data, mut pads) = (Vec::with_capacity(text.len()), 0_usize);
    for byte in text.bytes() {
        match byte {
            b'=' if data.len() % 4 >= 2 => {
                pads += 1;
                if data.len() % 4 + pads >= 4 {
                    break;
                }
            }
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' => {
                data.push(byte);
                pads = 0;
            }
            _ => {}
        }
    }
    let is_complete = (data.len() + pads).is_multiple_of(4);
    if text.is_ascii() && is_complete { BASE64.decode(data).ok() } else { None }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
