//! What the server of `Hunyuan3D-2` takes for the same.

use crate::requests::{check, gateway, key};

#[test]
fn hunyuan3d_2_takes_for_the_same_what_its_server_does() {
    check(
        "hunyuan3d-2",
        "/generate",
        r#"{"image": "IMAGE"}"#,
        &[
            r#"{"image":"IMAGE"}"#,
            r#"{"image": "BROKEN"}"#,
            r#"{"image": "IMAGE", "seed": 1234}"#,
            r#"{"seed": 1234, "image": "IMAGE"}"#,
            r#"{"image": "IMAGE", "octree_resolution": 128}"#,
            r#"{"image": "IMAGE", "num_inference_steps": 5}"#,
            r#"{"image": "IMAGE", "guidance_scale": 5.0}"#,
            r#"{"image": "IMAGE", "guidance_scale": 5}"#,
            r#"{"image": "IMAGE", "guidance_scale": 5e0}"#,
            r#"{"image": "IMAGE", "texture": false}"#,
            r#"{"image": "IMAGE", "texture": 0}"#,
            r#"{"image": "IMAGE", "texture": null}"#,
            r#"{"image": "IMAGE", "face_count": 99}"#,
            r#"{"image": "IMAGE", "mc_algo": "dmc"}"#,
            r#"{"image": "IMAGE", "enable_pbar": true}"#,
            r#"{"image": "IMAGE", "text": "a cup"}"#,
            r#"{"image": "IMAGE", "type": "glb"}"#,
            r#"{"image": "OTHER", "image": "IMAGE"}"#,
            r#"{"\u0069mage": "IMAGE"}"#,
        ],
        &[
            r#"{"image": "OTHER"}"#,
            r#"{"image": "IMAGE", "seed": 1235}"#,
            r#"{"image": "IMAGE", "seed": 1234.0}"#,
            r#"{"image": "IMAGE", "seed": "1234"}"#,
            r#"{"image": "IMAGE", "seed": null}"#,
            r#"{"image": "IMAGE", "octree_resolution": 256}"#,
            r#"{"image": "IMAGE", "num_inference_steps": 20}"#,
            r#"{"image": "IMAGE", "guidance_scale": 5.5}"#,
            r#"{"image": "IMAGE", "texture": true}"#,
            r#"{"image": "IMAGE", "texture": true, "face_count": 99}"#,
            r#"{"image": "IMAGE", "type": "stl"}"#,
            r#"{"image": "IMAGE", "mesh": "OTHER"}"#,
            r#"{"image": "IMAGE", "mesh": "IMAGE"}"#,
            r#"{"image": "IMAGE", "mesh": "IMAGE", "seed": 1234}"#,
            r#"{"image": "IMAGE", "box_v": 1.02}"#,
            r#"{"image": "IMAGE", "num_chunks": 4000}"#,
            r#"{"image": "IMAGE", "an_unknown_field": [1]}"#,
            r#"{"image": "IMAGE", "an_unknown_field": [2]}"#,
            r#"{"text": "a cup"}"#,
        ],
    );
}

#[test]
fn hunyuan3d_2_lets_a_mesh_stand_for_its_shape() {
    let gateway = gateway("hunyuan3d-2");
    let key = |json: &str| key(&gateway, "/generate", json);
    let bare = key(r#"{"image": "IMAGE", "mesh": "OTHER", "texture": true}"#);
    for field in
        [r#""octree_resolution": 512"#, r#""num_inference_steps": 50"#, r#""guidance_scale": 1"#]
    {
        let json = format!(r#"{{"image": "IMAGE", "mesh": "OTHER", "texture": true, {field}}}"#);
        assert_eq!(key(&json), bare, "{field}");
    }
    assert_eq!(
        key(r#"{"image": "IMAGE", "mesh": "OTHER", "texture": 1, "face_count": 40000}"#),
        bare
    );
    assert_ne!(key(r#"{"image": "OTHER", "mesh": "OTHER", "texture": true}"#), bare);
}
