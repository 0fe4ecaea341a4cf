//! What the servers of `Hunyuan3D-2.1` take for the same, as published and as changed.

use meshmemo_gateway::Keeping;

use crate::requests::{check, gateway, known, letter};

const FIELDS_21: [&str; 15] = [
    r#"{"image": "BROKEN"}"#,
    r#"{"texture": false, "image": "IMAGE"}"#,
    r#"{"image": "IMAGE", "texture": "no"}"#,
    r#"{"image": "IMAGE", "texture": 0}"#,
    r#"{"image": "IMAGE", "remove_background": true}"#,
    r#"{"image": "IMAGE", "octree_resolution": 256}"#,
    r#"{"image": "IMAGE", "octree_resolution": 256.0}"#,
    r#"{"image": "IMAGE", "octree_resolution": "256"}"#,
    r#"{"image": "IMAGE", "num_inference_steps": 5}"#,
    r#"{"image": "IMAGE", "guidance_scale": 5}"#,
    r#"{"image": "IMAGE", "guidance_scale": 5.0}"#,
    r#"{"image": "IMAGE", "num_chunks": 8000}"#,
    r#"{"image": "IMAGE", "face_count": 40000}"#,
    r#"{"image": "IMAGE", "type": "glb"}"#,
    r#"{"image": "OTHER", "image": "IMAGE"}"#,
];

#[test]
fn hunyuan3d_21_forwarding_counts_every_field() {
    let same = [&FIELDS_21[..], &[r#"{"image": "IMAGE", "seed": 1234}"#]].concat();
    check(
        "hunyuan3d-2.1-forwarding",
        "/generate",
        r#"{"image": "IMAGE"}"#,
        &same,
        &[
            r#"{"image": "OTHER"}"#,
            r#"{"image": "IMAGE", "texture": true}"#,
            r#"{"image": "IMAGE", "remove_background": false}"#,
            r#"{"image": "IMAGE", "seed": 0}"#,
            r#"{"image": "IMAGE", "seed": 4294967295}"#,
            r#"{"image": "IMAGE", "octree_resolution": 512}"#,
            r#"{"image": "IMAGE", "num_inference_steps": 20}"#,
            r#"{"image": "IMAGE", "guidance_scale": 5.5}"#,
            r#"{"image": "IMAGE", "num_chunks": 1000}"#,
            r#"{"image": "IMAGE", "face_count": 1000}"#,
            r#"{"image": "IMAGE", "face_count": 1000, "texture": true}"#,
            r#"{"image": "IMAGE", "type": "obj"}"#,
            r#"{"image": "IMAGE", "webhook": "x"}"#,
            r#"{"image": "IMAGE", "webhook": null}"#,
            r#"{"image": "IMAGE", "texture": true, "seed": 7}"#,
        ],
    );
}

#[test]
fn hunyuan3d_21_stock_counts_what_its_server_uses_and_a_seed_that_is_sent() {
    let ignored = [
        r#"{"image": "IMAGE", "remove_background": false}"#,
        r#"{"image": "IMAGE", "octree_resolution": 512}"#,
        r#"{"image": "IMAGE", "num_inference_steps": 20}"#,
        r#"{"image": "IMAGE", "guidance_scale": 5.5}"#,
        r#"{"image": "IMAGE", "num_chunks": 1000}"#,
        r#"{"image": "IMAGE", "face_count": 1000}"#,
    ];
    check(
        "hunyuan3d-2.1-stock",
        "/generate",
        r#"{"image": "IMAGE"}"#,
        &[&FIELDS_21[..], &ignored].concat(),
        &[
            r#"{"image": "OTHER"}"#,
            r#"{"image": "IMAGE", "texture": true}"#,
            r#"{"image": "OTHER", "texture": true}"#,
            r#"{"image": "IMAGE", "seed": 0}"#,
            r#"{"image": "IMAGE", "seed": 1}"#,
            r#"{"image": "IMAGE", "seed": 1234}"#,
            r#"{"image": "IMAGE", "seed": 1, "texture": true}"#,
            r#"{"image": "IMAGE", "type": "obj"}"#,
            r#"{"image": "IMAGE", "type": "stl"}"#,
            r#"{"image": "IMAGE", "type": "ply"}"#,
            r#"{"image": "IMAGE", "webhook": "x"}"#,
            r#"{"image": "IMAGE", "webhook": "y"}"#,
            r#"{"image": "IMAGE", "webhook": null}"#,
            r#"{"image": "IMAGE", "octree": 256}"#,
            r#"{"image": "IMAGE", "@query": "a"}"#,
        ],
    );
}

/// What a schema refuses has no meaning: its server is to say so.
#[test]
fn what_the_schema_refuses_is_passed_through() {
    for name in ["hunyuan3d-2.1-stock", "hunyuan3d-2.1-forwarding"] {
        let gateway = gateway(name);
        for json in [
            "{}",
            r#"{"image": 7}"#,
            r#"{"image": "not base64!"}"#,
            r#"{"image": "Y3Vw", "seed": -1}"#,
            r#"{"image": "Y3Vw", "seed": 1.5}"#,
            r#"{"image": "Y3Vw", "octree_resolution": 9999}"#,
            r#"{"image": "Y3Vw", "guidance_scale": "much"}"#,
            r#"{"image": "Y3Vw", "texture": "maybe"}"#,
            "[]",
            "not JSON",
        ] {
            let letter = letter("/generate", "application/json", json.to_owned());
            let keeping = known(&gateway, &letter).meaning.keeping;
            assert!(matches!(keeping, Keeping::PassedThrough(_)), "{name}: {json}");
        }
    }
}
