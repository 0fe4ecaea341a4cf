//! What the studio of ORFEAS takes for the same order.

use bytes::Bytes;
use http::HeaderMap;
use meshmemo_gateway::orfeas::{self, Order};
use meshmemo_gateway::{Gateway, Keeping, Letter, Reason, Unseeded};

use crate::requests::{GENERIC, gateway, gateway_with, known};

/// Returns the key of an order of a photo.
fn key(gateway: &Gateway, json: &str, photo: &'static str) -> String {
    let order = Order::read(json.as_bytes()).unwrap();
    let letter = orfeas::letter(&order, Bytes::from(photo), HeaderMap::new());
    let known = known(gateway, &letter);
    assert_eq!(known.meaning.keeping, Keeping::Kept, "{json}: it is understood");
    known.generation_key.key(&known.meaning.variant).to_string()
}

/// Returns orders of which the keys must never change.
pub(crate) fn golden() -> [Letter; 2] {
    let all = r#"{"format": "glb", "quality": "9", "seed": 5, "note": "hello",
        "dimensions": {"width": 50, "height": 60, "depth": 7}}"#;
    ["{}", all].map(|json| {
        let order = Order::read(json.as_bytes()).unwrap();
        orfeas::letter(&order, Bytes::from("cup of coffee"), HeaderMap::new())
    })
}

#[test]
fn orders_that_are_the_same_to_the_studio_share_a_key_and_no_others() {
    let gateway = gateway("orfeas");
    let base = r#"{"job_id": "a", "format": "glb"}"#;
    let same = [
        r#"{"job_id": "b", "format": "glb"}"#,
        r#"{"format": "glb", "job_id": "a"}"#,
        r#"{"format": "glb"}"#,
        r#"{"format": "stl", "format": "glb"}"#,
        r#"{"format": "glb", "quality": 7}"#,
        r#"{"format": "glb", "quality": 7.0}"#,
        r#"{"format": "glb", "quality": "7"}"#,
        r#"{"format": "glb", "quality": " 7 "}"#,
        r#"{"format": "glb", "quality": "7.0"}"#,
        r#"{"quality": 7, "format": "glb"}"#,
        r#"{"format": "glb", "dimensions": {"width": 100, "height": 100, "depth": 20}}"#,
        r#"{"format": "glb", "dimensions": {"depth": 20, "width": 100, "height": 100}}"#,
        r#"{"format": "glb", "dimensions": {"width": 100.0, "height": 100, "depth": 20}}"#,
        r#"{"format": "glb", "dimensions": {"width": "100", "height": "100", "depth": "20"}}"#,
        r#"{"format": "glb", "quality": 7, "dimensions": {"width": 1e2, "height": 100, "depth": 20}}"#,
    ];
    let other = [
        r#"{"format": "stl"}"#,
        r#"{"format": "obj"}"#,
        r#"{"format": "ply"}"#,
        r#"{"format": "glb", "quality": 1}"#,
        r#"{"format": "glb", "quality": 6}"#,
        r#"{"format": "glb", "quality": 8}"#,
        r#"{"format": "glb", "quality": 10}"#,
        r#"{"format": "glb", "dimensions": {"width": 99, "height": 100, "depth": 20}}"#,
        r#"{"format": "glb", "dimensions": {"width": 100, "height": 99, "depth": 20}}"#,
        r#"{"format": "glb", "dimensions": {"width": 100, "height": 100, "depth": 19}}"#,
        r#"{"format": "glb", "dimensions": {"width": 20, "height": 100, "depth": 100}}"#,
        r#"{"format": "glb", "dimensions": {"width": 100, "height": 100, "depth": 20, "unit": "cm"}}"#,
        r#"{"format": "glb", "seed": 0}"#,
        r#"{"format": "glb", "seed": 1}"#,
        r#"{"format": "glb", "seed": "1"}"#,
        r#"{"format": "glb", "seed": null}"#,
        r#"{"format": "glb", "width": 99}"#,
        r#"{"format": "glb", "@width": 99}"#,
        r#"{"format": "glb", "model": "turbo"}"#,
        r#"{"format": "glb", "options": {"a": [1]}}"#,
        r#"{"format": "glb", "options": {"a": [2]}}"#,
    ];
    assert!(same.len() >= 15 && other.len() >= 15);
    let wanted = key(&gateway, base, "cup");
    for json in same {
        assert_eq!(key(&gateway, json, "cup"), wanted, "{json} is the same as {base}");
    }
    let mut keys = vec![wanted, key(&gateway, base, "cat")];
    assert_ne!(keys[0], keys[1], "another photo");
    for json in other {
        let key = key(&gateway, json, "cup");
        assert!(!keys.contains(&key), "{json} is like none before it");
        keys.push(key);
    }
}

#[test]
fn results_without_a_seed_are_let_through_where_the_operator_says_so() {
    let gateway = gateway_with("orfeas", "model-1", Unseeded::Pass, GENERIC);
    for (json, keeping) in
        [("{}", Keeping::PassedThrough(Reason::Unseeded)), (r#"{"seed": 5}"#, Keeping::Kept)]
    {
        let order = Order::read(json.as_bytes()).unwrap();
        let letter = orfeas::letter(&order, Bytes::from("cup"), HeaderMap::new());
        assert_eq!(known(&gateway, &letter).meaning.keeping, keeping, "{json}");
    }
}
