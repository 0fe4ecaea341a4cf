//! The tetrahedron in the other formats that servers can write.

use std::fmt::Write;

use super::glb::{CORNERS, TRIANGLES};

/// Returns a Wavefront OBJ.
pub(super) fn obj(tag: &str) -> Vec<u8> {
    let mut text = format!("# {tag}\n");
    for [x, y, z] in CORNERS {
        writeln!(text, "v {x} {y} {z}").unwrap();
    }
    for [first, second, third] in TRIANGLES {
        writeln!(text, "f {} {} {}", first + 1, second + 1, third + 1).unwrap();
    }
    text.into_bytes()
}

/// Returns a PLY in ASCII.
pub(super) fn ply(tag: &str) -> Vec<u8> {
    let mut text = format!("ply\nformat ascii 1.0\ncomment {tag}\n");
    writeln!(text, "element vertex {}", CORNERS.len()).unwrap();
    text.push_str("property float x\nproperty float y\nproperty float z\n");
    writeln!(text, "element face {}", TRIANGLES.len()).unwrap();
    text.push_str("property list uchar int vertex_indices\nend_header\n");
    for [x, y, z] in CORNERS {
        writeln!(text, "{x} {y} {z}").unwrap();
    }
    for [first, second, third] in TRIANGLES {
        writeln!(text, "3 {first} {second} {third}").unwrap();
    }
    text.into_bytes()
}

/// Returns a binary STL, whose header is the tag.
pub(super) fn stl(tag: &str) -> Vec<u8> {
    let mut file = tag.as_bytes().to_vec();
    file.resize(80, 0);
    file.extend(u32::try_from(TRIANGLES.len()).unwrap().to_le_bytes());
    for triangle in TRIANGLES {
        // Readers work the normal out themselves where it is zero.
        let corners = triangle.map(|index| CORNERS[usize::from(index)]);
        let numbers = [[0.0; 3]].into_iter().chain(corners).flatten();
        file.extend(numbers.flat_map(f32::to_le_bytes));
        file.extend([0, 0]);
    }
    file
}
