//! The hosted API of Stability behind the gateway: its clients as they are, what is kept of its answers,
//! and its refusals in its own words.

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::answer::{send, send_all};
use crate::desk::Desk;
use crate::gateway::Gateway;
use crate::gateway_answers::shape;
use crate::gateway_clients::model_of_client;
use crate::stand_in::Turn;

const ADAPTER: &str = "stability";
const MISS: &str = "meshmemo; fwd=uri-miss; stored";
const HIT: &str = "meshmemo; hit; detail=memory";

const FAST: &str = "/v2beta/3d/stable-fast-3d";
const POINT_AWARE: &str = "/v2beta/3d/stable-point-aware-3d";
/// What the models of the engines cost.
const FAST_CREDITS: usize = 10;
const POINT_AWARE_CREDITS: usize = 4;

/// Prepares a request of somebody with a key.
fn ask(gateway: &Gateway, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
    gateway.house.ask_at(path, "coffee.png", fields).bearer_auth("sk-mine")
}

#[test]
fn unmodified_clients_are_answered_as_by_the_api_and_repeats_cost_nothing() {
    let engine = "stable-point-aware-3d";
    let seeded = ["--engine", engine, "--field", "seed=7"];
    for (script, more, credits) in [
        ("stability_requests.py", vec![], FAST_CREDITS),
        ("stability_requests.py", vec!["--key", "sk-1", "--json"], FAST_CREDITS),
        ("stability_requests.py", seeded.to_vec(), POINT_AWARE_CREDITS),
        ("stability_requests.py", [&seeded[..], &["--json"]].concat(), POINT_AWARE_CREDITS),
        ("stability_curl.sh", vec![], FAST_CREDITS),
        ("stability_curl.sh", vec!["sk-1", "stable-fast-3d", "remesh=quad"], FAST_CREDITS),
        ("stability_curl.sh", vec!["sk-1", engine, "seed=7"], POINT_AWARE_CREDITS),
    ] {
        let desk = Desk::new();
        let gateway = Gateway::with(ADAPTER, &[]);
        let model =
            |url: &str| model_of_client(script, &more, (url, "coffee.png", desk.dir.path()));
        let direct = model(&gateway.backend.url());
        assert!(direct.starts_with(b"glTF"), "{script} {more:?}");
        for _ in 0..3 {
            assert_eq!(model(&gateway.house.url("")), direct, "{script} {more:?}");
        }
        assert_eq!(gateway.backend.begun(), 2, "{script} {more:?}: repeats are hits");
        assert_eq!(gateway.backend.credits_spent(), 2 * credits, "{script} {more:?}");
        assert_eq!(gateway.house.counts(["misses", "hits"]), [1, 2], "{script} {more:?}");
    }
}

#[test]
fn clients_of_different_making_with_the_same_key_share_what_is_kept() {
    let desk = Desk::new();
    let gateway = Gateway::with(ADAPTER, &[]);
    let url = gateway.house.url("");
    let place = (url.as_str(), "coffee.png", desk.dir.path());
    let by_python = model_of_client("stability_requests.py", &["--key", "sk-mine"], place);
    let by_curl = model_of_client("stability_curl.sh", &["sk-mine"], place);
    let again = send(ask(&gateway, FAST, &[("vertex_count", "-1")])).ok();
    assert_eq!((again.cache_status(), &again.body[..]), (HIT, &by_python[..]));
    assert_eq!((by_curl, gateway.backend.credits_spent()), (by_python, FAST_CREDITS));
}

/// Two who ask for a model that is drawn are to have two.
#[test]
fn what_is_drawn_at_random_is_never_shared() {
    let gateway = Gateway::with(ADAPTER, &["--concurrency", "4"]);
    let random: [&[(&str, &str)]; 2] = [&[], &[("seed", "0")]];
    let mut bodies = Vec::new();
    for fields in random.iter().cycle().take(4) {
        let drawn = send(ask(&gateway, POINT_AWARE, fields)).ok();
        assert_eq!(drawn.cache_status(), "meshmemo; fwd=bypass; detail=random-seed", "{fields:?}");
        assert_eq!(drawn.header("finish-reason"), "SUCCESS");
        assert!(drawn.headers.contains_key("x-request-id"), "all of the answer goes through");
        bodies.push(drawn.body);
    }
    gateway.backend.close_gate();
    let at_once = std::thread::scope(|scope| {
        let requests = (0..4).map(|_| ask(&gateway, POINT_AWARE, &[])).collect();
        let waiting = scope.spawn(|| send_all(requests));
        gateway.backend.wait_until_begun(8);
        gateway.backend.open_gate();
        waiting.join().unwrap()
    });
    bodies.extend(at_once.into_iter().map(|answer| answer.ok().body));
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), 8, "each is another one");
    assert_eq!(gateway.backend.credits_spent(), 8 * POINT_AWARE_CREDITS);
    assert_eq!(gateway.house.count("current_items"), 0);
    let seeded = || send(ask(&gateway, POINT_AWARE, &[("seed", "1")])).ok();
    assert_eq!([seeded().cache_status(), seeded().cache_status()], [MISS, HIT]);
}

/// `finish-reason` says whether the model was withheld, `x-request-id` which request it was.
#[test]
fn a_hit_has_the_head_of_the_miss_from_memory_and_from_disk_but_is_no_request_of_theirs() {
    for (accept, media_type) in
        [("*/*", "model/gltf-binary"), ("application/json", "application/json")]
    {
        for (path, fields) in [(FAST, &[][..]), (POINT_AWARE, &[("seed", "7")])] {
            let mut gateway = Gateway::with(ADAPTER, &[]);
            let again =
                |gateway: &Gateway| send(ask(gateway, path, fields).header("accept", accept)).ok();
            let miss = again(&gateway);
            assert_eq!(miss.cache_status(), MISS);
            let shown = (miss.header("content-type"), miss.header("finish-reason"));
            assert_eq!(shown, (media_type, "SUCCESS"), "{path}");
            let hit = again(&gateway);
            assert_eq!(hit.cache_status(), HIT);
            assert_eq!((&hit.body, shape(&hit)), (&miss.body, shape(&miss)), "{path}");
            gateway.house.end();
            let dir = gateway.house.dir();
            drop(gateway);
            let gateway = Gateway::in_dir(&dir, ADAPTER, &["--warm", "off"]);
            let from_disk = again(&gateway);
            assert_eq!(from_disk.cache_status(), "meshmemo; hit; detail=disk");
            assert_eq!((&from_disk.body, shape(&from_disk)), (&miss.body, shape(&miss)), "{path}");
            assert!(!from_disk.headers.contains_key("x-request-id"));
            assert_eq!(gateway.backend.seen().len(), 0, "it is asked nothing");
        }
    }
}

/// JSON around a model and the model itself are two answers, at once and one after the other.
#[test]
fn who_takes_json_is_sent_json_and_who_takes_the_model_is_sent_the_model() {
    let gateway = Gateway::with(ADAPTER, &["--concurrency", "2"]);
    let with = |accept: &str| ask(&gateway, FAST, &[]).header("accept", accept);
    let (json, model) = ("application/json", "model/gltf-binary");
    gateway.backend.close_gate();
    let answers = std::thread::scope(|scope| {
        let requests = (0..10).map(|index| with([json, model][index % 2])).collect();
        let waiting = scope.spawn(|| send_all(requests));
        gateway.backend.wait_until_begun(2);
        gateway.house.wait_until(|house| house.open_requests() >= 10);
        gateway.backend.open_gate();
        waiting.join().unwrap()
    });
    for (index, answer) in answers.iter().enumerate() {
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), [json, model][index % 2]);
    }
    assert_eq!(gateway.backend.begun(), 2);
    for (accept, answer) in [(json, &answers[0]), (model, &answers[1])] {
        let again = send(with(accept)).ok();
        assert_eq!((again.cache_status(), &again.body), (HIT, &answer.body));
    }
    assert_eq!(answers[0].json()["finish_reason"], "SUCCESS");
    // What nobody documents is tried: the API may answer with the model or with anything else.
    let strange = send(with("text/html")).ok();
    assert_eq!(strange.cache_status(), MISS);
    let odd = send(with("application/json, */*")).ok();
    assert_eq!(odd.cache_status(), "meshmemo; fwd=uri-miss; detail=not-kept");
    assert_eq!(odd.header("content-type"), json);
}

/// The error documents that the API has, as it documents them.
fn document(name: &str) -> Vec<u8> {
    let id = "ff54b236835790cbbc5bc2a4f1fa0d43";
    json!({ "id": id, "name": name, "errors": ["some-field: is required"] }).to_string().into()
}

#[test]
fn an_error_reaches_the_client_as_the_api_sent_it_and_is_not_kept() {
    let gateway = Gateway::with(ADAPTER, &[]);
    for (index, (status, name)) in [
        (400, "bad_request"),
        (402, "payment_required"),
        (403, "content_moderation"),
        (413, "payload_too_large"),
        (422, "unprocessable_entity"),
        (429, "rate_limit_exceeded"),
        (500, "internal_error"),
    ]
    .into_iter()
    .enumerate()
    {
        for (path, fields) in [(FAST, &[][..]), (POINT_AWARE, &[("seed", "7")])] {
            gateway.backend.script([Turn::Answer(status, "application/json", document(name))]);
            let refused = send(ask(&gateway, path, fields));
            assert_eq!((refused.status, &refused.body[..]), (status, &document(name)[..]));
            assert_eq!(refused.header("content-type"), "application/json", "{status}");
            assert_eq!(refused.header("x-request-id").len(), 32, "{status}: for their support");
            assert_eq!(refused.cache_status(), "meshmemo; fwd=uri-miss; detail=not-kept");
        }
        assert_eq!(gateway.backend.begun(), 2 * (index + 1), "nobody tries again by themselves");
    }
    assert_eq!(gateway.house.count("current_items"), 0);
    assert_eq!(gateway.backend.credits_spent(), 0);
    for (path, fields) in [(FAST, &[][..]), (POINT_AWARE, &[("seed", "7")])] {
        assert_eq!(send(ask(&gateway, path, fields)).ok().cache_status(), MISS);
    }
}

/// What the adapter does not read is the API's to judge.
#[test]
fn what_the_api_refuses_it_refuses_itself() {
    let gateway = Gateway::with(ADAPTER, &[]);
    for (path, field, value) in [
        (FAST, "foreground_ratio", "1.3"),
        (FAST, "vertex_count", "20001"),
        (POINT_AWARE, "foreground_ratio", "0.85"),
        (POINT_AWARE, "seed", "4294967295"),
        (POINT_AWARE, "target_type", "faces"),
    ] {
        let refused = send(ask(&gateway, path, &[(field, value)]));
        assert_eq!(refused.status, 400, "{field}={value}");
        assert_eq!(refused.cache_status(), "meshmemo; fwd=bypass; detail=not-kept");
        let told = refused.json();
        let errors = told["errors"].as_array().unwrap();
        assert!(errors[0].as_str().unwrap().starts_with(field), "{told}");
        assert_eq!((&told["name"], errors.len()), (&Value::from("bad_request"), 1));
    }
    let no_form = gateway.raw(FAST, "{}").bearer_auth("sk-mine");
    assert_eq!(send(no_form).json()["errors"], json!(["image: is required"]));
    let elsewhere = gateway.house.get("/v2beta/3d/nothing");
    assert_eq!((elsewhere.status, elsewhere.json()["name"].as_str()), (404, Some("not_found")));
    let wrong_method = gateway.house.get(FAST);
    assert_eq!(wrong_method.status, 405, "the API's word");
    assert_eq!((gateway.backend.begun(), gateway.house.count("current_items")), (0, 0));
}

/// A model that is not whole is the client's, and nobody else's.
#[test]
fn what_is_no_whole_model_is_passed_on_and_not_kept() {
    let gateway = Gateway::with(ADAPTER, &[]);
    for accept in ["*/*", "application/json"] {
        let with = || ask(&gateway, FAST, &[]).header("accept", accept);
        gateway.backend.script([Turn::Truncated, Turn::CutAfter(100), Turn::Hangup]);
        let truncated = send(with()).ok();
        assert_eq!(truncated.cache_status(), "meshmemo; fwd=uri-miss; detail=not-kept");
        assert!(send(with()).problem(502).contains("after 100 bytes"));
        assert!(send(with()).problem(502).contains("ended the connection"));
        assert_eq!(send(with()).ok().cache_status(), MISS);
    }
}
