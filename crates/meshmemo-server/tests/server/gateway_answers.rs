//! What clients of a backend are answered through the gateway: results once, errors as they came.

use reqwest::header::HeaderMap;
use serde_json::json;

use crate::answer::{Answer, RUNTIME, send, start};
use crate::gateway::{Gateway, body};
use crate::stand_in::Turn;

/// Returns what of an answer's head must be the same for a hit as for a miss.
pub(crate) fn shape(answer: &Answer) -> HeaderMap {
    let mut headers = answer.headers.clone();
    for name in ["cache-status", "server-timing", "date"] {
        headers.remove(name);
    }
    headers
}

#[test]
fn a_repeat_is_answered_as_the_backend_did_and_asks_it_nothing() {
    for (adapter, path, media_type) in [
        ("hunyuan3d-2", "/generate", "text/plain; charset=utf-8"),
        ("hunyuan3d-2.1-stock", "/generate", "text/plain; charset=utf-8"),
        ("hunyuan3d-2.1-forwarding", "/generate", "text/plain; charset=utf-8"),
        ("generic", "/v1/3d/generations", "model/gltf-binary"),
    ] {
        let gateway = Gateway::with(adapter, &[]);
        let asked = body("coffee.png", &json!({ "texture": true }));
        let first = send(gateway.ask(path, &asked)).ok();
        assert_eq!(first.cache_status(), "meshmemo; fwd=uri-miss; stored", "{adapter}");
        assert_eq!(first.header("content-type"), media_type, "{adapter}");
        let again = send(gateway.ask(path, &asked)).ok();
        assert_eq!(again.cache_status(), "meshmemo; hit; detail=memory", "{adapter}");
        assert_eq!((&again.body, shape(&again)), (&first.body, shape(&first)), "{adapter}");
        if adapter == "generic" {
            assert_eq!(again.header("content-disposition"), "attachment; filename=\"x.glb\"");
        }
        gateway.house.forget_memory();
        let from_disk = send(gateway.ask(path, &asked)).ok();
        assert_eq!(from_disk.cache_status(), "meshmemo; hit; detail=disk", "{adapter}");
        assert_eq!((&from_disk.body, shape(&from_disk)), (&first.body, shape(&first)), "{adapter}");
        assert_eq!(gateway.backend.begun(), 1, "{adapter}");
        // The client's own words have gone to the backend, to the byte.
        assert_eq!(gateway.backend.generations()[0], asked.to_string(), "{adapter}");
    }
}

#[test]
fn other_formats_are_checked_and_kept_like_glb() {
    let gateway = Gateway::with("hunyuan3d-2", &[]);
    for format in ["stl", "obj", "ply"] {
        let asked = body("coffee.png", &json!({ "type": format }));
        let first = gateway.generate(&asked).ok();
        let again = gateway.generate(&asked).ok();
        assert_eq!(again.cache_status(), "meshmemo; hit; detail=memory", "{format}");
        assert_eq!(again.body, first.body);
        gateway.backend.script([Turn::Truncated]);
        let cut = gateway.generate(&body("horse.png", &json!({ "type": format }))).ok();
        // An OBJ that ends at the end of a line can not be told from a whole one.
        if format != "obj" {
            assert!(cut.cache_status().ends_with("detail=not-kept"), "{format}");
        }
    }
    // What nobody can check is passed through.
    let strange = body("coffee.png", &json!({ "type": "usdz" }));
    for _ in 0..2 {
        assert_eq!(
            gateway.generate(&strange).cache_status().split("; ").nth(1),
            Some("fwd=bypass")
        );
    }
}

/// What went wrong at the backend: how the client is told, and that nothing is kept of it.
#[test]
fn an_error_reaches_the_client_as_the_backend_sent_it_and_is_not_kept() {
    let gateway = Gateway::with("hunyuan3d-2", &[]);
    let asked = body("coffee.png", &json!({ "texture": true }));
    let whole = gateway.generate(&body("horse.png", &json!({ "texture": true }))).ok();
    let text = |answer: &Answer| String::from_utf8_lossy(&answer.body).into_owned();

    gateway.backend.script([Turn::Exception]);
    let exception = gateway.generate(&asked);
    assert_eq!((exception.status, exception.header("content-type")), (404, "application/json"));
    assert_eq!(exception.json()["error_code"], 1);

    gateway.backend.script([Turn::Busy]);
    let busy = gateway.generate(&asked);
    assert_eq!((busy.status, busy.header("retry-after")), (503, "7"));
    assert_ne!(busy.header("content-type"), "application/problem+json");

    gateway.backend.script([Turn::Answer(200, "text/html", b"<html>it broke</html>".to_vec())]);
    let garbage = gateway.generate(&asked).ok();
    assert_eq!(
        (garbage.header("content-type"), text(&garbage)),
        ("text/html", "<html>it broke</html>".to_owned())
    );

    gateway.backend.script([Turn::Truncated]);
    let truncated = gateway.generate(&asked).ok();
    assert!(truncated.body.starts_with(b"glTF") && truncated.body.len() < whole.body.len());

    gateway.backend.script([Turn::Untextured]);
    let untextured = gateway.generate(&asked).ok();
    assert_eq!(untextured.cache_status(), "meshmemo; fwd=uri-miss; detail=not-kept");

    gateway.backend.script([Turn::CutAfter(100)]);
    assert!(gateway.generate(&asked).problem(502).contains("after 100 bytes"));
    gateway.backend.script([Turn::CutAfter(0)]);
    assert!(gateway.generate(&asked).problem(502).contains("cut"));
    gateway.backend.script([Turn::Hangup]);
    assert!(gateway.generate(&asked).problem(502).contains("ended the connection"));

    assert_eq!(gateway.house.count("current_items"), 1, "only what was whole is kept");
    let at_last = gateway.generate(&asked).ok();
    assert_eq!(at_last.cache_status(), "meshmemo; fwd=uri-miss; stored");
    let gateway = Gateway::with("hunyuan3d-2", &["--backend-timeout", "2s"]);
    gateway.backend.script([Turn::Hang]);
    let slow = gateway.generate(&body("chelsea.png", &json!({})));
    assert!(slow.problem(504).contains("2 s"));
}

#[test]
fn an_error_reaches_all_who_wait_and_poisons_nothing() {
    let gateway = Gateway::with("hunyuan3d-2", &[]);
    let asked = body("coffee.png", &json!({}));
    gateway.backend.close_gate();
    gateway.backend.script([Turn::CutAfter(50)]);
    let first = start(gateway.ask("/generate", &asked));
    gateway.backend.wait_until_begun(1);
    let others = (1..20).map(|_| start(gateway.ask("/generate", &asked)));
    let waiting: Vec<_> = [first].into_iter().chain(others).collect();
    gateway.wait_until_held(20, &asked);
    gateway.backend.open_gate();
    for answer in waiting {
        let answer = RUNTIME.block_on(answer).unwrap().unwrap();
        assert!(answer.problem(502).contains("after 50 bytes"));
    }
    assert_eq!(gateway.backend.begun(), 1, "nobody tries again by themselves");
    let again = gateway.generate(&asked).ok();
    assert!(again.body.starts_with(b"glTF"));
}

#[test]
fn what_is_sent_with_a_request_says_what_the_cache_may_do() {
    let gateway = Gateway::with("hunyuan3d-2.1-stock", &[]);
    let asked = body("coffee.png", &json!({}));
    let with =
        |directive: &str| send(gateway.ask("/generate", &asked).header("cache-control", directive));
    with("only-if-cached").problem(504);
    let first = gateway.generate(&asked).ok();
    let anew = with("no-cache").ok();
    assert_eq!(anew.cache_status(), "meshmemo; fwd=bypass; stored");
    assert_ne!(anew.body, first.body, "the server draws another one each time");
    assert_eq!(gateway.generate(&asked).ok().body, anew.body);
    let unkept = with("no-store").ok();
    assert_eq!(unkept.cache_status(), "meshmemo; fwd=bypass");
    assert_eq!(with("only-if-cached").ok().body, anew.body);
    assert_eq!(gateway.backend.begun(), 3);
}

#[test]
fn a_random_seed_is_passed_through_and_the_first_of_an_unseeded_one_kept_unless_told_otherwise() {
    let gateway = Gateway::with("generic", &[]);
    let ask = |more| send(gateway.ask("/v1/3d/generations", &body("coffee.png", &more))).ok();
    for _ in 0..2 {
        let random = ask(json!({ "seed": -1 }));
        assert_eq!(random.cache_status(), "meshmemo; fwd=bypass; detail=random-seed");
    }
    ask(json!({}));
    assert_eq!(ask(json!({ "request_id": 7 })).cache_status(), "meshmemo; hit; detail=memory");
    assert_eq!(gateway.backend.begun(), 3);
    let passing = Gateway::with("hunyuan3d-2.1-stock", &["--unseeded", "pass"]);
    let asked = body("coffee.png", &json!({}));
    let (one, other) = (passing.generate(&asked).ok(), passing.generate(&asked).ok());
    assert_ne!(one.body, other.body);
    let seeded = body("coffee.png", &json!({ "seed": 7 }));
    assert_eq!(passing.generate(&seeded).ok().body, passing.generate(&seeded).ok().body);
}

/// What the adapter can not read is the backend's to answer.
#[test]
fn what_can_not_be_read_is_answered_by_the_backend() {
    let gateway = Gateway::with("hunyuan3d-2", &[]);
    let malformed = send(gateway.raw("/generate", "{"));
    assert_eq!((malformed.status, &malformed.body[..]), (500, &b"Internal Server Error"[..]));
    let cached_only =
        gateway.ask("/generate", &json!({})).header("cache-control", "only-if-cached");
    send(cached_only).problem(504);
    let no_image = gateway.generate(&json!({}));
    assert_eq!((no_image.status, no_image.json()["error_code"].as_u64()), (404, Some(1)));
    let validating = Gateway::with("hunyuan3d-2.1-forwarding", &[]);
    let out_of_range = validating.generate(&body("coffee.png", &json!({ "seed": -1 })));
    assert_eq!(out_of_range.status, 422);
    assert!(out_of_range.json()["detail"].is_array());
    assert_eq!(validating.backend.begun(), 0);
}

/// Where clients share, somebody's wrong password is nobody else's.
#[test]
fn who_is_not_let_in_by_the_backend_does_not_keep_others_out() {
    let gateway = Gateway::with("hunyuan3d-2", &["--credentials", "share"]);
    let asked = body("coffee.png", &json!({}));
    gateway.backend.close_gate();
    gateway.backend.script([Turn::Answer(401, "application/json", b"{}".to_vec())]);
    let wrong = start(gateway.ask("/generate", &asked).bearer_auth("wrong"));
    gateway.backend.wait_until_begun(1);
    let right = start(gateway.ask("/generate", &asked).bearer_auth("right"));
    gateway.wait_until_held(2, &asked);
    gateway.backend.open_gate();
    assert_eq!(RUNTIME.block_on(wrong).unwrap().unwrap().status, 401);
    assert!(RUNTIME.block_on(right).unwrap().unwrap().ok().body.starts_with(b"glTF"));
    assert_eq!(gateway.backend.begun(), 2);
}

/// Pages of other sites use the backend from browsers: it says which may.
#[test]
fn pages_are_let_in_as_the_backend_lets_them() {
    let gateway = Gateway::with("hunyuan3d-2", &[]);
    let asked = body("coffee.png", &json!({}));
    gateway.generate(&asked).ok();
    let from_page = || {
        let request = gateway.ask("/generate", &asked).header("origin", "https://shop.example");
        send(request).ok()
    };
    assert_eq!(from_page().header("access-control-allow-origin"), "*");
    assert_eq!(from_page().cache_status(), "meshmemo; hit; detail=memory");
    let preflight = gateway
        .house
        .request(reqwest::Method::OPTIONS, "/generate")
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "POST");
    let preflight = send(preflight).ok();
    assert_eq!(preflight.header("access-control-allow-methods"), "*");
    assert_eq!(gateway.backend.seen().last().unwrap().method, "OPTIONS");
}
