//! What forms mean, and which of them are read at all.

use meshmemo_gateway::{Keeping, Reason, Unseeded};

use crate::requests::{CUP, GENERIC, form, gateway, gateway_with, known, letter};

/// Forms have no types, and names are as long as anybody likes.
#[test]
fn what_a_form_says_of_seeds_and_textures_counts_and_what_has_no_bound_is_passed_through() {
    let table = format!("{GENERIC}\nbody = \"multipart\"");
    let forms = gateway_with("generic", "m", Unseeded::Keep, &table);
    let photo = ("image", "cup of coffee");
    let meaning = |fields: &[(&str, &str)]| known(&forms, &form(fields, "b")).meaning;
    let random = meaning(&[photo, ("seed", "-1")]);
    assert_eq!(random.keeping, Keeping::PassedThrough(Reason::RandomSeed));
    assert_eq!(meaning(&[photo, ("seed", "7")]).keeping, Keeping::Kept);
    for yes in ["true", "True", "1", "on", "yes"] {
        assert!(meaning(&[photo, ("texture", yes)]).expected.is_textured, "{yes}");
    }
    for no in ["false", "0", "", "off"] {
        assert!(!meaning(&[photo, ("texture", no)]).expected.is_textured, "{no}");
    }
    let back = ("back", "a cat");
    assert_eq!(meaning(&[photo, back]).images, meaning(&[back, photo]).images);
    let json = gateway("generic");
    let long = "n".repeat(300);
    let many = vec!["\"\""; 100].join(",");
    for body in [
        format!("{{\"image\": \"Y3Vw\", \"{long}\": 1}}"),
        format!("{{\"image\": [{many}]}}"),
        "{\"image\": {}}".to_owned(),
    ] {
        let letter = letter("/v1/3d/generations", "application/json", body);
        let keeping = known(&json, &letter).meaning.keeping;
        assert_eq!(keeping, Keeping::PassedThrough(Reason::NotUnderstood));
    }
    let format = format!("{{\"image\": \"Y3Vw\", \"type\": \"{long}\"}}");
    let letter = letter("/generate", "application/json", format);
    let keeping = known(&gateway("hunyuan3d-2"), &letter).meaning.keeping;
    assert_eq!(keeping, Keeping::PassedThrough(Reason::NotUnderstood));
}

/// Servers read such forms each in its own way: to one a part is the seed, to another it is not.
#[test]
fn a_form_that_servers_read_differently_is_passed_through() {
    let table = format!("{GENERIC}\nbody = \"multipart\"");
    let forms = gateway_with("generic", "m", Unseeded::Keep, &table);
    let plain = "multipart/form-data; boundary=b";
    let part = |disposition: &str, more: &str| {
        let image =
            "--b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\r\ncup";
        format!("{image}\r\n--b\r\nContent-Disposition: {disposition}\r\n{more}\r\n5\r\n--b--\r\n")
    };
    let keeping = |content_type: &str, body: String| {
        known(&forms, &letter("/v1/3d/generations", content_type, body)).meaning.keeping
    };
    let usual = part("form-data; name=\"seed\"", "");
    assert_eq!(keeping(plain, usual.clone()), Keeping::Kept);
    assert_eq!(keeping("multipart/form-data; boundary=\"b\"", usual.clone()), Keeping::Kept);
    let text = part("form-data; name=\"seed\"", "Content-Type: text/plain\r\n");
    assert_eq!(keeping(plain, text), Keeping::Kept);
    let unusual = Keeping::PassedThrough(Reason::NotUnderstood);
    for disposition in [
        "form-data; name=\"seed\"; name=\"q\"",
        "form-data; name=\"seed\"; name*=utf-8''q",
        "form-data; name=\"seed\"; filename=\"a\"; filename=\"b\"",
        "form-data; name=\"seed\"; filename*=utf-8''b",
        "form-data; name = \"seed\"",
        "form-data; name=seed",
        "form-data; name=\"se%64\"",
    ] {
        assert_eq!(keeping(plain, part(disposition, "")), unusual, "{disposition}");
    }
    for more in [
        "Content-Type: text/plain; charset=utf-16\r\n",
        "Content-Transfer-Encoding: base64\r\n",
        "content-disposition: form-data; name=\"seed\"\r\n",
    ] {
        assert_eq!(keeping(plain, part("form-data; name=\"seed\"", more)), unusual, "{more}");
    }
    for content_type in [
        "multipart/form-data; boundary=b; boundary=c",
        "multipart/form-data; boundary=b; boundary*=utf-8''c",
        "multipart/form-data; charset=x; boundary=b",
        "text/plain",
    ] {
        assert_eq!(keeping(content_type, usual.clone()), unusual, "{content_type}");
    }
    for divided in [
        format!("preamble\r\n{usual}"),
        format!("{usual}epilogue"),
        usual.replacen("\r\n--b\r\n", "\r\n--b \t\r\n", 1),
        usual.replacen("\r\n--b\r\n", "\n--b\r\n", 1),
        usual.replacen("\r\n--b\r\n", "\r\n--bc\r\n", 1),
        usual.replace("cup", "cup\r\n--b--\r\n"),
        usual.replace("cup", "cup --b"),
        usual.replace("--b--\r\n", "--b-- "),
        usual.replace("--b--\r\n", ""),
    ] {
        assert_eq!(keeping(plain, divided.clone()), unusual, "{divided:?}");
    }
    assert_eq!(keeping(plain, usual.trim_end().to_owned()), Keeping::Kept);
    let mut twice = letter("/v1/3d/generations", plain, usual);
    twice.head.headers.append(http::header::CONTENT_TYPE, http::HeaderValue::from_static("a/b"));
    assert_eq!(known(&forms, &twice).meaning.keeping, unusual);
}

#[test]
fn a_form_and_json_mean_the_same_and_neither_order_nor_boundary_count() {
    let json = gateway("generic");
    let forms = gateway_with(
        "generic",
        "model-1",
        Unseeded::Keep,
        &format!("{GENERIC}\nbody = \"multipart\""),
    );
    let of_form =
        |fields: &[(&str, &str)], boundary| known(&forms, &form(fields, boundary)).generation_key;
    let of_json = |text: &str| {
        let text = text.replace("IMAGE", CUP);
        known(&json, &letter("/v1/3d/generations", "application/json", text)).generation_key
    };
    let photo = ("image", "cup of coffee");
    let base = of_form(&[photo], "a");
    assert_eq!(base, of_json(r#"{"image": "IMAGE"}"#));
    assert_eq!(base, of_form(&[photo], "another"));
    assert_eq!(base, of_form(&[("steps", "5"), photo, ("texture", "false"), ("user", "me")], "b"));
    assert_eq!(base, of_form(&[photo, ("resolution", "1024.0")], "c"));
    let seeded = of_form(&[photo, ("prompt", "red"), ("steps", "7")], "d");
    assert_eq!(seeded, of_form(&[("steps", "7"), ("prompt", "red"), photo], "d"));
    assert_eq!(seeded, of_json(r#"{"image": "IMAGE", "prompt": "red", "steps": 7}"#));
    let others = [
        of_form(&[("image", "a cat")], "a"),
        of_form(&[photo, photo], "a"),
        of_form(&[photo, ("steps", "6")], "a"),
        of_form(&[photo, ("prompt", "red")], "a"),
        of_form(&[photo, ("prompt", "red"), ("prompt", "blue")], "a"),
        seeded,
        base,
    ];
    for (place, key) in others.iter().enumerate() {
        assert!(!others[..place].contains(key), "{place}");
    }
}
