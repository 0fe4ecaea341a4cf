//! Checks a GLB: everything it refers to is inside of it and within bounds, there is at least one
//! triangle, and no position is infinite. Compressed geometry (Draco, meshopt) is checked for its
//! bounds alone.

use serde_json::Value;

use super::{
    super::{MeshError, Summary, words::array_at},
    Container,
    document::{
        Accessor, Buffer, BufferView, Document, FLOAT, Primitive, UNSIGNED_INT, UNSIGNED_SHORT,
    },
};

/// Extensions that keep a buffer's or a primitive's data elsewhere in the file.
const MESHOPT: [&str; 2] = ["EXT_meshopt_compression", "KHR_meshopt_compression"];
const DRACO: &str = "KHR_draco_mesh_compression";

/// Checks a file.
pub(in super::super) fn check(bytes: &[u8]) -> Result<Summary, MeshError> {
    let container = Container::parse(bytes)?;
    let document = &container.document;
    if !document.asset.version.starts_with("2.") {
        return Err(MeshError::malformed("the GLB's JSON is not of glTF 2"));
    }
    let binary = container.binary.unwrap_or_default();
    for (index, buffer) in document.buffers.iter().enumerate() {
        check_buffer(index, buffer, binary)?;
    }
    for (index, view) in document.buffer_views.iter().enumerate() {
        check_view(index, view, document)?;
    }
    for (index, accessor) in document.accessors.iter().enumerate() {
        check_accessor(index, accessor, document)?;
    }
    for (index, image) in document.images.iter().enumerate() {
        let is_inside = match (&image.uri, image.buffer_view) {
            (Some(uri), None) => uri.starts_with("data:"),
            (None, Some(view)) => view < document.buffer_views.len(),
            _ => false,
        };
        if !is_inside {
            let message = format!("image {index} of the GLB is not inside of it");
            return Err(MeshError::malformed(message));
        }
    }
    check_geometry(document, binary)
}

fn check_buffer(index: usize, buffer: &Buffer, binary: &[u8]) -> Result<(), MeshError> {
    let available = match &buffer.uri {
        None if index == 0 => binary.len() as u64,
        // Such a buffer exists only once the data is decompressed.
        None if MESHOPT.iter().any(|name| buffer.extensions.contains_key(*name)) => return Ok(()),
        Some(uri) if uri.starts_with("data:") => {
            let data = uri.split_once(',').map_or("", |(_, data)| data).trim_end_matches('=');
            data.len() as u64 / 4 * 3 + data.len() as u64 % 4 * 3 / 4
        }
        _ => {
            let message = format!("buffer {index} of the GLB is not inside of it");
            return Err(MeshError::malformed(message));
        }
    };
    if buffer.byte_length > available {
        let message = format!(
            "buffer {index} of the GLB announces {} bytes, but {available} are there",
            buffer.byte_length
        );
        return Err(MeshError::truncated(message));
    }
    Ok(())
}

fn check_view(index: usize, view: &BufferView, document: &Document) -> Result<(), MeshError> {
    let end = view.byte_offset.checked_add(view.byte_length);
    let length = document.buffers.get(view.buffer).map(|buffer| buffer.byte_length);
    if end.zip(length).is_none_or(|(end, length)| end > length) {
        let message = format!("view {index} of the GLB goes beyond its buffer");
        return Err(MeshError::malformed(message));
    }
    Ok(())
}

fn check_accessor(index: usize, accessor: &Accessor, document: &Document) -> Result<(), MeshError> {
    let wrong = |what: &str| MeshError::malformed(format!("accessor {index} of the GLB {what}"));
    let element_bytes = accessor.element_bytes().ok_or_else(|| wrong("has an unknown type"))?;
    if accessor.count == 0 {
        return Err(wrong("is empty"));
    }
    // Without a view it is all zero, or decoded from compressed data.
    let Some(view_index) = accessor.buffer_view else { return Ok(()) };
    let view = document.buffer_views.get(view_index).ok_or_else(|| wrong("has no view"))?;
    let stride = view.byte_stride.unwrap_or(element_bytes);
    let last = (accessor.count - 1).checked_mul(stride);
    let end = last
        .and_then(|last| last.checked_add(element_bytes))
        .and_then(|length| length.checked_add(accessor.byte_offset));
    if stride < element_bytes || end.is_none_or(|end| end > view.byte_length) {
        return Err(wrong("goes beyond its view"));
    }
    Ok(())
}

/// Checks the triangles of all meshes.
fn check_geometry(document: &Document, binary: &[u8]) -> Result<Summary, MeshError> {
    let mut geometry = Geometry {
        document,
        binary,
        are_positions_finite: vec![None; document.accessors.len()],
        greatest_index: vec![None; document.accessors.len()],
        summary: Summary { vertices: 0, triangles: 0 },
    };
    for primitive in document.meshes.iter().flat_map(|mesh| &mesh.primitives) {
        geometry.add(primitive)?;
    }
    if geometry.summary.triangles == 0 {
        return Err(MeshError::empty("the GLB has no triangles"));
    }
    Ok(geometry.summary)
}

/// What is known about the geometry so far. Each accessor is read once, however many primitives
/// name it, so that a small file cannot ask for much work.
struct Geometry<'a> {
    document: &'a Document,
    binary: &'a [u8],
    are_positions_finite: Vec<Option<bool>>,
    greatest_index: Vec<Option<u64>>,
    summary: Summary,
}

impl<'a> Geometry<'a> {
    fn add(&mut self, primitive: &Primitive) -> Result<(), MeshError> {
        let Some((position_index, positions)) = self.accessor(primitive.attributes.position)?
        else {
            return Err(MeshError::malformed("a mesh of the GLB has no positions"));
        };
        let is_empty = positions.buffer_view.is_none() && positions.sparse.is_none();
        if is_empty && !self.is_compressed(primitive)? {
            return Err(MeshError::empty("a mesh of the GLB has no data for its positions"));
        }
        let corners = match self.accessor(primitive.indices)? {
            Some((index, indices)) => {
                if self.greatest_index(index, indices)? >= positions.count {
                    let message = "an index of the GLB names a vertex that is not there";
                    return Err(MeshError::malformed(message));
                }
                indices.count
            }
            None => positions.count,
        };
        let triangles = match primitive.mode.unwrap_or(4) {
            4 => corners / 3,
            5 | 6 => corners.saturating_sub(2),
            0..=3 => return Ok(()),
            mode => {
                let message = format!("a mesh of the GLB has the unknown mode {mode}");
                return Err(MeshError::malformed(message));
            }
        };
        if self.are_positions_finite[position_index].is_none() {
            self.summary.vertices = self.summary.vertices.saturating_add(positions.count);
            let are_finite = are_finite(self.bytes(positions), positions);
            self.are_positions_finite[position_index] = Some(are_finite);
            if !are_finite {
                return Err(MeshError::malformed("a position in the GLB is not finite"));
            }
        }
        self.summary.triangles = self.summary.triangles.saturating_add(triangles);
        Ok(())
    }

    fn accessor(&self, index: Option<usize>) -> Result<Option<(usize, &'a Accessor)>, MeshError> {
        let Some(index) = index else { return Ok(None) };
        let accessor = self.document.accessors.get(index);
        let missing = || MeshError::malformed(format!("the GLB has no accessor {index}"));
        Ok(Some((index, accessor.ok_or_else(missing)?)))
    }

    /// Returns whether a primitive's data is compressed with Draco.
    fn is_compressed(&self, primitive: &Primitive) -> Result<bool, MeshError> {
        let Some(draco) = primitive.extensions.get(DRACO) else { return Ok(false) };
        let view = draco.get("bufferView").and_then(Value::as_u64);
        if view.is_none_or(|view| view >= self.document.buffer_views.len() as u64) {
            return Err(MeshError::malformed("a compressed mesh of the GLB has no data"));
        }
        Ok(true)
    }

    fn greatest_index(&mut self, index: usize, indices: &Accessor) -> Result<u64, MeshError> {
        if let Some(greatest) = self.greatest_index[index] {
            return Ok(greatest);
        }
        let is_scalar = indices.shape == "SCALAR";
        if !is_scalar || !matches!(indices.component_type, 5121 | UNSIGNED_SHORT | UNSIGNED_INT) {
            return Err(MeshError::malformed("the GLB's indices are of a wrong type"));
        }
        let mut greatest = 0;
        for element in self.bytes(indices).into_iter().flatten() {
            let value = match indices.component_type {
                5121 => element.first().map(|&byte| u64::from(byte)),
                UNSIGNED_SHORT => array_at(element, 0).map(u16::from_le_bytes).map(u64::from),
                _ => array_at(element, 0).map(u32::from_le_bytes).map(u64::from),
            };
            greatest = greatest.max(value.unwrap_or(0));
        }
        self.greatest_index[index] = Some(greatest);
        Ok(greatest)
    }

    /// Returns the elements of an accessor, or `None` where its data is not plainly in the binary
    /// chunk.
    fn bytes(&self, accessor: &Accessor) -> Option<impl Iterator<Item = &'a [u8]>> {
        let view = self.document.buffer_views.get(accessor.buffer_view?)?;
        let is_plain = view.buffer == 0 && self.document.buffers.first()?.uri.is_none();
        if !is_plain || accessor.sparse.is_some() {
            return None;
        }
        let start = usize::try_from(view.byte_offset.checked_add(accessor.byte_offset)?).ok()?;
        let element_bytes = usize::try_from(accessor.element_bytes()?).ok()?;
        let stride = match view.byte_stride {
            Some(stride) => usize::try_from(stride).ok()?,
            None => element_bytes,
        };
        let count = usize::try_from(accessor.count).ok()?;
        let data = self.binary.get(start..)?;
        Some(
            data.chunks(stride.max(1))
                .take(count)
                .filter_map(move |chunk| chunk.get(..element_bytes)),
        )
    }
}

/// Returns whether all numbers are finite; those of other types always are.
fn are_finite<'a>(elements: Option<impl Iterator<Item = &'a [u8]>>, accessor: &Accessor) -> bool {
    let is_finite = |word: &[u8; 4]| f32::from_le_bytes(*word).is_finite();
    accessor.component_type != FLOAT
        || elements.into_iter().flatten().all(|element| element.as_chunks().0.iter().all(is_finite))
}
