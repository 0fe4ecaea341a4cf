//! What the tests know about a generated solid, computed from its GLB alone.

use std::{collections::HashMap, fs, ops::ControlFlow, path::PathBuf};

use image::{ImageFormat, RgbaImage};
use meshmemo_gen::{
    Parameters,
    mesh::{self, Model},
    relief::{self, GenerateError},
};

/// Generates without an interest in progress.
pub(crate) fn generate(image: &[u8], parameters: &Parameters) -> Result<Vec<u8>, GenerateError> {
    relief::generate(image, parameters, &mut |_| ControlFlow::Continue(()))
}

/// The defaults at another quality.
pub(crate) fn quality(quality: u8) -> Parameters {
    Parameters { quality, ..Parameters::default() }
}

/// Writes a picture as PNG.
pub(crate) fn png(pixels: &RgbaImage) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    pixels.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// The repository's example photos, by file name.
pub(crate) fn photos() -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/images");
    let mut photos: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension != "md"))
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    photos.sort();
    assert!(photos.len() >= 5, "the example photos are missing");
    photos
}

/// One of the example photos.
pub(crate) fn photo(name: &str) -> Vec<u8> {
    photos().into_iter().find(|(file, _)| file == name).unwrap().1
}

/// Asserts that a model is a closed solid: each edge has exactly two triangles, which pass it in
/// opposite directions; no position occurs twice; the faces look outwards.
pub(crate) fn assert_closed(model: &Model, name: &str) {
    let mut edges: HashMap<(u32, u32), u32> = HashMap::new();
    for &[a, b, c] in &model.triangles {
        assert!(a != b && b != c && c != a, "{name}: a triangle has a corner twice");
        for edge in [(a, b), (b, c), (c, a)] {
            *edges.entry(edge).or_default() += 1;
        }
    }
    for (&(from, to), &count) in &edges {
        let opposite = edges.get(&(to, from));
        assert!(count == 1 && opposite == Some(&1), "{name}: the edge {from}-{to} is not closed");
    }
    let mut positions: Vec<_> =
        model.positions_mm.iter().map(|position| position.map(f32::to_bits)).collect();
    positions.sort_unstable();
    positions.dedup();
    assert_eq!(positions.len(), model.positions_mm.len(), "{name}: a position occurs twice");
    assert!(volume_mm3(model) > 0.0, "{name}: the solid is inside out");
    assert_smooth(model, name);
}

/// Asserts that normals are unit vectors and texture coordinates lie on the texture.
fn assert_smooth(model: &Model, name: &str) {
    for normal in &model.normals {
        let length: f32 = normal.iter().map(|component| component * component).sum();
        assert!((length - 1.0).abs() < 1e-3, "{name}: a normal has the length {length}");
    }
    for coordinate in model.uvs.as_flattened() {
        assert!((0.0..=1.0).contains(coordinate), "{name}: {coordinate} is beside the texture");
    }
}

/// The volume that the triangles enclose.
pub(crate) fn volume_mm3(model: &Model) -> f64 {
    let volumes = model.triangles.iter().map(|triangle| {
        let [a, b, c] = triangle.map(|corner| model.positions_mm[corner as usize].map(f64::from));
        a[0] * (b[1] * c[2] - b[2] * c[1])
            + a[1] * (b[2] * c[0] - b[0] * c[2])
            + a[2] * (b[0] * c[1] - b[1] * c[0])
    });
    volumes.sum::<f64>() / 6.0
}

/// The box around a model: its least and its greatest corner, in millimetres.
pub(crate) fn bounds_mm(model: &Model) -> ([f32; 3], [f32; 3]) {
    let start = ([f32::INFINITY; 3], [f32::NEG_INFINITY; 3]);
    model.positions_mm.iter().fold(start, |(low, high), position| {
        let axes = [0, 1, 2];
        (axes.map(|i| low[i].min(position[i])), axes.map(|i| high[i].max(position[i])))
    })
}

/// The size of a model, in millimetres.
pub(crate) fn size_mm(model: &Model) -> [f32; 3] {
    let (low, high) = bounds_mm(model);
    [0, 1, 2].map(|axis| high[axis] - low[axis])
}

/// Generates a model, and asserts that it is a closed solid.
pub(crate) fn closed_model(image: &[u8], parameters: &Parameters, name: &str) -> Model {
    let glb = generate(image, parameters).unwrap_or_else(|error| panic!("{name}: {error}"));
    let model = mesh::read(&glb).unwrap();
    assert_closed(&model, name);
    model
}
