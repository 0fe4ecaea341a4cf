//! What a key may use: requests, places in the queue, room.

use std::thread;

use serde_json::json;

use crate::answer::{Answer, send, send_all};
use crate::guarded::{Guarded, add_key, revoke_key};

#[test]
fn a_key_has_so_many_requests_and_is_told_how_many_are_left() {
    let (server, [few, other]) =
        Guarded::with(["few --role read --rpm 3", "other --role read"], &[]);
    for left in [2, 1, 0] {
        let answer = server.get(&few, "/api/cache/stats").ok();
        assert_eq!(answer.header("ratelimit-policy"), "\"requests\";q=3;w=60");
        assert!(answer.header("ratelimit").starts_with(&format!("\"requests\";r={left};")));
    }
    let refused = server.get(&few, "/api/cache/stats");
    assert!(refused.problem(429).contains("3 requests at once"));
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
    server.get(&few, "/api/health").ok();
    let other = server.get(&other, "/api/cache/stats").ok();
    assert!(!other.headers.contains_key("ratelimit"));
}

#[test]
fn what_is_used_up_stays_so_when_the_keys_are_read_again() {
    let (server, [few]) = Guarded::with(["few --role read --rpm 1"], &[]);
    server.get(&few, "/api/cache/stats").ok();
    let late = add_key(&server.house.dir(), "late --role read");
    server.house.wait_until(|_| server.get(&late, "/api/cache/stats").status == 200);
    server.get(&few, "/api/cache/stats").problem(429);
}

#[test]
fn a_key_takes_no_more_places_than_it_may_and_leaves_the_rest_to_others() {
    let keys = ["one --role generate --queue 1", "two --role generate", "ops --role admin"];
    let (server, [one, two, ops]) = Guarded::with(keys, &[]);
    let ask = |key: &str, seed: usize, quality: &str| {
        let fields = [("quality", quality), ("seed", &*seed.to_string())];
        server.house.ask("astronaut.png", &fields).header("x-meshmemo-api-key", key)
    };
    // The other key's generations keep the backend busy for as long as the first one's wait.
    let answers = thread::scope(|scope| {
        let busy = scope.spawn(|| send_all((0..4).map(|seed| ask(&two, seed, "10")).collect()));
        server.house.wait_until(|_| {
            let backend = &server.get(&ops, "/api/health").ok().json()["backend"];
            (backend["working"].as_u64(), backend["queued"].as_u64()) == (Some(1), Some(3))
        });
        let answers = send_all((0..6).map(|seed| ask(&one, seed, "1")).collect());
        assert!(busy.join().unwrap().iter().all(|answer| answer.status == 200));
        answers
    });
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    for refused in answers.iter().filter(|answer| answer.status != 200) {
        assert!(refused.problem(429).contains("places of the queue"));
        assert!(refused.headers.contains_key("retry-after"));
    }
    let metrics = String::from_utf8(server.get(&ops, "/metrics").ok().body.to_vec()).unwrap();
    assert!(metrics.contains("meshmemo_refusals_total{reason=\"queue\"} 5"), "{metrics}");
    // Hits take no place, and a place is given back.
    let hit = statuses.iter().position(|status| *status == 200).unwrap();
    assert!(send(ask(&one, hit, "1")).ok().cache_status().contains("hit"));
    send(ask(&one, 100, "1")).ok();
}

#[test]
fn a_namespace_stores_no_more_than_it_may_and_evicts_its_own() {
    let keys = ["small --role generate --bytes 2MiB", "other --role generate", "ops --role admin"];
    let (server, [small, other, ops]) = Guarded::with(keys, &[]);
    let ask = |key: &str, seed: usize| {
        // Not the seed: that is in the key, but not in the bytes.
        let fields = [("quality", "4"), ("depth_mm", &*(10 + seed).to_string())];
        send(server.house.ask("coffee.png", &fields).header("x-meshmemo-api-key", key)).ok()
    };
    let kept = ask(&other, 0);
    let made: Vec<_> = (1..5).map(|seed| ask(&small, seed)).collect();
    assert!(made.iter().map(Answer::size_mb).sum::<f64>() > 2.0, "they are too small");
    let stats = server.stats(&ops);
    let own = &stats["namespaces"]["small"];
    assert!(own["size_mb"].as_f64().unwrap() <= 2.0 && own["disk_mb"].as_f64().unwrap() <= 2.0);
    assert!(own["disk_items"].as_u64().unwrap() >= 1, "{own}");
    let stats = server.stats(&small);
    assert!(stats["evictions_by_size"].as_u64().unwrap() >= 1, "{stats}");
    assert_eq!(
        (&stats["max_memory_mb"], &stats["tiers"]["disk"]["max_mb"]),
        (&json!(2.0), &json!(2.0))
    );
    server.get(&small, &made[3].model_path()).ok();
    server.get(&small, &made[0].model_path()).problem(404);
    assert_eq!(
        server.get(&other, &kept.model_path()).ok().body,
        kept.body,
        "it has evicted its own"
    );
    assert_eq!(server.stats(&other)["evictions"], 0);
}

#[test]
fn a_model_beyond_the_share_is_answered_and_not_stored() {
    let (server, [tiny]) = Guarded::with(["tiny --role generate --bytes 64KiB"], &[]);
    let answer = server.coarse(&tiny, "coffee.png");
    assert!(answer.body.len() > 64 << 10);
    assert_eq!(answer.cache_status(), "meshmemo; fwd=uri-miss");
    assert_eq!(server.stats(&tiny)["unstored"], 1);
}

/// A smaller share holds as soon as the file is read again, for what is there already.
#[test]
fn a_share_that_is_lowered_holds_for_what_is_there() {
    let (server, [_small, ops]) =
        Guarded::with(["small --role generate --bytes 1GiB", "ops --role admin"], &[]);
    let small = add_key(&server.house.dir(), "more --role generate --namespace small");
    server.house.wait_until(|_| server.get(&small, "/api/cache/stats").status == 200);
    server.coarse(&small, "coffee.png");
    let dir = server.house.dir();
    revoke_key(&dir, "small");
    revoke_key(&dir, "more");
    add_key(&dir, "less --role generate --namespace small --bytes 64KiB");
    server.house.wait_until(|_| {
        let stats = server.stats(&ops);
        let own = &stats["namespaces"]["small"];
        own["items"] == 0 && own["disk_items"] == 0
    });
}

#[test]
fn to_regenerate_is_a_right_of_its_own() {
    let keys = ["plain --role generate", "free --role generate --regenerate --namespace plain"];
    let (server, [plain, free]) = Guarded::with(keys, &[]);
    let first = server.coarse(&plain, "coffee.png");
    for directive in ["no-cache", "no-store", "max-age=0, no-cache"] {
        let anew = server.ask(&plain, "coffee.png").header("cache-control", directive);
        let detail = send(anew).problem(403);
        assert!(detail.contains("plain") && detail.contains("no-cache"), "{detail}");
        let anew = server.ask(&free, "coffee.png").header("cache-control", directive);
        assert!(send(anew).ok().cache_status().contains("fwd=bypass"));
    }
    assert_eq!(server.coarse(&plain, "coffee.png").body, first.body);
    let audited = server.log().lines().filter(|line| line.contains("action=\"regenerate ")).count();
    assert_eq!(audited, 2, "{}", server.log());
}
