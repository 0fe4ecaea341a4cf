//! `GET` and `HEAD /api/models/<digest>.<ext>`: validators, ranges, and how long it may be kept.

use std::ops::Range;

use bytes::Bytes;
use reqwest::Method;

use crate::answer::{Answer, send};
use crate::house::House;

/// A server with one model.
struct Shelf {
    house: House,
    path: String,
    etag: String,
    whole: Bytes,
}

impl Shelf {
    fn new() -> Self {
        let house = House::start();
        let made = house.coarse("horse.png", 0);
        let (path, etag) = (made.model_path(), made.header("etag").to_owned());
        Self { house, path, etag, whole: made.body }
    }

    fn ask(&self, method: Method, headers: &[(&str, &str)]) -> Answer {
        let request = self.house.request(method, &self.path);
        send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)))
    }

    fn get(&self, headers: &[(&str, &str)]) -> Answer {
        self.ask(Method::GET, headers)
    }

    fn assert_part(&self, range: &str, part: Range<usize>) {
        let answer = self.get(&[("range", range)]);
        assert_eq!(answer.status, 206, "{range}");
        assert!(answer.body == self.whole[part.clone()], "{range}");
        let content_range = content_range(&part, self.whole.len());
        assert_eq!(answer.header("content-range"), content_range);
        assert_eq!(answer.header("content-length"), part.len().to_string());
        assert_eq!(answer.header("content-type"), "model/gltf-binary");
    }
}

fn content_range(part: &Range<usize>, length: usize) -> String {
    format!("bytes {}-{}/{length}", part.start, part.end - 1)
}

/// Reads a `multipart/byteranges` body into the `Content-Range` and the bytes of its parts.
fn parts(answer: &Answer) -> Vec<(String, Vec<u8>)> {
    let media_type = answer.header("content-type");
    let boundary = media_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let mut rest: &[u8] = &answer.body;
    let mut parts = Vec::new();
    loop {
        rest = after(rest, format!("--{boundary}").as_bytes());
        if rest.starts_with(b"--") {
            return parts;
        }
        let head_end = find(rest, b"\r\n\r\n");
        let head = String::from_utf8(rest[..head_end].to_vec()).unwrap();
        assert!(head.contains("Content-Type: model/gltf-binary"), "{head}");
        let range = head.split("Content-Range: ").nth(1).unwrap().trim().to_owned();
        rest = &rest[head_end + 4..];
        let end = find(rest, format!("\r\n--{boundary}").as_bytes());
        parts.push((range, rest[..end].to_vec()));
    }
}

fn find(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).position(|window| window == what).unwrap()
}

fn after<'a>(bytes: &'a [u8], what: &[u8]) -> &'a [u8] {
    &bytes[find(bytes, what) + what.len()..]
}

#[test]
fn a_model_is_fetched_by_its_digest_and_may_be_kept_for_ever() {
    let shelf = Shelf::new();
    let answer = shelf.get(&[]).ok();
    assert!(answer.body == shelf.whole);
    assert_eq!(answer.header("etag"), format!("\"{}\"", blake3::hash(&answer.body).to_hex()));
    assert_eq!(answer.header("etag"), shelf.etag);
    assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(answer.header("accept-ranges"), "bytes");
    assert_eq!(answer.header("content-type"), "model/gltf-binary");
}

#[test]
fn head_has_the_headers_of_get_and_no_body() {
    let shelf = Shelf::new();
    let (head, get) = (shelf.ask(Method::HEAD, &[]).ok(), shelf.get(&[]).ok());
    assert!(head.body.is_empty());
    for name in ["etag", "content-length", "content-type", "cache-control", "accept-ranges"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
}

/// RFC 9110, 14.2: ranges are of GET alone; HEAD with `Range` was answered 206.
#[test]
fn head_ignores_ranges() {
    let shelf = Shelf::new();
    let head = shelf.ask(Method::HEAD, &[("range", "bytes=0-9")]);
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-length"), shelf.whole.len().to_string());
}

#[test]
fn who_has_it_already_is_told_304() {
    let shelf = Shelf::new();
    let weak = format!("W/{}", shelf.etag);
    for tags in [shelf.etag.as_str(), "*", &format!("\"x\", {}", shelf.etag), &weak] {
        let answer = shelf.get(&[("if-none-match", tags)]);
        assert_eq!((answer.status, answer.body.len()), (304, 0), "{tags}");
        assert_eq!(answer.header("etag"), shelf.etag);
        assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
    }
    shelf.get(&[("if-none-match", "\"x\"")]).ok();
}

#[test]
fn who_wants_another_one_is_told_412() {
    let shelf = Shelf::new();
    shelf.get(&[("if-match", "\"x\"")]).problem(412);
    let weak = format!("W/{}", shelf.etag);
    shelf.get(&[("if-match", &weak)]).problem(412);
    shelf.get(&[("if-match", &shelf.etag)]).ok();
    shelf.get(&[("if-match", "*")]).ok();
}

#[test]
fn a_single_range_is_that_part() {
    let shelf = Shelf::new();
    let length = shelf.whole.len();
    shelf.assert_part("bytes=0-0", 0..1);
    shelf.assert_part("bytes=100-1099", 100..1100);
    shelf.assert_part("bytes=5000-", 5000..length);
    shelf.assert_part("bytes=-77", length - 77..length);
    shelf.assert_part(&format!("bytes=10-{}", length * 2), 10..length);
    shelf.assert_part(&format!("bytes=-{}", length * 2), 0..length);
}

#[test]
fn many_ranges_are_parts_that_equal_the_whole_ones() {
    let shelf = Shelf::new();
    let length = shelf.whole.len();
    let answer = shelf.get(&[("range", "bytes=0-99, 5000-5999, -10")]);
    assert_eq!(answer.status, 206);
    assert_eq!(answer.header("content-length"), answer.body.len().to_string());
    let expected = [0..100, 5000..6000, length - 10..length];
    let parts = parts(&answer);
    assert_eq!(parts.len(), 3);
    for ((range, bytes), part) in parts.into_iter().zip(expected) {
        assert_eq!(range, content_range(&part, length));
        assert!(bytes == shelf.whole[part], "{range}");
    }
}

#[test]
fn a_range_beyond_the_end_is_416_and_the_length_is_told() {
    let shelf = Shelf::new();
    let length = shelf.whole.len();
    for range in [format!("bytes={length}-"), "bytes=999999999-".to_owned(), "bytes=-0".to_owned()]
    {
        let answer = shelf.get(&[("range", &range)]);
        answer.problem(416);
        assert_eq!(answer.header("content-range"), format!("bytes */{length}"));
    }
}

#[test]
fn a_range_that_is_not_understood_is_ignored() {
    let shelf = Shelf::new();
    let many = format!("bytes={}", vec!["0-1"; 1000].join(","));
    for range in ["bytes=9-2", "items=0-1", "bytes=a-b", &many] {
        assert!(shelf.get(&[("range", range)]).ok().body == shelf.whole, "{range}");
    }
}

#[test]
fn if_range_resumes_the_same_model_and_starts_another_one_anew() {
    let shelf = Shelf::new();
    let resume = |tag: &str| shelf.get(&[("range", "bytes=0-9"), ("if-range", tag)]);
    let same = resume(&shelf.etag);
    assert!(same.status == 206 && same.body == shelf.whole[..10]);
    for tag in ["\"x\"".to_owned(), format!("W/{}", shelf.etag)] {
        assert!(resume(&tag).ok().body == shelf.whole, "{tag}");
    }
}

#[test]
fn what_is_not_there_is_404() {
    let shelf = Shelf::new();
    let digest = &shelf.path["/api/models/".len()..shelf.path.len() - ".glb".len()];
    let unknown = format!("{}.glb", "0".repeat(64));
    for file in [
        &format!("{digest}.stl"),
        &format!("{digest}.glb.glb"),
        digest,
        "..%2f..%2fetc%2fpasswd",
        "x.glb",
        ".glb",
        &unknown,
    ] {
        shelf.house.get(&format!("/api/models/{file}")).problem(404);
    }
    shelf.get(&[]).ok();
}

/// The path's own rejection was plain text.
#[test]
fn a_name_that_is_not_text_is_a_problem_too() {
    let answer = House::start().get("/api/models/%ff.glb");
    assert!(matches!(answer.status, 400 | 404), "{}", answer.status);
    answer.problem(answer.status);
}

#[test]
fn equal_models_under_two_keys_stay_until_both_are_gone() {
    let shelf = Shelf::new();
    let (first, second) = (shelf.house.coarse("horse.png", 0), shelf.house.coarse("horse.png", 1));
    assert!(first.key() != second.key() && first.model_path() == second.model_path());
    shelf.house.delete(&format!("/api/cache/entries/{}", first.key())).ok();
    assert!(shelf.get(&[]).ok().body == shelf.whole);
    shelf.house.delete(&format!("/api/cache/entries/{}", second.key())).ok();
    shelf.get(&[]).problem(404);
}
