//! The JSON of glTF, as far as it is written and checked here. What is not named is ignored.
//! Fields are in a fixed order, so that the same model is always written as the same bytes.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `componentType` of the indices of small models.
pub(super) const UNSIGNED_SHORT: u32 = 5123;
/// `componentType` of the indices of large models.
pub(super) const UNSIGNED_INT: u32 = 5125;
/// `componentType` of positions, normals and texture coordinates.
pub(super) const FLOAT: u32 = 5126;
/// `target` of a view with vertex attributes.
pub(super) const ARRAY_BUFFER: u32 = 34962;
/// `target` of a view with indices.
pub(super) const ELEMENT_ARRAY_BUFFER: u32 = 34963;

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    pub(super) asset: Asset,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scene: Option<usize>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) scenes: Vec<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) nodes: Vec<Value>,
    #[serde(default)]
    pub(super) meshes: Vec<Mesh>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) materials: Vec<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) textures: Vec<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) samplers: Vec<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) images: Vec<Image>,
    #[serde(default)]
    pub(super) accessors: Vec<Accessor>,
    #[serde(default)]
    pub(super) buffer_views: Vec<BufferView>,
    #[serde(default)]
    pub(super) buffers: Vec<Buffer>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Asset {
    pub(super) version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) generator: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Mesh {
    pub(super) primitives: Vec<Primitive>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Primitive {
    pub(super) attributes: Attributes,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) indices: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) material: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mode: Option<u32>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(super) extensions: Map<String, Value>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) struct Attributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) position: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) normal: Option<usize>,
    #[serde(rename = "TEXCOORD_0", skip_serializing_if = "Option::is_none")]
    pub(super) texture_coordinates: Option<usize>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Image {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) buffer_view: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mime_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) uri: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Accessor {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) buffer_view: Option<usize>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) byte_offset: u64,
    pub(super) component_type: u32,
    pub(super) count: u64,
    #[serde(rename = "type")]
    pub(super) shape: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) min: Option<Vec<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max: Option<Vec<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sparse: Option<Value>,
}

impl Accessor {
    /// Returns the bytes of one element, or `None` for types that glTF does not have.
    pub(super) fn element_bytes(&self) -> Option<u64> {
        let component = match self.component_type {
            5120 | 5121 => 1,
            5122 | UNSIGNED_SHORT => 2,
            UNSIGNED_INT | FLOAT => 4,
            _ => return None,
        };
        // Columns of matrices begin at multiples of four bytes.
        match (self.shape.as_str(), component) {
            ("SCALAR", bytes) => Some(bytes),
            ("VEC2", bytes) => Some(2 * bytes),
            ("VEC3", bytes) => Some(3 * bytes),
            ("MAT2", 1) => Some(8),
            ("VEC4" | "MAT2", bytes) => Some(4 * bytes),
            ("MAT3", 4) => Some(36),
            ("MAT3", bytes) => Some(12 * bytes),
            ("MAT4", bytes) => Some(16 * bytes),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BufferView {
    pub(super) buffer: usize,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) byte_offset: u64,
    pub(super) byte_length: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) byte_stride: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) target: Option<u32>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Buffer {
    pub(super) byte_length: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) uri: Option<String>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(super) extensions: Map<String, Value>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
