//! The management calls: their shapes, and what they change.

use std::thread;

use reqwest::Method;
use serde_json::{Value, json};

use crate::answer::send;
use crate::house::{House, PHOTOS};

/// A server with a coarse model of each photo, the first photo the least recently used.
fn furnished() -> House {
    let house = House::start();
    house.furnish();
    house
}

fn listing(house: &House, query: &str) -> Value {
    house.get(&format!("/api/cache/entries{query}")).ok().json()
}

fn labels(listing: &Value) -> Vec<String> {
    let entries = listing["entries"].as_array().unwrap().iter();
    entries.map(|entry| entry["label"].as_str().unwrap().to_owned()).collect()
}

fn assert_numbers(object: &Value, names: &[&str]) {
    for name in names {
        assert!(object[name].is_number(), "`{name}` is {}", object[name]);
    }
}

#[test]
fn the_stats_have_every_field() {
    let house = furnished();
    let report = house.get("/api/cache/stats").ok().json();
    assert_eq!((&report["status"], &report["cache_enabled"]), (&json!("success"), &json!(true)));
    assert!(report["node"].is_string() && report["timestamp"].is_f64());
    let counts = "hits misses coalesced bypasses hit_rate_percent evictions evictions_by_count \
        evictions_by_size expirations current_items current_memory_mb max_items max_memory_mb \
        memory_utilization_percent max_memory_seen_mb generations derivations generation_seconds \
        seconds_saved";
    assert_numbers(&report["stats"], &counts.split_whitespace().collect::<Vec<_>>());
    for tier in ["memory", "disk"] {
        let names = "hits misses errors corrupt refused items size_mb max_mb evictions expirations";
        let names: Vec<_> = names.split_whitespace().collect();
        assert_numbers(&report["stats"]["tiers"][tier], &names);
    }
    assert_eq!(report["stats"]["max_items"], 1000);
    assert_eq!(report["stats"]["max_memory_mb"], 512.0);
    assert!(report["stats"]["generation_seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn the_config_has_what_holds() {
    let house = House::with(&["--max-entries", "7", "--max-memory", "1.5MiB", "--ttl", "90s"]);
    let config = house.get("/api/cache/config").ok().json()["config"].take();
    assert_eq!((&config["max_size"], &config["max_memory_mb"]), (&json!(7), &json!(1.5)));
    assert_eq!((&config["default_ttl_seconds"], &config["policy"]), (&json!(90.0), &json!("lru")));
    let none = House::start().get("/api/cache/config").ok().json();
    assert!(none["config"]["default_ttl_seconds"].is_null());
}

#[test]
fn a_change_holds_before_its_answer() {
    let house = furnished();
    let change = json!({ "max_size": 2, "max_memory_mb": 64.5, "default_ttl_seconds": 60 });
    let answer = house.post("/api/cache/config", &change).ok().json();
    assert_eq!(answer["status"], "success");
    assert!(answer["message"].is_string());
    assert_eq!(answer["config"], house.get("/api/cache/config").ok().json()["config"]);
    assert_eq!(answer["config"]["max_memory_mb"], 64.5);
    assert_eq!(answer["config"]["default_ttl_seconds"], 60.0);
    assert_eq!(house.counts(["current_items", "evictions_by_count"]), [2, 3]);
    let answer = house.post("/api/cache/config", &json!({ "default_ttl_seconds": null })).ok();
    assert!(answer.json()["config"]["default_ttl_seconds"].is_null());
}

#[test]
fn a_change_that_is_not_all_valid_changes_nothing() {
    let house = furnished();
    let before = house.get("/api/cache/config").ok().json();
    for (change, name) in [
        (json!({ "max_size": 0 }), "max_size"),
        (json!({ "max_size": 1.5 }), "max_size"),
        (json!({ "max_size": null }), "max_size"),
        (json!({ "max_size": "5" }), "max_size"),
        (json!({ "max_memory_mb": -1, "max_size": 1 }), "max_memory_mb"),
        (json!({ "max_memory_mb": true, "max_size": 1 }), "max_memory_mb"),
        (json!({ "default_ttl_seconds": 0, "max_size": 1 }), "default_ttl_seconds"),
        (json!({ "default_ttl_seconds": 1e300 }), "default_ttl_seconds"),
        (json!({ "max_sise": 1, "max_size": 1 }), "max_sise"),
    ] {
        let detail = house.post("/api/cache/config", &change).problem(400);
        assert!(detail.contains(&format!("`{name}`")), "{detail}");
    }
    assert_eq!(house.get("/api/cache/config").ok().json(), before);
    assert_eq!(house.counts(["current_items", "evictions"]), [5, 0]);
}

#[test]
fn a_change_without_a_change_is_400() {
    let house = House::start();
    for body in ["", " ", "{}", "[]", "null", "{", "5"] {
        let request = house.request(Method::POST, "/api/cache/config").body(body);
        send(request.header("content-type", "application/json")).problem(400);
    }
}

/// The body's own rejection was plain text.
#[test]
fn a_management_body_that_is_too_large_is_a_problem_too() {
    let house = House::start();
    let body = "x".repeat(100 << 10);
    send(house.request(Method::POST, "/api/cache/config").body(body)).problem(413);
}

#[test]
fn clear_removes_all_and_counters_stay() {
    let house = furnished();
    let bytes: u64 = PHOTOS.iter().map(|photo| house.coarse(photo, 0).body.len() as u64).sum();
    let answer =
        house.post("/api/cache/clear", &json!({ "tiers": ["memory", "disk"] })).ok().json();
    assert_eq!((&answer["status"], &answer["removed"]), (&json!("success"), &json!(5)));
    assert_eq!(answer["bytes"], bytes);
    assert!(answer["message"].is_string());
    let names = ["current_items", "evictions", "hits", "misses", "generations"];
    assert_eq!(house.counts(names), [0, 0, 5, 5, 5]);
    assert_eq!(house.stats()["current_memory_mb"], 0.0);
    let empty = send(house.request(Method::POST, "/api/cache/clear")).ok().json();
    assert_eq!((&empty["removed"], &empty["bytes"]), (&json!(0), &json!(0)));
}

#[test]
fn a_clear_that_is_not_understood_removes_nothing() {
    let house = furnished();
    for body in [
        json!({ "tiers": ["attic"] }),
        json!({ "tiers": [] }),
        json!({ "tiers": "memory" }),
        json!({ "tier": ["memory"] }),
        json!(["memory"]),
    ] {
        house.post("/api/cache/clear", &body).problem(400);
    }
    assert_eq!(house.count("current_items"), 5);
}

#[test]
fn a_generation_that_runs_while_all_is_cleared_does_not_come_back() {
    let house = House::start();
    let fine = [("quality", "10")];
    let answer = thread::scope(|scope| {
        let asked = scope.spawn(|| house.generate("astronaut.png", &fine));
        house.wait_until(|house| house.working_and_queued().0 == 1);
        house.post("/api/cache/clear", &json!({})).ok();
        asked.join().unwrap()
    });
    assert_eq!(answer.ok().cache_status(), "meshmemo; fwd=uri-miss");
    assert_eq!(house.counts(["current_items", "generations"]), [0, 1]);
    let again = send(house.ask("astronaut.png", &fine).header("cache-control", "only-if-cached"));
    again.problem(504);
}

#[test]
fn an_entry_has_every_field() {
    let house = House::with(&["--ttl", "1h"]);
    let made = house.coarse("rocket.jpg", 0);
    house.coarse("rocket.jpg", 0);
    let list = listing(&house, "");
    assert_eq!((&list["total"], &list["next_cursor"]), (&json!(1), &Value::Null));
    assert!(list["timestamp"].is_f64());
    let entry = &list["entries"][0];
    let numbers = ["timestamp", "age_seconds", "expires_at", "cost_seconds"];
    assert_numbers(entry, &numbers);
    let [created, age, expires, cost] = numbers.map(|name| entry[name].as_f64().unwrap());
    assert!((expires - created - 3600.0).abs() < 0.001 && age >= 0.0 && cost > 0.0, "{entry}");
    assert_eq!(entry["key"], made.key());
    assert_eq!(entry["size_mb"].as_f64(), Some(made.size_mb()));
    assert_eq!(entry["access_count"], 1);
    assert_eq!((&entry["expired"], &entry["durable"]), (&json!(false), &json!(true)));
    assert_eq!((&entry["label"], &entry["tier"]), (&json!("rocket.jpg"), &json!("memory")));
    assert_eq!(entry["media_type"], "model/gltf-binary");
    assert_eq!(entry["model_url"], made.model_path());
    let one = house.get(&format!("/api/cache/entries/{}", made.key())).ok().json();
    assert_eq!((&one["key"], &one["access_count"]), (&entry["key"], &json!(1)));
}

#[test]
fn entries_are_sorted_as_asked() {
    let house = furnished();
    for photo in ["coffee.png", "coffee.png", "horse.png"] {
        house.coarse(photo, 0);
    }
    let sorted = |sort| labels(&listing(&house, &format!("?sort={sort}")));
    let recent = ["horse.png", "coffee.png", "rocket.jpg", "chelsea.png", "astronaut.png"];
    assert_eq!(sorted("recent"), recent);
    assert_eq!(labels(&listing(&house, "")), recent);
    assert_eq!(sorted("hits")[..2], ["coffee.png", "horse.png"]);
    assert_eq!(sorted("age"), PHOTOS);
    for (sort, field) in [("size", "size_mb"), ("cost", "cost_seconds")] {
        let list = listing(&house, &format!("?sort={sort}"));
        let entries = list["entries"].as_array().unwrap().iter();
        let values: Vec<_> = entries.map(|entry| entry[field].as_f64().unwrap()).collect();
        assert!(values.len() == 5 && values.is_sorted_by(|a, b| a >= b), "{sort}: {values:?}");
    }
}

#[test]
fn entries_are_searched_by_label_and_key() {
    let house = furnished();
    let key = house.coarse("horse.png", 0).key().to_owned();
    assert_eq!(labels(&listing(&house, "?q=HORSE")), ["horse.png"]);
    assert_eq!(labels(&listing(&house, &format!("?q={}", &key[10..40]))), ["horse.png"]);
    let photos = listing(&house, "?q=.png&limit=1");
    assert_eq!((&photos["total"], labels(&photos).len()), (&json!(4), 1));
    assert_eq!(listing(&house, "?q=nothing-like-it")["total"], 0);
}

#[test]
fn pages_follow_one_another_to_the_end() {
    let house = furnished();
    let mut seen = Vec::new();
    let mut page = listing(&house, "?limit=2&sort=age");
    while let Some(cursor) = page["next_cursor"].as_str() {
        assert_eq!((labels(&page).len(), &page["total"]), (2, &json!(5)));
        seen.extend(labels(&page));
        page = listing(&house, &format!("?limit=2&sort=age&cursor={cursor}"));
    }
    seen.extend(labels(&page));
    assert_eq!(seen, PHOTOS);
}

#[test]
fn a_listing_that_is_not_understood_is_400() {
    let house = House::start();
    for query in [
        "limit=0",
        "limit=1001",
        "limit=many",
        "limit=-1",
        "cursor=nowhere",
        "cursor=99999999999999999999999",
        "sort=colour",
        "page=2",
    ] {
        house.get(&format!("/api/cache/entries?{query}")).problem(400);
    }
}

#[test]
fn one_entry_is_removed_and_the_others_stay() {
    let house = furnished();
    let made = house.coarse("horse.png", 0);
    let path = format!("/api/cache/entries/{}", made.key());
    let answer = house.delete(&path).ok().json();
    assert_eq!((&answer["status"], &answer["removed"]), (&json!("success"), &json!(1)));
    assert_eq!(answer["bytes"], made.body.len());
    assert_eq!(house.counts(["current_items", "evictions"]), [4, 0]);
    house.get(&path).problem(404);
    house.delete(&path).problem(404);
    house.get(&made.model_path()).problem(404);
    assert_eq!(house.coarse("horse.png", 0).cache_status(), "meshmemo; fwd=uri-miss; stored");
}

#[test]
fn what_is_no_key_is_400() {
    let house = furnished();
    for key in ["x", &"0".repeat(63), &"g".repeat(64)] {
        house.get(&format!("/api/cache/entries/{key}")).problem(400);
        house.delete(&format!("/api/cache/entries/{key}")).problem(400);
    }
    assert_eq!(house.count("current_items"), 5);
}
