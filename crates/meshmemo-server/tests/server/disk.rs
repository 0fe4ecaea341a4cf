//! The disk tier through the running server: what was generated once is there after a restart.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};

use crate::answer::send;
use crate::house::{House, PHOTOS};

const HIT: &str = "meshmemo; hit; detail=memory";
const DISK_HIT: &str = "meshmemo; hit; detail=disk";
const STORED: &str = "meshmemo; fwd=uri-miss; stored";

fn flip_a_bit(path: &Path, at: u64) {
    let byte = fs::read(path).unwrap()[usize::try_from(at).unwrap()];
    let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(&[byte ^ 1]).unwrap();
}

#[test]
fn models_survive_a_restart_and_a_crash() {
    let mut house = House::with(&["--warm", "off"]);
    let made: Vec<_> = PHOTOS.iter().map(|photo| house.coarse(photo, 0)).collect();
    for crash in [false, true] {
        if crash {
            house.kill();
        } else {
            house.end();
        }
        house = House::in_dir(&house.dir(), &["--warm", "off"]);
        for (photo, made) in PHOTOS.iter().zip(&made) {
            let again = house.coarse(photo, 0);
            assert_eq!(again.cache_status(), DISK_HIT, "{photo}");
            assert!(again.body == made.body, "{photo}");
            for header in ["etag", "content-type", "link", "x-meshmemo-cache-key"] {
                assert_eq!(again.header(header), made.header(header), "{photo}: {header}");
            }
            assert_eq!(house.coarse(photo, 0).cache_status(), HIT, "a disk hit fills memory");
        }
        assert_eq!(house.counts(["generations", "hits", "misses"]), [0, 10, 0]);
    }
}

#[test]
fn an_eviction_from_memory_costs_no_generation() {
    let house = House::with(&["--max-entries", "1"]);
    house.furnish();
    for photo in PHOTOS {
        let status = house.coarse(photo, 0).cache_status().to_owned();
        assert!(status == DISK_HIT || status == HIT, "{photo}: {status}");
    }
    assert_eq!(house.count("generations"), 5);
}

#[test]
fn a_restart_warms_memory_with_as_much_as_was_asked_for() {
    let mut house = House::start();
    house.furnish();
    house.end();
    house = House::in_dir(&house.dir(), &["--warm", "2"]);
    house.wait_until(|house| house.count("current_items") == 2);
    let statuses = PHOTOS.map(|photo| house.coarse(photo, 0).cache_status().to_owned());
    assert_eq!(statuses.iter().filter(|status| *status == HIT).count(), 2, "{statuses:?}");
    assert_eq!(house.count("generations"), 0);
    let dir = house.dir();
    house.end();
    let house = House::in_dir(&dir, &["--warm", "off"]);
    assert_eq!(house.count("current_items"), 0);
}

#[test]
fn a_model_larger_than_memory_is_kept_on_disk_and_streamed_from_there() {
    let house = House::with(&["--max-memory", "200KiB"]);
    let fine = house.generate("astronaut.png", &[("quality", "8")]).ok();
    assert!(fine.body.len() > 8 << 20, "it takes several pieces: {}", fine.body.len());
    assert_eq!(fine.cache_status(), STORED);
    let again = house.generate("astronaut.png", &[("quality", "8")]).ok();
    assert_eq!(again.cache_status(), DISK_HIT);
    assert!(again.body == fine.body);
    assert_eq!(house.count("current_items"), 0);
    let range = house.request(Method::GET, &fine.model_path());
    let part = send(range.header("range", "bytes=9000000-9000999"));
    assert_eq!(part.status, 206);
    assert!(part.body == fine.body[9_000_000..9_001_000]);
    let stl = house.generate("astronaut.png", &[("quality", "8"), ("format", "stl")]).ok();
    assert_eq!(stl.cache_status(), "meshmemo; hit; detail=derived");
}

#[test]
fn a_corrupt_model_is_made_again_and_put_aside() {
    let house = House::start();
    let made = house.coarse("horse.png", 0);
    house.forget_memory();
    flip_a_bit(&house.files()[0], 5_000);
    let again = house.coarse("horse.png", 0);
    assert_eq!(again.cache_status(), STORED);
    assert!(again.body == made.body);
    let disk = house.stats()["tiers"]["disk"].take();
    assert_eq!((&disk["corrupt"], &disk["items"]), (&json!(1), &json!(1)));
    assert_eq!(fs::read_dir(house.data_dir().join("quarantine")).unwrap().count(), 1);
    house.forget_memory();
    assert_eq!(house.coarse("horse.png", 0).cache_status(), DISK_HIT);
}

/// A body whose first bytes are corrupt was promised with a 200, and then cut off.
#[test]
fn a_model_that_is_corrupt_is_not_promised_by_its_url() {
    let house = House::with(&["--max-memory", "1KiB"]);
    let made = house.coarse("horse.png", 0);
    flip_a_bit(&house.files()[0], 5_000);
    house.get(&made.model_path()).problem(404);
    let again = house.coarse("horse.png", 0);
    assert_eq!(again.cache_status(), STORED);
    assert!(house.get(&made.model_path()).ok().body == made.body);
}

#[test]
fn what_was_removed_stays_removed_after_a_crash() {
    let mut house = House::with(&["--warm", "off"]);
    house.furnish();
    let key = house.coarse("horse.png", 0).key().to_owned();
    house.delete(&format!("/api/cache/entries/{key}")).ok();
    let purge = json!({ "label_prefix": "cof" });
    assert_eq!(house.post("/api/cache/purge", &purge).ok().json()["removed"], 1);
    house.kill();
    house = House::in_dir(&house.dir(), &["--warm", "off"]);
    for (photo, status) in
        [("horse.png", STORED), ("coffee.png", STORED), ("chelsea.png", DISK_HIT)]
    {
        assert_eq!(house.coarse(photo, 0).cache_status(), status, "{photo}");
    }
    assert_eq!(house.post("/api/cache/clear", &json!({})).ok().json()["removed"], 5);
    house.kill();
    house = House::in_dir(&house.dir(), &["--warm", "off"]);
    assert_eq!(house.coarse("chelsea.png", 0).cache_status(), STORED);
    house.wait_until(|house| house.files().len() == 1);
}

#[test]
fn a_time_to_live_goes_on_over_a_restart() {
    let mut house = House::with(&["--ttl", "1h"]);
    house.coarse("horse.png", 0);
    house.kill();
    house = House::in_dir(&house.dir(), &["--ttl", "2h", "--warm", "off"]);
    let hit = house.coarse("horse.png", 0);
    let ttl = hit.cache_status().strip_prefix("meshmemo; hit; ttl=").unwrap();
    let ttl: u64 = ttl.strip_suffix("; detail=disk").unwrap().parse().unwrap();
    assert!((3_500..=3_600).contains(&ttl), "it is that of its generation: {ttl}");
}

#[test]
fn a_model_that_the_disk_does_not_take_is_served_and_does_not_say_stored() {
    let house = House::with(&["--disk-max", "1MiB"]);
    let large = house.generate("astronaut.png", &[("quality", "5")]).ok();
    assert_eq!(large.cache_status(), "meshmemo; fwd=uri-miss");
    assert_eq!(house.counts(["unstored", "current_items"]), [1, 1]);
    assert_eq!(house.stats()["tiers"]["disk"]["refused"], 1);
    let entry = house.get("/api/cache/entries").ok().json()["entries"][0].take();
    assert_eq!((&entry["tier"], &entry["durable"]), (&json!("memory"), &json!(false)));
    assert_eq!(house.generate("astronaut.png", &[("quality", "5")]).cache_status(), HIT);
}

#[test]
fn the_budget_of_the_disk_is_changed_while_it_runs() {
    let house = House::start();
    house.furnish();
    let used = |house: &House| house.stats()["tiers"]["disk"]["size_mb"].as_f64().unwrap();
    let half = used(&house) / 2.0;
    let answer = house.post("/api/cache/config", &json!({ "disk_max_mb": half })).ok().json();
    assert_eq!(answer["config"]["disk_max_mb"], half);
    assert!(used(&house) <= half);
    let left = house.files().len();
    assert!((1..5).contains(&left), "{left} of five are left");
    house.post("/api/cache/config", &json!({ "disk_max_mb": 0 })).problem(400);
    let memory_only = House::in_memory(&[]);
    let detail = memory_only.post("/api/cache/config", &json!({ "disk_max_mb": 5 })).problem(400);
    assert!(detail.contains("`disk_max_mb`"), "{detail}");
    assert!(memory_only.get("/api/cache/config").ok().json()["config"]["disk_max_mb"].is_null());
}

fn health(house: &House) -> Value {
    house.get("/api/health").ok().json()
}

#[test]
fn a_disk_that_goes_away_degrades_the_server_and_comes_back_by_itself() {
    let house = House::start();
    house.coarse("horse.png", 0);
    fs::remove_dir_all(house.data_dir()).unwrap();
    fs::write(house.data_dir(), "a file is in its way").unwrap();
    house.wait_until(|house| health(house)["tiers"]["disk"] == "down");
    let degraded = health(&house);
    assert_eq!(degraded["status"], "degraded");
    let reason = degraded["reasons"]["disk"].as_str().unwrap();
    assert!(reason.starts_with("not-a-directory: "), "{reason}");
    house.get("/api/ready").ok();
    assert_eq!(house.coarse("horse.png", 0).cache_status(), HIT, "memory goes on");
    let unstored = house.coarse("horse.png", 1);
    assert_eq!(unstored.cache_status(), "meshmemo; fwd=uri-miss");
    let metrics = house.get("/metrics").ok().body;
    let series = r#"meshmemo_tier_health{tier="disk",state="down",reason="not-a-directory"} 1"#;
    assert!(String::from_utf8_lossy(&metrics).contains(series));
    fs::remove_file(house.data_dir()).unwrap();
    house.wait_until(|house| health(house)["tiers"]["disk"] == "ok");
    assert_eq!(house.coarse("horse.png", 2).cache_status(), STORED);
}

#[test]
fn a_file_that_may_not_grow_is_told_and_costs_no_answer() {
    let house = House::start();
    let script = format!("prlimit --pid {} --fsize=65536", house_pid(&house));
    assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
    let answer = house.coarse("horse.png", 0);
    assert_eq!(answer.cache_status(), "meshmemo; fwd=uri-miss");
    assert_eq!(health(&house)["tiers"]["disk"], "degraded");
    assert!(health(&house)["reasons"]["disk"].as_str().unwrap().starts_with("file-too-large: "));
    assert!(house.files().is_empty());
    assert_eq!(house.coarse("horse.png", 0).cache_status(), HIT);
}

fn house_pid(house: &House) -> u32 {
    let lock = fs::read_to_string(house.data_dir().join("LOCK")).unwrap();
    let pid = lock.lines().find_map(|line| line.strip_prefix("pid=")).unwrap();
    pid.parse().unwrap()
}

#[test]
fn warming_on_request_brings_entries_into_memory() {
    let house = House::start();
    house.furnish();
    let keys: Vec<_> = PHOTOS.iter().map(|photo| house.coarse(photo, 0).key().to_owned()).collect();
    house.forget_memory();
    let report = house.post("/api/cache/warm", &json!({ "top": 2 })).ok().json();
    assert_eq!((&report["loaded"], &report["skipped"]), (&json!(2), &json!(0)));
    assert!(report["bytes"].as_u64().unwrap() > 100_000);
    assert_eq!(house.count("current_items"), 2);
    let report = house.post("/api/cache/warm", &json!({ "keys": keys })).ok().json();
    assert_eq!((&report["loaded"], &report["skipped"]), (&json!(3), &json!(2)));
    assert_eq!(house.counts(["current_items", "generations", "hits"]), [5, 5, 5]);
    for wrong in [
        json!({}),
        json!({ "top": 0 }),
        json!({ "top": "all" }),
        json!({ "keys": [] }),
        json!({ "keys": ["short"] }),
        json!({ "top": 1, "keys": keys }),
        json!({ "bottom": 1 }),
    ] {
        house.post("/api/cache/warm", &wrong).problem(400);
    }
}

#[test]
fn a_purge_removes_what_meets_all_its_conditions() {
    let house = House::start();
    house.furnish();
    let dry = json!({ "label_prefix": "c", "dry_run": true });
    let report = house.post("/api/cache/purge", &dry).ok().json();
    assert_eq!((&report["matched"], &report["removed"]), (&json!(2), &json!(0)));
    let none = json!({ "label_prefix": "c", "older_than_seconds": 3600 });
    assert_eq!(house.post("/api/cache/purge", &none).ok().json()["matched"], 0);
    let other = json!({ "model_id": "another" });
    assert_eq!(house.post("/api/cache/purge", &other).ok().json()["removed"], 0);
    let old = json!({ "older_than_seconds": 0, "label_prefix": "c", "model_id": "relief" });
    let report = house.post("/api/cache/purge", &old).ok().json();
    assert_eq!((&report["matched"], &report["removed"]), (&json!(2), &json!(2)));
    assert!(report["bytes"].as_u64().unwrap() > 0);
    assert_eq!((house.count("current_items"), house.files().len()), (3, 3));
    for wrong in [
        json!({}),
        json!({ "dry_run": true }),
        json!({ "older_than_seconds": -1 }),
        json!({ "model_id": "" }),
        json!({ "label_prefix": 5 }),
        json!({ "label_prefix": "c", "dry_run": "yes" }),
        json!({ "label_prefiks": "c" }),
    ] {
        house.post("/api/cache/purge", &wrong).problem(400);
    }
    assert_eq!(house.count("current_items"), 3);
}

#[test]
fn a_listing_has_what_is_on_disk_only_too() {
    let house = House::with(&["--max-entries", "2"]);
    house.furnish();
    let list = house.get("/api/cache/entries").ok().json();
    assert_eq!(list["total"], 5);
    let entries = list["entries"].as_array().unwrap();
    let tiers: Vec<_> = entries.iter().map(|entry| entry["tier"].as_str().unwrap()).collect();
    assert_eq!(tiers, ["memory", "memory", "disk", "disk", "disk"]);
    assert!(entries.iter().all(|entry| entry["durable"] == true));
    let url = entries[4]["model_url"].as_str().unwrap();
    assert!(house.get(url).ok().body.starts_with(b"glTF"));
    let key = entries[4]["key"].as_str().unwrap();
    assert_eq!(house.get(&format!("/api/cache/entries/{key}")).ok().json()["tier"], "disk");
    house.delete(&format!("/api/cache/entries/{key}")).ok();
    house.get(url).problem(404);
}
