//! PLY: a header in text that names every property, then the values. Ours is binary and
//! little-endian, with a normal and the photo's colour for each vertex.

mod check;
mod header;

pub(super) use check::check;

use super::{MeshError, model::Model, words::push_f32s};

/// Writes a model.
pub(super) fn write(model: &Model) -> Result<Vec<u8>, MeshError> {
    let colours = model.vertex_colours()?;
    let header = format!(
        "ply\nformat binary_little_endian 1.0\ncomment by meshmemo, in millimetres\n\
         element vertex {}\n\
         property float x\nproperty float y\nproperty float z\n\
         property float nx\nproperty float ny\nproperty float nz\n\
         property uchar red\nproperty uchar green\nproperty uchar blue\n\
         element face {}\nproperty list uchar int vertex_indices\nend_header\n",
        model.positions_mm.len(),
        model.triangles.len(),
    );
    let mut bytes = header.into_bytes();
    bytes.reserve(27 * model.positions_mm.len() + 13 * model.triangles.len());
    for ((position_mm, normal), colour) in
        model.positions_mm.iter().zip(&model.normals).zip(&colours)
    {
        push_f32s(&mut bytes, position_mm);
        push_f32s(&mut bytes, normal);
        bytes.extend_from_slice(colour);
    }
    for triangle in &model.triangles {
        bytes.push(3);
        for corner in triangle {
            bytes.extend_from_slice(&corner.to_le_bytes());
        }
    }
    Ok(bytes)
}
