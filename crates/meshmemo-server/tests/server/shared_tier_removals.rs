//! What one gateway removes leaves every other one, also one that was away, and does not come back.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use meshmemo_tiers::testing::{Harm, TamperingProxy};
use serde_json::{Value, json};

use crate::answer::send;
use crate::gateways::{Gateways, ask, eventually, redis_stats, within};
use crate::house::House;
use crate::stand_in::Protocol;

/// How long a removal may take to reach the other gateways.
const REACHES_MAX: Duration = Duration::from_secs(1);

/// Returns the labels of what a gateway has of its own.
fn own_entries(house: &House) -> usize {
    let stats = house.stats();
    let items = |tier: &str| stats["tiers"][tier]["items"].as_u64().unwrap();
    usize::try_from(items("memory").max(items("disk"))).unwrap()
}

fn entries(house: &House) -> Vec<Value> {
    house.get("/api/cache/entries").ok().json()["entries"].as_array().unwrap().clone()
}

/// Has two models made that both gateways have in memory and on disk.
fn furnish(gateways: &Gateways) {
    for seed in [1, 2] {
        send(gateways.ask(0, seed)).ok();
    }
    eventually("they are shared", || {
        redis_stats(&gateways.houses[0])["written_mb"].as_f64() > Some(0.0)
            && gateways.houses[0].stats()["tiers"]["disk"]["items"] == 2
    });
    for house in 1..gateways.houses.len() {
        // What was removed just before may take with it what has come since: it is brought again.
        eventually("all have it", || {
            let asked = [1, 2].map(|seed| send(gateways.ask(house, seed)).ok());
            asked.iter().all(|answer| answer.cache_status().starts_with("meshmemo; hit"))
                && gateways.houses[house].stats()["tiers"]["disk"]["items"] == 2
        });
    }
}

#[test]
fn removals_purges_and_clears_reach_memory_and_disk_of_all_within_a_second() {
    let gateways = Gateways::before(3, 1, Protocol::Generic, &[]);
    furnish(&gateways);
    let others = || gateways.houses[1..].iter();
    let key = entries(&gateways.houses[0])[0]["key"].as_str().unwrap().to_owned();
    gateways.houses[0].delete(&format!("/api/cache/entries/{key}")).ok();
    within(REACHES_MAX, "one entry", || others().all(|house| own_entries(house) == 1));
    let purge = json!({ "model_id": "model-1" });
    gateways.houses[0].post("/api/cache/purge", &purge).ok();
    within(REACHES_MAX, "a purge", || others().all(|house| own_entries(house) == 0));
    furnish(&gateways);
    gateways.houses[2].post("/api/cache/clear", &json!({})).ok();
    within(REACHES_MAX, "a clear", || gateways.houses.iter().all(|house| own_entries(house) == 0));
    assert!(gateways.houses.iter().all(|house| entries(house).is_empty()));
    assert!(gateways.houses.iter().all(|house| house.files().is_empty()));
}

#[test]
fn a_refresh_replaces_what_the_others_have() {
    let gateways = Gateways::before(2, 1, Protocol::Generic, &[]);
    furnish(&gateways);
    gateways.backends[0].padding(10_000);
    let fresh = send(gateways.ask(0, 1).header("cache-control", "no-cache")).ok();
    eventually("the other one has it", || send(gateways.ask(1, 1)).ok().body == fresh.body);
}

#[test]
fn what_is_removed_while_it_is_made_elsewhere_does_not_come_back() {
    let gateways = Gateways::before(2, 1, Protocol::Generic, &[]);
    gateways.backends[0].close_gate();
    thread::scope(|scope| {
        let making = scope.spawn(|| send(gateways.ask(0, 1)));
        gateways.backends[0].wait_until_begun(1);
        gateways.houses[1].post("/api/cache/clear", &json!({})).ok();
        gateways.backends[0].open_gate();
        making.join().unwrap().ok();
    });
    eventually("nothing is written any more", || gateways.houses[0].open_requests() == 0);
    assert!(gateways.houses.iter().all(|house| own_entries(house) == 0));
    send(gateways.ask(1, 1)).ok();
    assert_eq!(gateways.begun(), 2, "it is made anew");
}

#[test]
fn a_gateway_that_was_away_learns_what_was_removed_meanwhile() {
    let mut gateways = Gateways::before(2, 1, Protocol::Generic, &[]);
    furnish(&gateways);
    gateways.houses[1].end();
    let key = entries(&gateways.houses[0])[0]["key"].as_str().unwrap().to_owned();
    gateways.houses[0].delete(&format!("/api/cache/entries/{key}")).ok();
    let dir = gateways.houses[1].dir();
    gateways.houses[1] = gateways.one_more(&dir);
    eventually("it has learned", || own_entries(&gateways.houses[1]) == 1);
    // What is gone from the log is found by what it left behind.
    gateways.houses[1].end();
    gateways.houses[0].post("/api/cache/clear", &json!({})).ok();
    gateways.redis.command("XTRIM meshmemo:{removals}:log MAXLEN 0");
    gateways.houses[1] = gateways.one_more(&dir);
    eventually("it has learned", || own_entries(&gateways.houses[1]) == 0);
}

#[test]
fn a_key_that_left_the_log_is_found_by_its_tombstone() {
    let mut gateways = Gateways::before(2, 1, Protocol::Generic, &[]);
    furnish(&gateways);
    gateways.houses[1].end();
    let key = entries(&gateways.houses[0])[0]["key"].as_str().unwrap().to_owned();
    gateways.houses[0].delete(&format!("/api/cache/entries/{key}")).ok();
    gateways.redis.command("XTRIM meshmemo:{removals}:log MAXLEN 0");
    let dir = gateways.houses[1].dir();
    gateways.houses[1] = gateways.one_more(&dir);
    eventually("it has learned", || own_entries(&gateways.houses[1]) == 1);
    let left = entries(&gateways.houses[1]);
    assert!(left.iter().all(|entry| entry["key"] != key), "{left:?}");
}

#[test]
fn a_redis_that_begins_anew_empties_nobody_and_people_are_told() {
    let mut gateways = Gateways::before(2, 1, Protocol::Generic, &[]);
    furnish(&gateways);
    gateways.houses[0].delete(&format!("/api/cache/entries/{}", "0".repeat(64)));
    gateways.redis.restart();
    let reasons = |house: &House| house.health()["reasons"]["redis"].to_string();
    for house in &gateways.houses {
        eventually("it is told", || reasons(house).contains("removals-lost"));
        assert!(reasons(house).contains("repeat them"), "{}", reasons(house));
        assert_eq!(own_entries(house), 2);
    }
    // From then on, removals reach everybody as before.
    gateways.houses[0].post("/api/cache/clear", &json!({})).ok();
    within(REACHES_MAX, "a clear", || own_entries(&gateways.houses[1]) == 0);
}

#[test]
fn a_removal_that_redis_did_not_take_is_named_and_told_later() {
    let mut gateways = Gateways::before(2, 1, Protocol::Generic, &[]);
    furnish(&gateways);
    gateways.redis.stop();
    let answer = gateways.houses[0].post("/api/cache/clear", &json!({}));
    let told = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(
        answer.status != 200 && told.contains("other gateways are told when"),
        "{} {told}",
        answer.status
    );
    assert_eq!((own_entries(&gateways.houses[0]), own_entries(&gateways.houses[1])), (0, 2));
    gateways.redis.restart();
    eventually("it is told", || own_entries(&gateways.houses[1]) == 0);
}

#[test]
fn one_tier_is_cleared_here_alone() {
    let gateways = Gateways::before(2, 1, Protocol::Generic, &[]);
    furnish(&gateways);
    let marker = Arc::new(gateways.houses[0].log());
    gateways.houses[0].post("/api/cache/clear", &json!({ "tiers": ["memory", "disk"] })).ok();
    assert_eq!(own_entries(&gateways.houses[0]), 0, "{marker}");
    let found = send(gateways.ask(0, 1)).ok();
    assert_eq!(found.cache_status(), "meshmemo; hit; detail=redis");
    assert_eq!(own_entries(&gateways.houses[1]), 2, "others keep what they have");
}

#[test]
fn a_removal_during_a_pause_is_carried_out_in_redis_when_it_goes_on() {
    let gateways = Gateways::before(2, 1, Protocol::Generic, &[]);
    furnish(&gateways);
    gateways.redis.pause();
    let answer = gateways.houses[0].post("/api/cache/clear", &json!({}));
    assert_eq!(answer.status, 500, "{answer:?}");
    gateways.redis.resume();
    eventually("nobody has anything", || {
        let keys = gateways.redis.command("KEYS meshmemo:*:entry").unwrap_or_default();
        keys.starts_with("*0") && own_entries(&gateways.houses[1]) == 0
    });
    eventually("nothing waits any more", || gateways.houses[0].health()["tiers"]["redis"] == "ok");
}

#[test]
fn a_log_that_lost_its_count_or_has_a_strange_line_is_followed_on() {
    let gateways = Gateways::before(2, 1, Protocol::Generic, &[]);
    furnish(&gateways);
    gateways.redis.command("DEL meshmemo:{removals}:sequence");
    gateways.houses[0].post("/api/cache/clear", &json!({})).ok();
    within(REACHES_MAX, "a clear", || own_entries(&gateways.houses[1]) == 0);
    furnish(&gateways);
    gateways.redis.command("XADD meshmemo:{removals}:log * n 1000 r nonsense");
    eventually("it is passed over, and people are told", || {
        gateways.houses[1].health()["reasons"]["redis"].to_string().contains("can not be read")
    });
    gateways.houses[0].post("/api/cache/clear", &json!({})).ok();
    eventually("later ones are seen", || own_entries(&gateways.houses[1]) == 0);
}

#[test]
fn a_gateway_that_forgot_how_far_it_had_come_looks_for_what_was_removed() {
    let mut gateways = Gateways::before(2, 1, Protocol::Generic, &[]);
    furnish(&gateways);
    gateways.houses[1].end();
    gateways.houses[0].post("/api/cache/clear", &json!({})).ok();
    let dir = gateways.houses[1].dir();
    std::fs::write(gateways.houses[1].data_dir().join("removals"), b"").unwrap();
    gateways.houses[1] = gateways.one_more(&dir);
    eventually("it has learned", || own_entries(&gateways.houses[1]) == 0);
}

#[test]
fn removals_that_are_out_of_sight_are_told_of() {
    let gateways = Gateways::before(1, 1, Protocol::Generic, &[]);
    gateways.redis.command("ACL SETUSER default -xread");
    let reason = || gateways.houses[0].health()["reasons"]["redis"].to_string();
    eventually("it is told", || reason().contains("removals-unseen"));
    gateways.redis.command("ACL SETUSER default +xread");
    eventually("it is over", || gateways.houses[0].health()["tiers"]["redis"] == "ok");
}

#[test]
fn a_refresh_that_redis_does_not_take_does_not_bring_the_old_one_back() {
    let gateways = Gateways::before(2, 1, Protocol::Generic, &[]);
    furnish(&gateways);
    let old = send(gateways.ask(1, 1)).ok();
    gateways.redis.command("ACL SETUSER default -hset");
    gateways.backends[0].padding(10_000);
    send(gateways.ask(0, 1).header("cache-control", "no-cache")).ok();
    eventually("the old one is gone", || {
        gateways.redis.command("KEYS meshmemo:*:entry").unwrap_or_default().starts_with("*1")
    });
    gateways.redis.command("ACL SETUSER default +hset");
    eventually("nobody serves it", || send(gateways.ask(1, 1)).ok().body != old.body);
}

#[test]
fn what_was_removed_before_a_gateway_reached_redis_is_not_here_either() {
    let gateways = Gateways::before(1, 1, Protocol::Generic, &[]);
    let proxy = TamperingProxy::start(gateways.redis.port());
    proxy.set(Harm::CutAfter(0));
    let late = gateways.late(&proxy.url());
    send(ask(&late, 1)).ok();
    assert_eq!(own_entries(&late), 1);
    gateways.houses[0].post("/api/cache/clear", &json!({})).ok();
    proxy.set(Harm::None);
    eventually("it has learned", || own_entries(&late) == 0);
}
