//! What is refused, with which words; and that the server lives on whatever it was sent.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::stream;
use reqwest::{Body, Method, RequestBuilder};
use serde_json::json;

use crate::answer::{Answer, send};
use crate::house::{House, read_photo};
use crate::picture::{OF_OTHER_PROGRAMS, bomb, png};

const COARSE: (&str, &str) = ("quality", "1");

fn post(house: &House, content_type: &str) -> RequestBuilder {
    house.request(Method::POST, "/api/generate").header("content-type", content_type)
}

fn upload(house: &House, photo: impl Into<Bytes>) -> Answer {
    send(house.ask_with(photo, "photo.png", &[COARSE]))
}

fn assert_names(detail: &str, words: &[&str]) {
    assert!(words.iter().all(|word| detail.contains(word)), "{detail}: {words:?}");
}

/// Nothing was generated or kept, and the server is well.
fn assert_unharmed(house: &House) {
    assert_eq!(house.get("/api/health").ok().json()["status"], "ok");
    assert_eq!(house.counts(["generations", "current_items"]), [0, 0]);
    house.coarse("horse.png", 0);
}

#[test]
fn what_is_no_image_is_415() {
    let house = House::start();
    for bytes in ["hello", "GIF89a", "<svg/>", "RIFF\0\0\0\0WAVE"] {
        assert_names(&upload(&house, bytes).problem(415), &["image", "PNG, JPEG or WebP"]);
    }
    assert_unharmed(&house);
}

#[test]
fn a_body_of_another_type_is_415_and_named() {
    let house = House::start();
    let answer = send(post(&house, "text/plain").body("hello"));
    assert_names(&answer.problem(415), &["text/plain", "multipart/form-data", "application/json"]);
    send(house.request(Method::POST, "/api/generate").body("hello")).problem(415);
    assert_unharmed(&house);
}

/// RFC 9110, 8.3.1: media types are case-insensitive; and what only begins like one is another one.
#[test]
fn the_type_of_a_body_is_read_as_media_types_are() {
    let house = House::start();
    for same in ["application/json", "Application/JSON", "application/json; charset=utf-8"] {
        send(post(&house, same).body("{}")).problem(422);
    }
    let part = "--x\r\nContent-Disposition: form-data; name=\"quality\"\r\n\r\n1\r\n--x--\r\n";
    send(post(&house, "Multipart/Form-Data; boundary=x").body(part)).problem(422);
    for other in ["application/jsonp", "application/json-seq", "multipart/form-database"] {
        send(post(&house, other).body("{}")).problem(415);
    }
}

#[test]
fn an_image_that_can_not_be_decoded_is_422() {
    let house = House::start();
    let whole = read_photo("astronaut.png");
    upload(&house, whole.slice(..whole.len() / 2)).problem(422);
    upload(&house, whole.slice(..20)).problem(422);
    upload(&house, "\u{89}PNG\r\n\u{1a}\n and nothing more".as_bytes()).problem(415);
    upload(&house, b"\x89PNG\r\n\x1a\n and nothing more".as_slice()).problem(422);
    upload(&house, b"\xff\xd8\xff and nothing more".as_slice()).problem(422);
    assert_eq!(house.count("misses"), 4);
    assert_unharmed(&house);
}

#[test]
fn an_image_that_is_missing_or_empty_is_422() {
    let house = House::start();
    let form = reqwest::multipart::Form::new().text("quality", "1");
    let missing = send(house.request(Method::POST, "/api/generate").multipart(form));
    assert_names(&missing.problem(422), &["`image`", "missing"]);
    assert_names(&upload(&house, "").problem(422), &["`image`", "empty"]);
    let detail = house.post("/api/generate", &json!({ "quality": 1 })).problem(422);
    assert_names(&detail, &["`image`", "missing"]);
    assert_unharmed(&house);
}

#[test]
fn a_field_out_of_its_range_is_422_and_named_with_value_and_range() {
    let house = House::start();
    for (name, value, range) in [
        ("quality", "11", "from 1 to 10"),
        ("quality", "0", "from 1 to 10"),
        ("quality", "good", "from 1 to 10"),
        ("format", "xyz", "glb, stl, obj, ply"),
        ("width_mm", "NaN", "from 1 to 2000"),
        ("height_mm", "-5", "from 1 to 2000"),
        ("depth_mm", "inf", "from 0.5 to 2000"),
        ("seed", "-1", "from 0 to 18446744073709551615"),
    ] {
        let answer = house.generate("horse.png", &[(name, value)]);
        assert_names(&answer.problem(422), &[&format!("`{name}`"), value, range]);
        let image = BASE64_STANDARD.encode(read_photo("horse.png"));
        let answer = house.post("/api/generate", &json!({ "image": image, name: value }));
        assert_names(&answer.problem(422), &[&format!("`{name}`"), value, range]);
    }
    assert_unharmed(&house);
}

#[test]
fn an_unknown_field_is_422_and_named() {
    let house = House::start();
    let detail = house.generate("horse.png", &[("colour", "red")]).problem(422);
    assert_names(&detail, &["colour", "quality"]);
    let image = BASE64_STANDARD.encode(read_photo("horse.png"));
    let detail =
        house.post("/api/generate", &json!({ "image": image, "colour": "red" })).problem(422);
    assert_names(&detail, &["colour", "quality"]);
    assert_unharmed(&house);
}

#[test]
fn a_field_that_is_given_twice_is_422() {
    let house = House::start();
    let detail = house.generate("horse.png", &[COARSE, COARSE]).problem(422);
    assert_names(&detail, &["`quality`", "twice"]);
    let detail = house.generate("horse.png", &[("image", "again")]).problem(422);
    assert_names(&detail, &["`image`", "twice"]);
    assert_unharmed(&house);
}

/// A JSON object whose key came twice was read as its last one, without a word.
#[test]
fn a_field_that_is_given_twice_in_json_is_refused_too() {
    let house = House::start();
    let image = BASE64_STANDARD.encode(read_photo("horse.png"));
    let body = format!(r#"{{"image":"{image}","quality":2,"quality":1}}"#);
    let answer = send(post(&house, "application/json").body(body));
    assert!(matches!(answer.status, 400 | 422), "{}: {:?}", answer.status, answer.headers);
    assert_names(&answer.problem(answer.status), &["quality"]);
    assert_unharmed(&house);
}

#[test]
fn json_of_another_shape_is_refused() {
    let house = House::start();
    for image in [json!(5), json!(["a"]), json!("not base64!"), json!("data:image/png,raw")] {
        let detail = house.post("/api/generate", &json!({ "image": image })).problem(422);
        assert_names(&detail, &["`image`", "base64"]);
    }
    let answer = house.post("/api/generate", &json!({ "image": "aGVsbG8=", "quality": [1] }));
    assert_names(&answer.problem(422), &["`quality`"]);
    assert_unharmed(&house);
}

#[test]
fn a_malformed_body_is_400() {
    let house = House::start();
    for body in ["{", "", "[]", "\"image\"", "{\"image\": \"aGVsbG8=\",}", "\u{0}"] {
        send(post(&house, "application/json").body(body)).problem(400);
    }
    for (content_type, body) in [
        ("multipart/form-data", "--x\r\n"),
        ("multipart/form-data; boundary=x", ""),
        ("multipart/form-data; boundary=x", "hello"),
        (
            "multipart/form-data; boundary=x",
            "--x\r\nContent-Disposition: form-data; name=\"image\"",
        ),
        (
            "multipart/form-data; boundary=x",
            "--x\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\ncut off",
        ),
    ] {
        send(post(&house, content_type).body(body)).problem(400);
    }
    assert_unharmed(&house);
}

#[test]
fn a_body_over_the_limit_is_413_however_it_is_sent() {
    let house = House::with(&["--max-body", "1KiB"]);
    let answer = upload(&house, vec![0; 3 << 10]);
    assert_names(&answer.problem(413), &["1.0 KiB", "--max-body"]);
    let chunks = (0..3).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(&[0; 1024])));
    let chunked = Body::wrap_stream(stream::iter(chunks));
    let answer = send(post(&house, "application/json").body(chunked));
    assert_names(&answer.problem(413), &["1.0 KiB", "--max-body"]);
    assert_eq!(house.get("/api/health").ok().json()["status"], "ok");
}

/// The connection was reset under whoever was still sending, so that the answer was lost.
#[test]
fn who_sends_far_too_much_is_told_so_and_not_cut_off() {
    let house = House::with(&["--max-body", "100KiB"]);
    for _ in 0..30 {
        upload(&house, vec![0; 8 << 20]).problem(413);
    }
    assert_unharmed(&house);
}

#[test]
fn a_picture_of_a_pixel_becomes_a_model_or_a_clear_error() {
    let house = House::start();
    for (pixel, name) in [([0, 255], "black"), ([255, 255], "white"), ([128, 128], "half")] {
        let answer = upload(&house, png(1, 1, pixel));
        if answer.status == 200 {
            assert!(answer.body.starts_with(b"glTF"), "{name}");
        } else {
            answer.problem(422);
        }
    }
    house.coarse("horse.png", 0);
}

#[test]
fn a_picture_of_nothing_is_422() {
    let house = House::start();
    let detail = upload(&house, png(32, 32, [200, 0])).problem(422);
    assert_names(&detail, &["transparent"]);
    assert_unharmed(&house);
}

#[test]
fn a_picture_with_too_many_pixels_is_422_before_it_is_decoded() {
    let house = House::start();
    assert_names(&upload(&house, bomb(20_000)).problem(422), &["20000"]);
    upload(&house, bomb(u32::MAX)).problem(422);
    assert_unharmed(&house);
}

#[test]
fn pictures_of_other_programs_become_models() {
    let house = House::start();
    for (name, bytes) in OF_OTHER_PROGRAMS {
        let answer = send(house.ask_with(bytes, name, &[COARSE])).ok();
        assert!(answer.body.starts_with(b"glTF"), "{name}");
    }
    assert_eq!(house.count("generations"), 5);
}

#[test]
fn a_failure_is_not_kept() {
    let house = House::start();
    for _ in 0..2 {
        upload(&house, b"\x89PNG\r\n\x1a\n".as_slice()).problem(422);
    }
    assert_eq!(house.counts(["misses", "generation_failures", "current_items"]), [2, 2, 0]);
    assert_unharmed(&house);
}
