//! Damaged models never pass as complete ones, and never make the checks panic.

use meshmemo_gen::{Format, mesh};
use proptest::prelude::*;

use crate::solid::{generate, photo, quality};

fn models() -> Vec<(Format, Vec<u8>)> {
    let glb = generate(&photo("horse.png"), &quality(1)).unwrap();
    Format::ALL.into_iter().map(|format| (format, mesh::convert(&glb, format).unwrap())).collect()
}

#[test]
fn a_model_that_was_cut_off_does_not_pass() {
    for (format, model) in models() {
        let start = (0..400).chain((400..model.len()).step_by(model.len() / 100));
        for length in start.chain(model.len() - 40..model.len()) {
            let result = mesh::check(&model[..length], format);
            assert!(result.is_err(), "{length} of {} bytes of {format} pass", model.len());
        }
        mesh::check(&model, format).unwrap();
    }
}

#[test]
fn a_model_with_something_behind_it_does_not_pass() {
    for (format, mut model) in models() {
        model.extend_from_slice(b"xxxx");
        assert!(mesh::check(&model, format).is_err(), "{format}");
    }
}

#[test]
fn a_glb_must_hold_what_it_refers_to() {
    let glb = models().swap_remove(0).1;
    let cases = [
        ("\"byteLength\":", "\"byteLength\":9"),
        ("\"bufferView\":0", "\"bufferView\":7"),
        ("\"indices\":3", "\"indices\":8"),
        ("\"indices\":3", "\"indices\":2"),
        ("\"POSITION\":0", "\"POSITIOM\":0"),
        ("\"bufferView\":4", "\"uri\":\"a.jpg\""),
        ("\"version\":\"2.0\"", "\"version\":\"3.0\""),
        ("\"asset\":{", "\"asset\":["),
        ("\"componentType\":5126", "\"componentType\":9999"),
    ];
    for (from, to) in cases {
        let damaged = with_json(&glb, |json| json.replacen(from, to, 1));
        assert!(mesh::check(&damaged, Format::Glb).is_err(), "{from} as {to} passes");
    }
    let same = with_json(&glb, |json| format!("{json}    "));
    mesh::check(&same, Format::Glb).unwrap();
}

/// Changes the JSON of a GLB, and corrects the lengths in front of it.
fn with_json(glb: &[u8], change: impl Fn(&str) -> String) -> Vec<u8> {
    let length = u32::from_le_bytes(glb[12..16].try_into().unwrap()) as usize;
    let json = change(std::str::from_utf8(&glb[20..20 + length]).unwrap());
    let mut bytes = [&glb[..12], &[0; 4], b"JSON", json.as_bytes(), &glb[20 + length..]].concat();
    let json_length = u32::try_from(json.len()).unwrap();
    let whole_length = u32::try_from(bytes.len()).unwrap();
    bytes[12..16].copy_from_slice(&json_length.to_le_bytes());
    bytes[8..12].copy_from_slice(&whole_length.to_le_bytes());
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(2),
        ..ProptestConfig::default()
    })]

    #[test]
    fn damage_never_panics(
        which in 0_usize..4,
        damages in prop::collection::vec((0_usize..2000, any::<u8>()), 1..12),
    ) {
        thread_local! {
            static MODELS: Vec<(Format, Vec<u8>)> = models();
        }
        MODELS.with(|models| {
            let (format, mut model) = models[which].clone();
            for (offset, byte) in damages {
                model[offset] = byte;
            }
            let _ = mesh::check(&model, format);
            if format == Format::Glb {
                let _ = mesh::convert(&model, Format::Ply);
                let _ = mesh::convert(&model, Format::Stl);
            }
        });
    }
}
