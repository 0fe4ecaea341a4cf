//! Every solid is closed, of the size asked for, and the same each time.

use image::{Rgba, RgbaImage};
use meshmemo_gen::{Format, Parameters, mesh};
use proptest::prelude::*;

use crate::solid::{
    assert_closed, bounds_mm, closed_model, generate, photos, png, quality, size_mm,
};

#[test]
fn every_photo_becomes_a_closed_solid_in_every_format() {
    for (name, photo) in photos() {
        for level in [1, 4, 7] {
            let glb = generate(&photo, &quality(level)).unwrap();
            let model = mesh::read(&glb).unwrap();
            assert_closed(&model, &name);
            let [width, height, depth] = size_mm(&model);
            assert!((width.max(height) - 100.0).abs() < 1e-3, "{name}: {width} × {height}");
            assert!((depth - 20.0).abs() < 1e-3, "{name}: {depth}");
            assert!(bounds_mm(&model).0[2].abs() < 1e-4, "{name}: the back is not at z = 0");
            for format in Format::ALL {
                let summary = mesh::check(&mesh::convert(&glb, format).unwrap(), format).unwrap();
                let triangles = model.triangles.len() as u64;
                let vertices = model.positions_mm.len() as u64;
                assert_eq!(summary.triangles, triangles, "{name} as {format}");
                let expected = if format == Format::Stl { 3 * triangles } else { vertices };
                assert_eq!(summary.vertices, expected, "{name} as {format}");
            }
        }
    }
}

#[test]
fn the_same_request_gives_the_same_bytes() {
    for (name, photo) in photos() {
        let first = generate(&photo, &quality(3)).unwrap();
        let with_seed = Parameters { seed: Some(7), format: Format::Stl, ..quality(3) };
        assert!(first == generate(&photo, &with_seed).unwrap(), "{name} differs");
    }
}

#[test]
fn quality_refines_the_surface() {
    let (name, photo) = photos().swap_remove(0);
    let counts =
        [1, 5, 10].map(|level| closed_model(&photo, &quality(level), &name).triangles.len());
    assert!(counts.is_sorted(), "{counts:?}");
    assert!(counts[2] > 1_000_000, "{counts:?}");
}

#[test]
fn a_solid_fits_into_what_is_asked_for() {
    let wide = png(&RgbaImage::from_fn(80, 20, |x, y| {
        Rgba([u8::try_from(3 * x).unwrap(), u8::try_from(5 * y).unwrap(), 90, 255])
    }));
    let parameters = Parameters { width_mm: 30.0, height_mm: 50.0, depth_mm: 2000.0, ..quality(2) };
    let [width, height, depth] = size_mm(&closed_model(&wide, &parameters, "wide"));
    assert!((width - 30.0).abs() < 1e-3 && (height - 7.5).abs() < 1e-3, "{width} × {height}");
    assert!((depth - 2000.0).abs() < 1e-2, "{depth}");
    let least = Parameters { width_mm: 1.0, height_mm: 1.0, depth_mm: 0.5, ..quality(10) };
    assert!((size_mm(&closed_model(&wide, &least, "least"))[2] - 0.5).abs() < 1e-4);
}

#[test]
fn a_cut_out_is_round_on_both_sides_and_keeps_its_hole() {
    let ring = RgbaImage::from_fn(120, 120, |x, y| {
        let (x, y) = (f64::from(x) - 59.5, f64::from(y) - 59.5);
        let is_ring = (25.0..50.0).contains(&(x * x + y * y).sqrt());
        Rgba([180, 60, 30, if is_ring { 255 } else { 0 }])
    });
    let model = closed_model(&png(&ring), &quality(5), "ring");
    // Euler's formula: a torus has as many vertices and faces as edges.
    let euler = model.positions_mm.len() * 2 - model.triangles.len();
    assert_eq!(euler, 0, "the ring is not a torus");
    let middle = 10.0;
    for (position, normal) in model.positions_mm.iter().zip(&model.normals) {
        let away = position[2] - middle;
        assert!(away.abs() < 2.0 || away * normal[2] > 0.0, "{position:?} looks inwards");
    }
}

#[test]
fn squares_that_touch_at_corners_become_closed_solids() {
    for side_px in [2, 3, 5, 8, 16] {
        let board = RgbaImage::from_fn(64, 64, |x, y| {
            let is_set = (x / side_px + y / side_px) % 2 == 0;
            Rgba([90, 120, 200, if is_set { 255 } else { 0 }])
        });
        for level in [1, 3] {
            closed_model(&png(&board), &quality(level), &format!("board of {side_px}"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_mask_becomes_a_closed_solid(
        width in 1_u32..24,
        height in 1_u32..24,
        level in 1_u8..4,
        opacities in prop::collection::vec(
            prop_oneof![Just(0_u8), Just(255), any::<u8>()], 24 * 24
        ),
    ) {
        let mask = RgbaImage::from_fn(width, height, |x, y| {
            let opacity = opacities[(y * 24 + x) as usize];
            Rgba([opacity, 255 - opacity, 77, opacity])
        });
        prop_assume!(mask.pixels().any(|pixel| pixel[3] >= 128));
        closed_model(&png(&mask), &quality(level), "mask");
    }
}
