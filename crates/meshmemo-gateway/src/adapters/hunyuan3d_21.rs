//! `hunyuan3d-2.1-stock` and `hunyuan3d-2.1-forwarding`: the `api_server.py` of Hunyuan3D-2.1, whose
//! fields have a schema. As it is published it reads all of them and uses only the image and `texture`:
//! each call draws another model. Many run it changed so that the fields reach the pipeline; which of
//! the two it is, only the operator knows.

use bytes::Bytes;
use http::Method;
use meshmemo::Value;
use meshmemo_gen::{FieldError, Format};
use serde_json::Map;

use super::Unseeded;
use super::fields::{Fields, value};
use super::hunyuan;
use crate::adapter::{
    Adapter, Ask, Door, Expected, Keeping, Letter, Manner, Meaning, Reason, Reply, Report,
    RequestHead, Unclear,
};

/// A field of the schema.
struct Field {
    name: &'static str,
    default: f64,
    least: f64,
    most: f64,
    is_whole: bool,
}

const fn whole(name: &'static str, default: f64, least: f64, most: f64) -> Field {
    Field { name, default, least, most, is_whole: true }
}

const SEED: Field = whole("seed", 1234.0, 0.0, 4_294_967_295.0);
const FIELDS: [Field; 5] = [
    whole("octree_resolution", 256.0, 64.0, 512.0),
    whole("num_inference_steps", 5.0, 1.0, 20.0),
    Field { is_whole: false, ..whole("guidance_scale", 5.0, 0.1, 20.0) },
    whole("num_chunks", 8000.0, 1000.0, 20_000.0),
    whole("face_count", 40_000.0, 1000.0, 100_000.0),
];

/// The protocol.
#[derive(Debug)]
pub(super) struct Hunyuan3d21 {
    manner: Manner,
    /// Whether the server hands its fields to the pipeline; otherwise, what becomes of requests
    /// without a seed.
    use_of_fields: Use,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Forwarded,
    Ignored(Unseeded),
}

impl Hunyuan3d21 {
    /// The server as it is published.
    pub(super) fn stock(unseeded: Unseeded) -> Self {
        Self {
            manner: hunyuan::manner("hunyuan3d-2.1-stock"),
            use_of_fields: Use::Ignored(unseeded),
        }
    }

    /// A server that hands its fields to the pipeline.
    pub(super) fn forwarding() -> Self {
        Self { manner: hunyuan::manner("hunyuan3d-2.1-forwarding"), use_of_fields: Use::Forwarded }
    }
}

impl Adapter for Hunyuan3d21 {
    fn manner(&self) -> &Manner {
        &self.manner
    }

    fn recognise<'a>(&self, method: &Method, path: &'a str) -> Door<'a> {
        hunyuan::recognise(method, path)
    }

    fn read(&self, head: &RequestHead, body: &Bytes) -> Result<Meaning, Unclear> {
        let mut fields = Fields::of_json(body)?;
        let image =
            fields.take("image").ok_or_else(|| Unclear("there is no `image`".to_owned()))?;
        let images = vec![hunyuan::file("image", image)?];
        let is_textured = flag(&mut fields, "texture", false)?;
        let remove_background = flag(&mut fields, "remove_background", true)?;
        let seed = fields.take("seed").map(|json| SEED.read(json)).transpose()?;
        let others =
            FIELDS.iter().map(|field| field.take(&mut fields)).collect::<Result<Vec<_>, _>>()?;
        let (variant, format) = hunyuan::format(&mut fields)?;
        fields.set("texture", Value::Flag(is_textured));
        let mut keeping = hunyuan::keeping(format);
        match self.use_of_fields {
            Use::Forwarded => {
                fields.set("remove_background", Value::Flag(remove_background));
                fields.set("seed", Value::Number(seed.unwrap_or(SEED.default)));
                for (field, number) in FIELDS.iter().zip(others) {
                    fields.set(field.name, Value::Number(number));
                }
            }
            // Who sends another seed wants another model, and gets one.
            Use::Ignored(unseeded) => match (seed, unseeded) {
                (Some(seed), _) => fields.set("seed", Value::Number(seed)),
                (None, Unseeded::Keep) => {}
                (None, Unseeded::Pass) => {
                    keeping = Keeping::PassedThrough(Reason::Unseeded);
                }
            },
        }
        fields.set_query(&head.query);
        let expected = Expected { format, is_textured, ..Expected::model(Format::Glb) };
        Ok(Meaning { parameters: fields.finish(), images, variant, expected, keeping })
    }

    fn write(&self, ask: &Ask) -> Result<Letter, FieldError> {
        let seed = ask.parameters.seed.filter(|seed| *seed > u64::from(u32::MAX));
        if let Some(seed) = seed {
            let range = format!("a whole number from 0 to {}", u32::MAX);
            return Err(FieldError::new("seed", &seed.to_string(), range));
        }
        hunyuan::write(ask, self.manner.name, Map::new())
    }

    fn report(&self, report: &Report) -> Option<Reply> {
        Some(hunyuan::report(report))
    }
}

impl Field {
    fn take(&self, fields: &mut Fields<'_>) -> Result<f64, Unclear> {
        fields.take(self.name).map_or(Ok(self.default), |json| self.read(json))
    }

    /// Reads a number as the schema does: also from a text. What the schema refuses, the server is to
    /// refuse in its own words.
    fn read(&self, json: &str) -> Result<f64, Unclear> {
        let refused = || Unclear(format!("`{}` is not what the schema wants", self.name));
        let number = match value(json) {
            #[expect(clippy::cast_precision_loss, reason = "the range lies below 2^53")]
            Value::Integer(whole) => whole as f64,
            Value::Number(number) => number,
            Value::Text(text) => text.trim().parse().map_err(|_| refused())?,
            _ => return Err(refused()),
        };
        let is_whole_enough = !self.is_whole || number.fract() == 0.0;
        let is_in_range = (self.least..=self.most).contains(&number);
        if is_whole_enough && is_in_range { Ok(number) } else { Err(refused()) }
    }
}

/// Reads a yes or no as the schema does.
fn flag(fields: &mut Fields<'_>, name: &str, default: bool) -> Result<bool, Unclear> {
    let Some(json) = fields.take(name) else { return Ok(default) };
    let text = match value(json) {
        Value::Flag(flag) => return Ok(flag),
        Value::Integer(0) => return Ok(false),
        Value::Integer(1) => return Ok(true),
        Value::Text(text) => text.to_ascii_lowercase(),
        _ => String::new(),
    };
    match text.as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Ok(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Ok(false),
        _ => Err(Unclear(format!("`{name}` is neither true nor false"))),
    }
}
