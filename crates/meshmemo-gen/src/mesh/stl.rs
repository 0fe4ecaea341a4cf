//! Binary STL: 80 bytes of text, the number of triangles, and 50 bytes for each.

use super::{
    MeshError, Summary,
    model::{Model, area_normal, normalized},
    words::{f32_at, push_f32s, u32_at},
};

/// Bytes before the first triangle.
const HEADER_BYTES: usize = 84;
/// Bytes of a triangle: normal, three corners, and two bytes that nobody uses.
const TRIANGLE_BYTES: usize = 50;
/// The text of the header. It must not begin with `solid`, which is how text files do.
const TEXT: &[u8] = b"binary STL by meshmemo, in millimetres";

/// Writes a model.
pub(super) fn write(model: &Model) -> Result<Vec<u8>, MeshError> {
    let count = u32::try_from(model.triangles.len())
        .map_err(|_| MeshError::too_large("STL holds at most 2^32 triangles"))?;
    let mut bytes = Vec::with_capacity(HEADER_BYTES + TRIANGLE_BYTES * model.triangles.len());
    bytes.extend_from_slice(TEXT);
    bytes.resize(80, 0);
    bytes.extend_from_slice(&count.to_le_bytes());
    for triangle in &model.triangles {
        let corners = triangle.map(|corner| model.positions_mm[corner as usize]);
        push_f32s(&mut bytes, &normalized(area_normal(corners)));
        push_f32s(&mut bytes, corners.as_flattened());
        bytes.extend_from_slice(&[0, 0]);
    }
    Ok(bytes)
}

/// Checks a file.
pub(super) fn check(bytes: &[u8]) -> Result<Summary, MeshError> {
    let Some(count) = u32_at(bytes, 80) else {
        let message = format!("the STL has {} bytes, but a header has 84", bytes.len());
        return Err(MeshError::truncated(message));
    };
    let expected = HEADER_BYTES as u64 + TRIANGLE_BYTES as u64 * u64::from(count);
    let actual = bytes.len() as u64;
    if actual != expected {
        let message =
            format!("the STL has {actual} bytes, but its {count} triangles take {expected}");
        return Err(if actual < expected {
            MeshError::truncated(message)
        } else {
            MeshError::malformed(message)
        });
    }
    if count == 0 {
        return Err(MeshError::empty("the STL has no triangles"));
    }
    for (index, triangle) in bytes[HEADER_BYTES..].chunks_exact(TRIANGLE_BYTES).enumerate() {
        // The normal is only a hint, and some writers leave it undefined.
        let is_finite = (3..12).all(|word| f32_at(triangle, 4 * word).is_some_and(f32::is_finite));
        if !is_finite {
            let message = format!("triangle {index} of the STL is not at a finite position");
            return Err(MeshError::malformed(message));
        }
    }
    Ok(Summary { vertices: 3 * u64::from(count), triangles: u64::from(count) })
}

#[cfg(test)]
mod tests {
    use super::{super::MeshErrorKind, *};

    fn one_triangle() -> Vec<u8> {
        let model = Model {
            positions_mm: vec![[0.0; 3], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
            triangles: vec![[0, 1, 2]],
            ..Model::default()
        };
        write(&model).unwrap()
    }

    #[test]
    fn what_is_written_passes() {
        let expected = Summary { vertices: 3, triangles: 1 };
        assert_eq!(check(&one_triangle()).unwrap(), expected);
    }

    #[test]
    fn every_other_length_fails() {
        let bytes = one_triangle();
        for length in 0..bytes.len() {
            assert_eq!(check(&bytes[..length]).unwrap_err().kind(), MeshErrorKind::Truncated);
        }
        let longer = [bytes.as_slice(), b"\0"].concat();
        assert_eq!(check(&longer).unwrap_err().kind(), MeshErrorKind::Malformed);
    }

    #[test]
    fn no_triangles_and_infinite_positions_fail() {
        assert_eq!(check(&[0; 84]).unwrap_err().kind(), MeshErrorKind::Empty);
        let mut bytes = one_triangle();
        bytes[96..100].copy_from_slice(&f32::NAN.to_le_bytes());
        assert_eq!(check(&bytes).unwrap_err().kind(), MeshErrorKind::Malformed);
    }
}
