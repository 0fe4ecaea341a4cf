//! Reads a GLB that [`write`](super::write) wrote back into a model. Other GLBs that happen to have
//! the same structure are read as well.

use super::{
    super::{Model, words::array_at},
    Container, MeshError, check,
    document::{Accessor, Document, FLOAT, UNSIGNED_INT, UNSIGNED_SHORT},
};

/// Reads a model.
pub(in super::super) fn read(bytes: &[u8]) -> Result<Model, MeshError> {
    check(bytes)?;
    let container = Container::parse(bytes)?;
    let source = Source {
        document: &container.document,
        binary: container.binary.ok_or_else(|| not_ours("no binary chunk"))?,
    };
    let [mesh] = container.document.meshes.as_slice() else {
        return Err(not_ours("not exactly one mesh"));
    };
    let [primitive] = mesh.primitives.as_slice() else {
        return Err(not_ours("not exactly one part in its mesh"));
    };
    if primitive.mode.is_some_and(|mode| mode != 4) {
        return Err(not_ours("something else than plain triangles"));
    }
    let attributes = &primitive.attributes;
    let millimetres = |position: [f32; 3]| {
        #[expect(clippy::cast_possible_truncation, reason = "only precision is lost")]
        position.map(|metres| (f64::from(metres) * 1000.0) as f32)
    };
    let model = Model {
        positions_mm: source.floats(attributes.position)?.into_iter().map(millimetres).collect(),
        normals: source.floats(attributes.normal)?,
        uvs: source.floats(attributes.texture_coordinates)?,
        triangles: source.triangles(primitive.indices)?,
        texture: source.texture()?,
    };
    let count = model.positions_mm.len();
    if model.normals.len() != count || model.uvs.len() != count {
        return Err(MeshError::malformed("the GLB's vertex attributes are not of one length"));
    }
    // The check leaves out data that is not plainly in the binary chunk, so this is not known yet.
    if model.triangles.as_flattened().iter().any(|&corner| corner as usize >= count) {
        return Err(MeshError::malformed("an index of the GLB names a vertex that is not there"));
    }
    Ok(model)
}

fn not_ours(what: &str) -> MeshError {
    MeshError::unsupported(format!("the GLB has {what}: only models of meshmemo are converted"))
}

/// The parts of a GLB that data is read from.
struct Source<'a> {
    document: &'a Document,
    binary: &'a [u8],
}

impl<'a> Source<'a> {
    fn floats<const N: usize>(&self, index: Option<usize>) -> Result<Vec<[f32; N]>, MeshError> {
        let (accessor, bytes) = self.accessor(index)?;
        let shape = if N == 2 { "VEC2" } else { "VEC3" };
        if accessor.component_type != FLOAT || accessor.shape != shape {
            return Err(not_ours("vertex attributes of another type"));
        }
        let elements = bytes.chunks_exact(4 * N).map(|element| {
            let mut numbers = [0.0; N];
            for (number, word) in numbers.iter_mut().zip(element.as_chunks().0) {
                *number = f32::from_le_bytes(*word);
            }
            numbers
        });
        Ok(elements.collect())
    }

    fn triangles(&self, index: Option<usize>) -> Result<Vec<[u32; 3]>, MeshError> {
        let (accessor, bytes) = self.accessor(index)?;
        let cut_off = || MeshError::truncated("the GLB's indices end within a triangle");
        let width = match accessor.component_type {
            UNSIGNED_SHORT => 2,
            UNSIGNED_INT => 4,
            _ => return Err(not_ours("indices of another type")),
        };
        let corner = |triangle: &[u8], corner: usize| {
            if width == 2 {
                array_at(triangle, corner * 2).map(u16::from_le_bytes).map(u32::from)
            } else {
                array_at(triangle, corner * 4).map(u32::from_le_bytes)
            }
        };
        let triangle =
            |bytes: &[u8]| Some([corner(bytes, 0)?, corner(bytes, 1)?, corner(bytes, 2)?]);
        bytes.chunks_exact(3 * width).map(|bytes| triangle(bytes).ok_or_else(cut_off)).collect()
    }

    fn texture(&self) -> Result<Vec<u8>, MeshError> {
        let view = self.document.images.first().and_then(|image| image.buffer_view);
        let view = view.ok_or_else(|| not_ours("no texture inside"))?;
        Ok(self.view(view)?.to_vec())
    }

    /// Returns an accessor and its bytes, which must lie side by side.
    fn accessor(&self, index: Option<usize>) -> Result<(&'a Accessor, &'a [u8]), MeshError> {
        let accessor = index.and_then(|index| self.document.accessors.get(index));
        let accessor = accessor.ok_or_else(|| not_ours("no normals, texture or indices"))?;
        let view_index = accessor.buffer_view.ok_or_else(|| not_ours("empty accessors"))?;
        let view = self.view(view_index)?;
        let stride = self.document.buffer_views[view_index].byte_stride;
        let element_bytes = accessor.element_bytes();
        if accessor.sparse.is_some() || (stride.is_some() && stride != element_bytes) {
            return Err(not_ours("interleaved or sparse data"));
        }
        let cut_off = || MeshError::truncated("the GLB's data ends within an accessor");
        let start = usize::try_from(accessor.byte_offset).map_err(|_| cut_off())?;
        let length = element_bytes.and_then(|bytes| bytes.checked_mul(accessor.count));
        let length = length.and_then(|length| usize::try_from(length).ok()).ok_or_else(cut_off)?;
        let bytes = view.get(start..).and_then(|bytes| bytes.get(..length));
        Ok((accessor, bytes.ok_or_else(cut_off)?))
    }

    fn view(&self, index: usize) -> Result<&'a [u8], MeshError> {
        let cut_off = || MeshError::truncated("the GLB's data ends within a view");
        let view = self.document.buffer_views.get(index).ok_or_else(cut_off)?;
        let start = usize::try_from(view.byte_offset).map_err(|_| cut_off())?;
        let length = usize::try_from(view.byte_length).map_err(|_| cut_off())?;
        let bytes = self.binary.get(start..).and_then(|bytes| bytes.get(..length));
        bytes.ok_or_else(cut_off)
    }
}
