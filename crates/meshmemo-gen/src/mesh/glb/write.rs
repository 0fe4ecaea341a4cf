//! Writes a model as GLB: one mesh, one opaque material, the texture inside. Positions become
//! metres, which is glTF's unit.

use serde_json::json;

use super::{
    super::{Model, words::push_f32s},
    BINARY_CHUNK, CHUNK_HEADER_BYTES, HEADER_BYTES, JSON_CHUNK, MAGIC, MeshError, VERSION,
    document::{
        ARRAY_BUFFER, Accessor, Asset, Attributes, Buffer, BufferView, Document,
        ELEMENT_ARRAY_BUFFER, FLOAT, Image, Mesh, Primitive, UNSIGNED_INT, UNSIGNED_SHORT,
    },
};

/// Says who wrote the file. There is no version in it: the bytes of a model change only with
/// [`REVISION`](crate::relief::REVISION).
const GENERATOR: &str = "meshmemo";
/// How matt the surface is, from 0 (mirror) to 1.
const ROUGHNESS: f64 = 0.9;

/// Writes a model.
pub(in super::super) fn write(model: &Model) -> Result<Vec<u8>, MeshError> {
    let mut parts = Parts::default();
    let positions = parts.add_positions(&model.positions_mm);
    let normal = parts.add_floats("VEC3", model.normals.as_flattened(), model.normals.len());
    let uv = parts.add_floats("VEC2", model.uvs.as_flattened(), model.uvs.len());
    let indices = parts.add_indices(&model.triangles, model.positions_mm.len());
    let texture = parts.add_view(&model.texture, None);
    let attributes = Attributes {
        position: Some(positions),
        normal: Some(normal),
        texture_coordinates: Some(uv),
    };
    let document = document(&parts, attributes, indices, texture);
    let mut json = serde_json::to_vec(&document).expect("the document has no maps with other keys");
    json.resize(json.len().next_multiple_of(4), b' ');
    assemble(&json, &parts.binary)
}

fn document(parts: &Parts, attributes: Attributes, indices: usize, texture: usize) -> Document {
    let primitive = Primitive {
        attributes,
        indices: Some(indices),
        material: Some(0),
        mode: None,
        extensions: serde_json::Map::new(),
    };
    let image =
        Image { buffer_view: Some(texture), mime_type: Some("image/jpeg".to_owned()), uri: None };
    let buffer = Buffer {
        byte_length: parts.binary.len() as u64,
        uri: None,
        extensions: serde_json::Map::new(),
    };
    Document {
        asset: Asset { version: "2.0".to_owned(), generator: Some(GENERATOR.to_owned()) },
        scene: Some(0),
        scenes: vec![json!({ "nodes": [0] })],
        nodes: vec![json!({ "mesh": 0 })],
        meshes: vec![Mesh { primitives: vec![primitive] }],
        // The objects below have their keys in alphabetical order, which is the order that a map
        // of serde_json writes with and without its feature `preserve_order`.
        materials: vec![json!({ "pbrMetallicRoughness": {
            "baseColorTexture": { "index": 0 }, "metallicFactor": 0.0, "roughnessFactor": ROUGHNESS,
        } })],
        textures: vec![json!({ "sampler": 0, "source": 0 })],
        // Linear with mipmaps, clamped to the edge.
        samplers: vec![
            json!({ "magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071 }),
        ],
        images: vec![image],
        accessors: parts.accessors.clone(),
        buffer_views: parts.views.clone(),
        buffers: vec![buffer],
    }
}

fn assemble(json: &[u8], binary: &[u8]) -> Result<Vec<u8>, MeshError> {
    let length = HEADER_BYTES + 2 * CHUNK_HEADER_BYTES + json.len() + binary.len();
    let word = |length: usize| {
        u32::try_from(length).map_err(|_| MeshError::too_large("GLB holds at most 4 GiB"))
    };
    let mut bytes = Vec::with_capacity(length);
    for word in [MAGIC, VERSION, word(length)?, word(json.len())?, JSON_CHUNK] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(json);
    for word in [word(binary.len())?, BINARY_CHUNK] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(binary);
    Ok(bytes)
}

/// The binary chunk and what describes it, as they grow.
#[derive(Default)]
struct Parts {
    binary: Vec<u8>,
    views: Vec<BufferView>,
    accessors: Vec<Accessor>,
}

impl Parts {
    fn add_positions(&mut self, positions_mm: &[[f32; 3]]) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "only precision is lost")]
        let metres = |millimetres: f32| (f64::from(millimetres) / 1000.0) as f32;
        let positions: Vec<[f32; 3]> =
            positions_mm.iter().map(|position| position.map(metres)).collect();
        let index = self.add_floats("VEC3", positions.as_flattened(), positions.len());
        let extreme = |choose: fn(f32, f32) -> f32, start: f32| {
            let start = [start; 3];
            let extreme = positions.iter().fold(start, |extreme, position| {
                [0, 1, 2].map(|axis| choose(extreme[axis], position[axis]))
            });
            Some(extreme.map(f64::from).to_vec())
        };
        self.accessors[index].min = extreme(f32::min, f32::INFINITY);
        self.accessors[index].max = extreme(f32::max, f32::NEG_INFINITY);
        index
    }

    fn add_floats(&mut self, shape: &str, numbers: &[f32], count: usize) -> usize {
        let mut bytes = Vec::with_capacity(4 * numbers.len());
        push_f32s(&mut bytes, numbers);
        let view = self.add_view(&bytes, Some(ARRAY_BUFFER));
        self.add_accessor(view, FLOAT, count, shape)
    }

    /// Adds indices, short ones where they suffice. The greatest short index is not used: it is
    /// reserved by graphics hardware.
    fn add_indices(&mut self, triangles: &[[u32; 3]], vertex_count: usize) -> usize {
        let indices = triangles.as_flattened();
        let is_short = u16::try_from(vertex_count).is_ok();
        let mut bytes = Vec::with_capacity(4 * indices.len());
        for index in indices {
            // The low bytes come first, so a short index is the first half of a long one.
            let width = if is_short { 2 } else { 4 };
            bytes.extend_from_slice(&index.to_le_bytes()[..width]);
        }
        let view = self.add_view(&bytes, Some(ELEMENT_ARRAY_BUFFER));
        let component_type = if is_short { UNSIGNED_SHORT } else { UNSIGNED_INT };
        self.add_accessor(view, component_type, indices.len(), "SCALAR")
    }

    fn add_accessor(&mut self, view: usize, component: u32, count: usize, shape: &str) -> usize {
        self.accessors.push(Accessor {
            buffer_view: Some(view),
            component_type: component,
            count: count as u64,
            shape: shape.to_owned(),
            ..Accessor::default()
        });
        self.accessors.len() - 1
    }

    fn add_view(&mut self, bytes: &[u8], target: Option<u32>) -> usize {
        self.views.push(BufferView {
            buffer: 0,
            byte_offset: self.binary.len() as u64,
            byte_length: bytes.len() as u64,
            byte_stride: None,
            target,
        });
        self.binary.extend_from_slice(bytes);
        self.binary.resize(self.binary.len().next_multiple_of(4), 0);
        self.views.len() - 1
    }
}
