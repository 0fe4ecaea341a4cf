//! What a server of one's own takes for the same, by its description.

use crate::requests::check;

#[test]
fn generic_takes_for_the_same_what_its_description_says() {
    check(
        "generic",
        "/v1/3d/generations",
        r#"{"image": "IMAGE"}"#,
        &[
            r#"{"image":"IMAGE"}"#,
            r#"{"image": "BROKEN"}"#,
            r#"{"image": "data:image/png;base64,IMAGE"}"#,
            r#"{"steps": 5, "image": "IMAGE"}"#,
            r#"{"image": "IMAGE", "texture": false}"#,
            r#"{"texture": false, "image": "IMAGE"}"#,
            r#"{"image": "IMAGE", "resolution": 1024}"#,
            r#"{"image": "IMAGE", "resolution": 1024.0}"#,
            r#"{"image": "IMAGE", "steps": 5}"#,
            r#"{"image": "IMAGE", "steps": 5.0}"#,
            r#"{"image": "IMAGE", "steps": 5, "resolution": 1024, "texture": false}"#,
            r#"{"image": "IMAGE", "request_id": "a"}"#,
            r#"{"image": "IMAGE", "request_id": {"deep": 1}, "user": 7}"#,
            r#"{"image": "IMAGE", "output_format": "glb"}"#,
            r#"{"image": "IMAGE", "output_format": "GLB"}"#,
            r#"{"image": "OTHER", "image": "IMAGE"}"#,
        ],
        &[
            r#"{"image": "OTHER"}"#,
            r#"{"back": "IMAGE"}"#,
            r#"{"image": "IMAGE", "back": "IMAGE"}"#,
            r#"{"image": "IMAGE", "back": "OTHER"}"#,
            r#"{"image": "OTHER", "back": "IMAGE"}"#,
            r#"{"image": ["IMAGE"]}"#,
            r#"{"image": ["IMAGE", "OTHER"]}"#,
            r#"{"image": ["OTHER", "IMAGE"]}"#,
            r#"{"image": "IMAGE", "texture": true}"#,
            r#"{"image": "IMAGE", "texture": "false"}"#,
            r#"{"image": "IMAGE", "resolution": 512}"#,
            r#"{"image": "IMAGE", "steps": 5.5}"#,
            r#"{"image": "IMAGE", "seed": 0}"#,
            r#"{"image": "IMAGE", "seed": 1}"#,
            r#"{"image": "IMAGE", "output_format": "stl"}"#,
            r#"{"image": "IMAGE", "unknown": null}"#,
            r#"{"image": "IMAGE", "unknown": {"a": 1}}"#,
            r#"{"image": "IMAGE", "unknown": {"a": 2}}"#,
        ],
    );
}
