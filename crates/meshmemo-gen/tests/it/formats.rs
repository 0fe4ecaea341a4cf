//! What the derived formats hold.

use meshmemo_gen::{
    Format,
    mesh::{self, MeshErrorKind},
};

use crate::solid::{generate, photo, quality};

#[test]
fn glb_converts_to_itself() {
    let glb = generate(&photo("horse.png"), &quality(1)).unwrap();
    assert!(mesh::convert(&glb, Format::Glb).unwrap() == glb);
}

#[test]
fn stl_has_no_text_that_looks_like_the_text_variety() {
    let glb = generate(&photo("horse.png"), &quality(1)).unwrap();
    let stl = mesh::convert(&glb, Format::Stl).unwrap();
    assert!(!stl.starts_with(b"solid"));
}

#[test]
fn obj_is_one_file_with_everything_in_it() {
    let glb = generate(&photo("coffee.png"), &quality(1)).unwrap();
    let text = String::from_utf8(mesh::convert(&glb, Format::Obj).unwrap()).unwrap();
    let model = mesh::read(&glb).unwrap();
    let count =
        |kind: &str| text.lines().filter(|line| line.split(' ').next() == Some(kind)).count();
    assert_eq!(count("v"), model.positions_mm.len());
    assert_eq!(count("vt"), model.positions_mm.len());
    assert_eq!(count("vn"), model.positions_mm.len());
    assert_eq!(count("f"), model.triangles.len());
    assert_eq!(count("mtllib") + count("usemtl"), 0);
}

#[test]
fn ply_carries_the_colours_of_the_photo() {
    let glb = generate(&photo("coffee.png"), &quality(1)).unwrap();
    let ply = mesh::convert(&glb, Format::Ply).unwrap();
    let header_end = ply.windows(11).position(|window| window == b"end_header\n").unwrap() + 11;
    let vertices = mesh::read(&glb).unwrap().positions_mm.len();
    let reds: Vec<u8> =
        ply[header_end..].chunks_exact(27).take(vertices).map(|vertex| vertex[24]).collect();
    assert!(reds.iter().max().unwrap() - reds.iter().min().unwrap() > 150);
}

#[test]
fn a_model_of_somebody_else_is_checked_but_not_converted() {
    let json = br#"{"asset":{"version":"2.0"},"meshes":[{"primitives":[{"attributes":{"POSITION":0}}]}],"accessors":[{"bufferView":0,"componentType":5126,"count":3,"type":"VEC3"}],"bufferViews":[{"buffer":0,"byteLength":36}],"buffers":[{"byteLength":36}]}  "#;
    let word = |length: usize| u32::try_from(length).unwrap().to_le_bytes();
    let length = word(12 + 8 + json.len() + 8 + 36);
    let parts: [&[u8]; 8] = [
        b"glTF\x02\0\0\0",
        &length,
        &word(json.len()),
        b"JSON",
        json,
        &word(36),
        b"BIN\0",
        &[0; 36],
    ];
    let glb = parts.concat();
    let summary = mesh::check(&glb, Format::Glb).unwrap();
    assert_eq!((summary.vertices, summary.triangles), (3, 1));
    let error = mesh::convert(&glb, Format::Stl).unwrap_err();
    assert_eq!(error.kind(), MeshErrorKind::Unsupported);
}
