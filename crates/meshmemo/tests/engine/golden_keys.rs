//! Keys hold still: a change here loses every entry that is on a disk somewhere, so it is a new
//! version of the encoding and a line in the CHANGELOG. The vectors were checked with an encoder
//! written independently of this one, from the description in `src/key.rs`.

use std::collections::BTreeMap;

use meshmemo::{Digest, Identity, Value};

fn identity(parameters: &[(&str, Value)], images: &[&[u8]]) -> Identity {
    let named = |(name, value): &(&str, Value)| ((*name).to_owned(), value.clone());
    Identity {
        namespace: "default".to_owned(),
        adapter: "native".to_owned(),
        model_id: "relief".to_owned(),
        model_revision: "1".to_owned(),
        parameters: parameters.iter().map(named).collect::<BTreeMap<_, _>>(),
        images: images.iter().map(|image| Digest::of(image)).collect(),
    }
}

#[test]
fn golden_keys_hold_still() {
    let text = Value::Text;
    let cases = [
        Identity::default(),
        identity(&[], &[b"photo"]),
        identity(&[("quality", Value::Integer(7)), ("width_mm", Value::Number(99.5))], &[b"photo"]),
        identity(
            &[("quality", Value::Number(7.0)), ("width_mm", Value::Number(99.5))],
            &[b"photo"],
        ),
        identity(&[("seed", Value::Integer(u64::MAX.into())), ("texture", Value::Flag(true))], &[]),
        identity(&[("prompt", text("ein Krug, blau — 青".to_owned()))], &[b"front", b"back"]),
        identity(&[("guidance", Value::Number(-0.0)), ("scale", Value::Number(1e300))], &[b""]),
    ];
    let keys: Vec<_> = cases
        .iter()
        .map(|identity| {
            let generation_key = identity.generation_key();
            format!("{generation_key} {}", generation_key.key("glb"))
        })
        .collect();
    let golden: Vec<_> = include_str!("golden_keys.txt").lines().collect();
    assert_eq!(keys, golden);
}
