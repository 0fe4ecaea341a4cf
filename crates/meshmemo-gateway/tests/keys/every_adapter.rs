//! What holds for every adapter: golden keys, what is in a key besides the request, the native door, and
//! repeats to the byte.

use meshmemo_gateway::{Ask, Gateway, Letter, Owner, Unseeded};
use meshmemo_gen::{Format, Parameters};

use crate::requests::{CUP, GENERIC, gateway, gateway_with, key, known, letter, owner};
use crate::{orfeas, stability};

/// Keys that must never change: a change here loses the entries of everybody. They follow from the
/// encoding that `meshmemo/tests/engine/golden_keys.txt` holds still.
#[test]
fn golden_keys_hold_still() {
    let all = r#"{"image": "IMAGE", "seed": 7, "texture": true, "octree_resolution": 384,
        "num_inference_steps": 20, "guidance_scale": 5.5, "face_count": 90000, "type": "glb",
        "extra": {"a": [1, null]}}"#;
    let golden = include_str!("golden_keys.txt");
    let mut lines = golden.lines().filter(|line| !line.starts_with('#'));
    for (name, path) in [
        ("hunyuan3d-2", "/generate"),
        ("hunyuan3d-2.1-stock", "/generate"),
        ("hunyuan3d-2.1-forwarding", "/generate"),
        ("generic", "/v1/3d/generations"),
    ] {
        for json in [r#"{"image": "IMAGE"}"#, all] {
            let key = key(&gateway(name), path, json);
            assert_eq!(lines.next().map(str::to_owned), Some(format!("{name} {key}")), "{json}");
        }
    }
    for letter in stability::golden() {
        let known = known(&gateway("stability"), &letter);
        let key = known.generation_key.key(&known.meaning.variant);
        assert_eq!(lines.next().map(str::to_owned), Some(format!("stability {key}")), "{letter:?}");
    }
    for letter in orfeas::golden() {
        let known = known(&gateway("orfeas"), &letter);
        let key = known.generation_key.key(&known.meaning.variant);
        assert_eq!(lines.next().map(str::to_owned), Some(format!("orfeas {key}")), "{letter:?}");
    }
    assert_eq!(lines.next(), None);
}

#[test]
fn the_model_the_namespace_the_query_and_what_a_header_chooses_count() {
    let base = |gateway: &Gateway, namespace: &str, path: &str, accept: Option<&'static str>| {
        let mut letter = letter(path, "application/json", format!(r#"{{"image": "{CUP}"}}"#));
        letter.head.headers.extend(
            accept.map(|accept| (http::header::ACCEPT, http::HeaderValue::from_static(accept))),
        );
        let digest = gateway.digest(&owner(namespace), &letter.head);
        gateway.read(&owner(namespace), &letter, &digest).generation_key
    };
    for (name, path) in [("hunyuan3d-2", "/generate"), ("generic", "/v1/3d/generations")] {
        let one = gateway(name);
        let other = gateway_with(name, "model-2", Unseeded::Keep, GENERIC);
        let key = base(&one, "default", path, None);
        assert_eq!(key, base(&one, "default", path, None));
        assert_ne!(key, base(&other, "default", path, None));
        assert_ne!(key, base(&one, "somebody", path, None));
        assert_ne!(key, base(&one, "default", &format!("{path}?a=1"), None));
        let chooses = base(&one, "default", path, Some("application/json")) != key;
        assert_eq!(chooses, name == "generic", "a server that looks at `Accept`");
    }
}

/// A photo that comes by the native door is asked for as the clients of the protocol do.
#[test]
fn the_native_door_shares_its_keys_with_the_protocols() {
    let photo = bytes::Bytes::from_static(b"cup of coffee");
    for (name, path, json) in [
        ("hunyuan3d-2", "/generate", r#"{"image": "IMAGE", "type": "stl", "seed": 7}"#),
        ("hunyuan3d-2.1-stock", "/generate", r#"{"image": "IMAGE", "type": "stl", "seed": 7}"#),
        (
            "hunyuan3d-2.1-forwarding",
            "/generate",
            r#"{"image": "IMAGE", "type": "stl", "seed": 7}"#,
        ),
        (
            "generic",
            "/v1/3d/generations",
            r#"{"image": "IMAGE", "output_format": "stl", "seed": 7}"#,
        ),
    ] {
        let gateway = gateway(name);
        let ask = |parameters: Parameters, given: &[&str]| Ask {
            photo: photo.clone(),
            parameters,
            given: given.iter().map(|field| (*field).to_owned()).collect(),
        };
        let stl = Parameters { format: Format::Stl, seed: Some(7), ..Parameters::default() };
        let (_, known) = gateway.write("default", None, &ask(stl, &["format", "seed"])).unwrap();
        let by_door = known.generation_key.key(&known.meaning.variant).to_string();
        assert_eq!(by_door, key(&gateway, path, json), "{name}");
        let (_, known) = gateway.write("default", None, &ask(Parameters::default(), &[])).unwrap();
        let by_door = known.generation_key.key(&known.meaning.variant).to_string();
        assert_eq!(by_door, key(&gateway, path, r#"{"image": "IMAGE"}"#), "{name}");
        for field in ["quality", "width_mm", "height_mm", "depth_mm"] {
            let refused = gateway.write("default", None, &ask(Parameters::default(), &[field]));
            assert_eq!(refused.unwrap_err().field, field, "{name}");
        }
    }
}

#[test]
fn a_repeat_to_the_byte_is_recalled_and_anything_else_is_not() {
    let gateway = gateway("hunyuan3d-2");
    let letter = letter("/generate", "application/json", format!(r#"{{"image": "{CUP}"}}"#));
    let digest = |gateway: &Gateway, namespace: &str, letter: &Letter| {
        let mut digest = gateway.digest(&owner(namespace), &letter.head);
        // It arrives in pieces, wherever they begin.
        for piece in [letter.body.slice(..7), letter.body.slice(7..)] {
            digest.add(&piece);
        }
        digest
    };
    let first = digest(&gateway, "default", &letter);
    assert!(gateway.recall(&first).is_none());
    let read = gateway.read(&owner("default"), &letter, &first);
    let recalled = gateway.recall(&digest(&gateway, "default", &letter)).unwrap();
    assert_eq!(recalled.generation_key, read.generation_key);
    assert!(gateway.recall(&digest(&gateway, "somebody", &letter)).is_none());
    let somebody = Owner { credentials: Some(meshmemo::Digest::of(b"who")), ..owner("default") };
    let mut of_somebody = gateway.digest(&somebody, &letter.head);
    of_somebody.add(&letter.body);
    assert!(gateway.recall(&of_somebody).is_none());
    let theirs = gateway.read(&somebody, &letter, &of_somebody);
    assert_ne!(theirs.generation_key, read.generation_key);
    let mut in_other_words = letter.clone();
    in_other_words
        .head
        .headers
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("text/plain"));
    assert!(gateway.recall(&digest(&gateway, "default", &in_other_words)).is_none());
    let longer = Letter { body: [&letter.body[..], b" "].concat().into(), ..letter };
    assert!(gateway.recall(&digest(&gateway, "default", &longer)).is_none());
}
