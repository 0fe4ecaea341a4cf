//! A model as small as one can be, made by hand, byte by byte: a tetrahedron in binary glTF.

use serde_json::{Value, json};

use crate::picture::png;

/// The corners of the tetrahedron.
pub(super) const CORNERS: [[f32; 3]; 4] =
    [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
/// Its triangles, which all face outwards.
pub(super) const TRIANGLES: [[u16; 3]; 4] = [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]];
/// Where its corners are in the picture.
const PLACES: [[f32; 2]; 4] = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]];

const U16: u32 = 5123;
const F32: u32 = 5126;
const OF_VERTICES: u32 = 34_962;
const OF_INDICES: u32 = 34_963;

/// Returns a model with so many more bytes at its end, which no program can compress.
pub(crate) fn glb(tag: &str, is_textured: bool, padding_bytes: usize) -> Vec<u8> {
    let mut binary = Binary::default();
    binary.push(CORNERS.as_flattened().iter().flat_map(|number| number.to_le_bytes()));
    binary.target(OF_VERTICES);
    binary.push(TRIANGLES.as_flattened().iter().flat_map(|index| index.to_le_bytes()));
    binary.target(OF_INDICES);
    let mut document = tetrahedron(tag);
    if is_textured {
        binary.push(PLACES.as_flattened().iter().flat_map(|number| number.to_le_bytes()));
        binary.target(OF_VERTICES);
        binary.push(png(1, 1, [128, 255]));
        add_texture(&mut document);
    }
    binary.pad(tag, padding_bytes);
    document["buffers"] = json!([{ "byteLength": binary.bytes.len() }]);
    document["bufferViews"] = binary.views.into();
    assemble(document.to_string().into_bytes(), binary.bytes)
}

fn tetrahedron(tag: &str) -> Value {
    json!({
        "asset": { "version": "2.0", "extras": { "tag": tag } },
        "scene": 0,
        "scenes": [{ "nodes": [0] }],
        "nodes": [{ "mesh": 0 }],
        "meshes": [{ "primitives": [{ "attributes": { "POSITION": 0 }, "indices": 1 }] }],
        "accessors": [
            {
                "bufferView": 0,
                "componentType": F32,
                "count": CORNERS.len(),
                "type": "VEC3",
                "min": [0.0, 0.0, 0.0],
                "max": [1.0, 1.0, 1.0],
            },
            {
                "bufferView": 1,
                "componentType": U16,
                "count": TRIANGLES.as_flattened().len(),
                "type": "SCALAR",
            },
        ],
    })
}

fn add_texture(document: &mut Value) {
    let primitive = &mut document["meshes"][0]["primitives"][0];
    primitive["attributes"]["TEXCOORD_0"] = json!(2);
    primitive["material"] = json!(0);
    let places = json!({
        "bufferView": 2, "componentType": F32, "count": PLACES.len(), "type": "VEC2",
    });
    document["accessors"].as_array_mut().unwrap().push(places);
    document["materials"] =
        json!([{ "pbrMetallicRoughness": { "baseColorTexture": { "index": 0 } } }]);
    document["textures"] = json!([{ "source": 0 }]);
    document["images"] = json!([{ "bufferView": 3, "mimeType": "image/png" }]);
}

/// The binary chunk, whose parts all begin at a multiple of four.
#[derive(Debug, Default)]
struct Binary {
    bytes: Vec<u8>,
    views: Vec<Value>,
}

impl Binary {
    fn push(&mut self, part: impl IntoIterator<Item = u8>) {
        align(&mut self.bytes, 0);
        let offset = self.bytes.len();
        self.bytes.extend(part);
        let length = self.bytes.len() - offset;
        self.views.push(json!({ "buffer": 0, "byteOffset": offset, "byteLength": length }));
    }

    /// Says what the last part is there for.
    fn target(&mut self, target: u32) {
        self.views.last_mut().unwrap()["target"] = json!(target);
    }

    fn pad(&mut self, tag: &str, bytes: usize) {
        let end = self.bytes.len();
        self.bytes.resize(end + bytes, 0);
        let noise = &mut self.bytes[end..];
        blake3::Hasher::new().update(tag.as_bytes()).finalize_xof().fill(noise);
    }
}

/// Puts the two chunks of a file behind its header.
fn assemble(mut json: Vec<u8>, mut binary: Vec<u8>) -> Vec<u8> {
    align(&mut json, b' ');
    align(&mut binary, 0);
    let length = 12 + 8 + json.len() + 8 + binary.len();
    let mut file = Vec::with_capacity(length);
    file.extend(b"glTF");
    file.extend(word(2));
    file.extend(word(length));
    for (kind, chunk) in [(b"JSON", json), (b"BIN\0", binary)] {
        file.extend(word(chunk.len()));
        file.extend(kind);
        file.extend(chunk);
    }
    file
}

fn align(bytes: &mut Vec<u8>, filler: u8) {
    bytes.resize(bytes.len().next_multiple_of(4), filler);
}

fn word(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap().to_le_bytes()
}
