//! `POST /api/generate`: what an answer is, and what of a request is in its key.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::Method;
use serde_json::json;

use crate::answer::{Answer, send};
use crate::house::{House, read_photo};

const HIT: &str = "meshmemo; hit; detail=memory";
const MISS: &str = "meshmemo; fwd=uri-miss; stored";
const COARSE: (&str, &str) = ("quality", "1");

fn with_cache_control(house: &House, photo: &str, value: &str) -> Answer {
    send(house.ask(photo, &[COARSE]).header("cache-control", value))
}

#[test]
fn multipart_and_json_of_one_file_are_one_result() {
    let house = House::start();
    let form = house.generate("horse.png", &[COARSE]).ok();
    let encoded = BASE64_STANDARD.encode(read_photo("horse.png"));
    let unpadded = encoded.trim_end_matches('=').to_owned();
    for image in [format!("data:image/png;base64,{encoded}"), encoded, unpadded] {
        let asked = json!({ "image": image, "quality": 1, "label": "horse.png" });
        let answer = house.post("/api/generate", &asked).ok();
        assert_eq!(answer.cache_status(), HIT);
        assert_eq!(answer.key(), form.key());
        assert!(answer.body == form.body);
    }
    assert_eq!(house.count("generations"), 1);
}

#[test]
fn four_formats_come_from_one_generation() {
    let house = House::start();
    let ask = |format| house.generate("horse.png", &[COARSE, ("format", format)]).ok();
    assert_eq!(ask("glb").cache_status(), MISS);
    for format in ["stl", "obj", "ply"] {
        assert_eq!(ask(format).cache_status(), "meshmemo; hit; detail=derived", "{format}");
        assert_eq!(ask(format).cache_status(), HIT, "{format}");
    }
    let names = ["generations", "derivations", "misses", "hits", "current_items"];
    assert_eq!(house.counts(names), [1, 3, 1, 6, 4]);
}

#[test]
fn a_derived_format_that_is_asked_for_first_brings_the_glb_with_it() {
    let house = House::start();
    let ask = |format| house.generate("horse.png", &[COARSE, ("format", format)]).ok();
    assert_eq!(ask("stl").cache_status(), MISS);
    assert_eq!(ask("glb").cache_status(), HIT);
    assert_eq!(house.counts(["generations", "derivations", "misses", "hits"]), [1, 1, 1, 1]);
}

#[test]
fn every_format_has_its_headers() {
    let house = House::start();
    for (format, media_type) in [
        ("glb", "model/gltf-binary"),
        ("stl", "model/stl"),
        ("obj", "model/obj"),
        ("ply", "application/octet-stream"),
    ] {
        let answer = house.generate("horse.png", &[COARSE, ("format", format)]).ok();
        let digest = blake3::hash(&answer.body).to_hex();
        assert_eq!(answer.header("content-type"), media_type);
        assert_eq!(answer.header("content-length"), answer.body.len().to_string());
        assert_eq!(answer.header("etag"), format!("\"{digest}\""));
        let link = format!("</api/models/{digest}.{format}>; rel=\"alternate\"");
        assert_eq!(answer.header("link"), link);
        let name = format!("attachment; filename=\"horse.{format}\"");
        assert_eq!(answer.header("content-disposition"), name);
        let key = answer.key();
        assert!(key.len() == 64 && key.chars().all(|c| c.is_ascii_hexdigit()), "{key}");
        assert!(house.get(&answer.model_path()).ok().body == answer.body);
    }
}

#[test]
fn server_timing_names_the_four_steps() {
    let answer = House::start().generate("horse.png", &[COARSE]).ok();
    let timing = answer.header("server-timing");
    let steps: Vec<_> = timing.split(", ").map(|step| step.split_once(";dur=").unwrap()).collect();
    assert_eq!(
        steps.iter().map(|step| step.0).collect::<Vec<_>>(),
        ["key", "lookup", "queue", "generate"]
    );
    let took: Vec<f64> = steps.iter().map(|step| step.1.parse().unwrap()).collect();
    assert!(took.iter().all(|ms| *ms >= 0.0) && took[3] > 0.0, "{timing}");
}

#[test]
fn a_hit_has_the_headers_of_a_miss() {
    let house = House::start();
    let shape = |answer: Answer| -> BTreeMap<String, String> {
        let own = ["cache-status", "date", "server-timing"];
        let headers = answer.headers.iter().filter(|(name, _)| !own.contains(&name.as_str()));
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().into())).collect()
    };
    let miss = house.generate("horse.png", &[COARSE]).ok();
    let hit = house.generate("horse.png", &[COARSE]).ok();
    assert_eq!((miss.cache_status(), hit.cache_status()), (MISS, HIT));
    let (miss, hit) = (shape(miss), shape(hit));
    assert_eq!(miss, hit);
    assert!(miss.contains_key("etag") && miss.contains_key("content-length"), "{miss:?}");
}

#[test]
fn a_ttl_is_told_with_the_hit() {
    let house = House::with(&["--ttl", "1h"]);
    house.generate("horse.png", &[COARSE]).ok();
    let hit = house.generate("horse.png", &[COARSE]).ok();
    let ttl = hit.cache_status().strip_prefix("meshmemo; hit; ttl=").unwrap();
    let seconds: u64 = ttl.strip_suffix("; detail=memory").unwrap().parse().unwrap();
    assert!((3000..=3600).contains(&seconds), "{seconds}");
}

#[test]
fn the_label_and_defaults_that_are_written_out_are_not_in_the_key() {
    let house = House::start();
    let plain = house.generate("horse.png", &[COARSE]).ok();
    let same: [&[(&str, &str)]; 4] = [
        &[COARSE, ("label", "another name")],
        &[COARSE, ("width_mm", "100"), ("height_mm", "100.0"), ("depth_mm", "2e1")],
        &[COARSE, ("format", "glb")],
        &[("seed", ""), ("quality", " 1 ")],
    ];
    for fields in same {
        let answer = house.generate("horse.png", fields).ok();
        assert_eq!((answer.key(), answer.cache_status()), (plain.key(), HIT), "{fields:?}");
    }
    let named = house.generate("horse.png", &[COARSE, ("label", "blue cup.png")]).ok();
    assert_eq!(named.header("content-disposition"), "attachment; filename=\"blue cup.glb\"");
}

#[test]
fn whatever_changes_the_result_is_in_the_key() {
    let house = House::start();
    let different: [&[(&str, &str)]; 5] = [
        &[COARSE],
        &[COARSE, ("seed", "0")],
        &[COARSE, ("depth_mm", "20.5")],
        &[COARSE, ("format", "stl")],
        &[("quality", "2")],
    ];
    let mut keys: Vec<_> =
        different.map(|fields| house.generate("horse.png", fields).ok().key().to_owned()).into();
    keys.push(house.generate("chelsea.png", &[COARSE]).ok().key().to_owned());
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 6);
}

#[test]
fn the_model_id_is_in_the_key() {
    let key = |house: House| house.generate("horse.png", &[COARSE]).ok().key().to_owned();
    let other = key(House::with(&["--model-id", "relief-2"]));
    assert_ne!(key(House::start()), other);
}

#[test]
fn no_cache_generates_anew_and_replaces() {
    let house = House::start();
    with_cache_control(&house, "horse.png", "no-cache").ok();
    let fresh = with_cache_control(&house, "horse.png", "max-age=0, No-Cache").ok();
    assert!(fresh.cache_status().starts_with("meshmemo; fwd="), "{}", fresh.cache_status());
    assert!(fresh.cache_status().ends_with("; stored"), "{}", fresh.cache_status());
    assert_eq!(house.generate("horse.png", &[COARSE]).ok().cache_status(), HIT);
    assert_eq!(house.counts(["generations", "current_items", "evictions"]), [2, 1, 0]);
}

#[test]
fn no_store_keeps_nothing_and_takes_nothing() {
    let house = House::start();
    let unkept = with_cache_control(&house, "horse.png", "no-store").ok();
    assert_eq!(unkept.cache_status(), "meshmemo; fwd=bypass");
    assert_eq!(house.counts(["generations", "bypasses", "current_items"]), [1, 1, 0]);
    assert_eq!(house.generate("horse.png", &[COARSE]).ok().cache_status(), MISS);
    with_cache_control(&house, "horse.png", "no-store").ok();
    assert_eq!(house.counts(["generations", "bypasses", "misses", "hits"]), [3, 2, 1, 0]);
}

#[test]
fn only_if_cached_generates_nothing() {
    let house = House::start();
    with_cache_control(&house, "horse.png", "only-if-cached").problem(504);
    assert_eq!(house.counts(["generations", "current_items"]), [0, 0]);
    house.generate("horse.png", &[COARSE]).ok();
    let found = with_cache_control(&house, "horse.png", "only-if-cached").ok();
    assert_eq!(found.cache_status(), HIT);
    assert_eq!(house.count("generations"), 1);
}

#[test]
fn with_the_cache_off_every_request_generates() {
    let house = House::with(&["--cache", "off"]);
    for _ in 0..2 {
        let answer = house.generate("horse.png", &[COARSE]).ok();
        assert_eq!(answer.cache_status(), "meshmemo; fwd=bypass");
    }
    let report = house.get("/api/cache/stats").ok().json();
    assert_eq!(report["cache_enabled"], false);
    let names = ["bypasses", "generations", "hits", "misses", "current_items"];
    assert_eq!(house.counts(names), [2, 2, 0, 0, 0]);
}

#[test]
fn a_model_larger_than_the_limit_is_served_and_evicts_nothing() {
    let house = House::in_memory(&["--max-memory", "200KiB"]);
    house.generate("horse.png", &[COARSE]).ok();
    let large = house.generate("astronaut.png", &[COARSE]).ok();
    assert_eq!(large.cache_status(), "meshmemo; fwd=uri-miss");
    assert_eq!(house.counts(["current_items", "evictions", "unstored"]), [1, 0, 1]);
    let again = send(house.request(Method::GET, &large.model_path()));
    again.problem(404);
}
