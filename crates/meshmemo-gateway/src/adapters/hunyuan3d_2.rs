//! `hunyuan3d-2`: the `api_server.py` of Hunyuan3D-2. It reads a JSON dictionary without a schema, and
//! hands what it does not know itself to the pipeline, so that is kept. Its seed has a fixed default:
//! the same request gives the same model.

use bytes::Bytes;
use http::Method;
use meshmemo::Value;
use meshmemo_gen::{FieldError, Format};
use serde_json::Map;

use super::fields::Fields;
use super::hunyuan;
use crate::adapter::{
    Adapter, Ask, Door, Expected, Letter, Manner, Meaning, Reply, Report, RequestHead, Unclear,
};

const NAME: &str = "hunyuan3d-2";

/// The server overwrites or ignores these.
const IRRELEVANT: [&str; 2] = ["mc_algo", "enable_pbar"];
/// These make the shape; where a mesh is sent, there is none to be made.
const SHAPE: [&str; 3] = ["octree_resolution", "num_inference_steps", "guidance_scale"];

/// The protocol.
#[derive(Debug)]
pub(super) struct Hunyuan3d2 {
    manner: Manner,
}

impl Hunyuan3d2 {
    pub(super) fn new() -> Self {
        Self { manner: hunyuan::manner(NAME) }
    }
}

impl Adapter for Hunyuan3d2 {
    fn manner(&self) -> &Manner {
        &self.manner
    }

    fn recognise<'a>(&self, method: &Method, path: &'a str) -> Door<'a> {
        hunyuan::recognise(method, path)
    }

    fn read(&self, head: &RequestHead, body: &Bytes) -> Result<Meaning, Unclear> {
        let mut fields = Fields::of_json(body)?;
        fields.leave_out(&IRRELEVANT);
        let mut images = Vec::new();
        if let Some(image) = fields.take("image") {
            images.push(hunyuan::file("image", image)?);
            // It is looked at where there is no image.
            fields.leave_out(&["text"]);
        } else if !fields.has("text") {
            return Err(Unclear("there is neither `image` nor `text`".to_owned()));
        }
        let mesh = fields.take("mesh").map(|mesh| hunyuan::file("mesh", mesh)).transpose()?;
        match mesh {
            Some(mesh) => {
                fields.set("mesh", Value::Digest(mesh));
                fields.leave_out(&SHAPE);
            }
            None => {
                fields.strict_integer("seed", 1234);
                fields.strict_integer("octree_resolution", 128);
                fields.strict_integer("num_inference_steps", 5);
                fields.number("guidance_scale", 5.0);
            }
        }
        let is_textured = fields.truth("texture");
        if is_textured {
            fields.strict_integer("face_count", 40_000);
        } else {
            fields.leave_out(&["face_count"]);
        }
        let (variant, format) = hunyuan::format(&mut fields)?;
        fields.set_query(&head.query);
        let expected = Expected { format, is_textured, ..Expected::model(Format::Glb) };
        let keeping = hunyuan::keeping(format);
        Ok(Meaning { parameters: fields.finish(), images, variant, expected, keeping })
    }

    fn write(&self, ask: &Ask) -> Result<Letter, FieldError> {
        hunyuan::write(ask, NAME, Map::new())
    }

    fn report(&self, report: &Report) -> Option<Reply> {
        Some(hunyuan::report(report))
    }
}
