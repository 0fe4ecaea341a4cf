//! Each way to see another namespace's entry, tried with a key of one's own.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use crate::answer::{Answer, send};
use crate::guarded::Guarded;

/// A server with an entry of the namespace `theirs`, which `own` knows everything about.
struct Neighbours {
    server: Guarded,
    own: String,
    theirs: String,
    operator: String,
    secret: Answer,
}

fn neighbours() -> Neighbours {
    let roles = ["own --role generate", "theirs --role generate", "operator --role admin"];
    let (server, [own, theirs, operator]) = Guarded::with(roles, &[]);
    let secret = server.coarse(&theirs, "coffee.png");
    Neighbours { server, own, theirs, operator, secret }
}

#[test]
fn the_same_photo_is_another_entry_and_no_hit() {
    let it = neighbours();
    let only = it.server.ask(&it.own, "coffee.png").header("cache-control", "only-if-cached");
    send(only).problem(504);
    let made = it.server.coarse(&it.own, "coffee.png");
    assert_eq!(made.cache_status(), "meshmemo; fwd=uri-miss; stored");
    assert_ne!(made.key(), it.secret.key());
    assert_eq!(it.server.stats(&it.operator)["generations"], 2);
}

#[test]
fn neither_key_nor_digest_nor_validators_nor_ranges_find_it() {
    let it = neighbours();
    let etag = it.secret.header("etag").to_owned();
    let entry = format!("/api/cache/entries/{}", it.secret.key());
    let absent = format!("/api/cache/entries/{}", "0".repeat(64));
    let (found, missing) = (it.server.get(&it.own, &entry), it.server.get(&it.own, &absent));
    let missing = missing.problem(404).replace(&"0".repeat(64), it.secret.key());
    assert_eq!(found.problem(404), missing, "it is answered as what is not there");
    let model = it.secret.model_path();
    for method in [Method::GET, Method::HEAD] {
        for (name, value) in [
            ("accept", "*/*"),
            ("if-none-match", etag.as_str()),
            ("if-none-match", "*"),
            ("if-match", etag.as_str()),
            ("if-range", etag.as_str()),
            ("range", "bytes=0-0"),
        ] {
            let request = it.server.request(&it.own, method.clone(), &model).header(name, value);
            let answer = send(request);
            assert_eq!(answer.status, 404, "{method} {name}: {value}");
            let told = ["etag", "content-range", "accept-ranges"];
            assert!(
                told.iter().all(|it| !answer.headers.contains_key(*it)),
                "{:?}",
                answer.headers
            );
        }
    }
    assert_eq!(it.server.get(&it.theirs, &model).ok().body, it.secret.body);
}

#[test]
fn it_is_in_no_listing_and_no_statistic() {
    let it = neighbours();
    for query in ["", "?q=coffee", "?sort=size", &format!("?q={}", it.secret.key())] {
        let listed = it.server.get(&it.own, &format!("/api/cache/entries{query}")).ok().json();
        assert_eq!(listed["entries"], json!([]), "{query}");
        assert_eq!((&listed["total"], listed.get("namespaces")), (&json!(0), None));
    }
    it.server.get(&it.own, "/api/cache/entries?namespace=theirs").problem(403);
    let stats = it.server.stats(&it.own);
    for name in ["hits", "misses", "generations", "current_items", "evictions", "unstored"] {
        assert_eq!(stats[name], 0, "{name}");
    }
    assert_eq!(stats["max_memory_seen_mb"], 0.0);
    assert_eq!(stats["tiers"]["disk"]["items"], 0);
    assert_eq!((stats.get("namespaces"), stats["tiers"]["disk"].get("misses")), (None, None));
    let health = it.server.get(&it.own, "/api/health").ok().json();
    assert_eq!((health["backend"].get("working"), health.get("reasons")), (None, None));
}

#[test]
fn the_operator_sees_everybodys_by_namespace() {
    let it = neighbours();
    it.server.coarse(&it.own, "horse.png");
    let listed = it.server.get(&it.operator, "/api/cache/entries").ok().json();
    assert_eq!(listed["total"], 2);
    for namespace in ["own", "theirs"] {
        assert_eq!(listed["namespaces"][namespace]["entries"], 1, "{listed}");
        let path = format!("/api/cache/entries?namespace={namespace}");
        let own = it.server.get(&it.operator, &path).ok().json();
        assert_eq!(
            (&own["total"], &own["entries"][0]["namespace"]),
            (&json!(1), &json!(namespace))
        );
        let stats = it.server.stats(&it.operator);
        assert_eq!(stats["namespaces"][namespace]["misses"], 1, "{stats}");
        assert_eq!(stats["namespaces"][namespace]["disk_items"], 1, "{stats}");
    }
    assert_eq!(it.server.get(&it.operator, &it.secret.model_path()).ok().body, it.secret.body);
}

#[test]
fn neither_warming_nor_purging_by_label_is_a_way_to_it() {
    let it = neighbours();
    for (path, body) in [
        ("/api/cache/warm", json!({ "keys": [it.secret.key()] })),
        ("/api/cache/purge", json!({ "label_prefix": "coffee", "dry_run": true })),
        ("/api/cache/purge", json!({ "namespace": "theirs" })),
        ("/api/cache/clear", json!({})),
    ] {
        it.server.post(&it.own, path, &body).problem(403);
    }
    assert_eq!(it.server.stats(&it.theirs)["current_items"], 1);
    let purged = it.server.post(&it.operator, "/api/cache/purge", &json!({ "namespace": "own" }));
    assert_eq!(purged.ok().json()["removed"], 0);
    let purged =
        it.server.post(&it.operator, "/api/cache/purge", &json!({ "namespace": "theirs" }));
    assert_eq!(purged.ok().json()["removed"], 1);
}

#[test]
fn keys_of_one_namespace_share_what_they_have() {
    let keys = ["one --role generate --namespace team", "other --role read --namespace team"];
    let (server, [one, other]) = Guarded::with(keys, &[]);
    let made = server.coarse(&one, "coffee.png");
    assert_eq!(server.get(&other, &made.model_path()).ok().body, made.body);
    assert_eq!(server.stats(&other)["misses"], 1);
}

#[test]
fn a_model_may_be_kept_by_its_owner_alone() {
    let it = neighbours();
    let fetched = it.server.get(&it.theirs, &it.secret.model_path()).ok();
    assert_eq!(fetched.header("cache-control"), "private, max-age=31536000, immutable");
    for name in ["X-Meshmemo-Api-Key", "Authorization", "Cookie"] {
        assert!(fetched.header("vary").contains(name), "{:?}", fetched.headers);
    }
}

/// How often a look-up of either kind is timed, and how often where the difference is large.
const ROUNDS: usize = 400;
const FEW_ROUNDS: usize = 40;

/// The probability that a look-up of one kind takes longer than one of another: one half, if nothing
/// can be told from the time. It depends on no speed, and on noise only that both kinds share.
fn longer(times: &[Duration], others: &[Duration]) -> f64 {
    let mut wins = 0_u32;
    for time in times {
        wins += u32::try_from(others.iter().filter(|other| time > *other).count()).unwrap();
    }
    let pairs = u32::try_from(times.len() * others.len()).unwrap();
    f64::from(wins) / f64::from(pairs)
}

/// Times look-ups of both kinds in turns, so that whatever else goes on concerns both.
fn race(it: &Neighbours, rounds: usize, one: &str, other: &str) -> f64 {
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..2 * rounds {
        let path = if round % 2 == 0 { one } else { other };
        #[expect(clippy::disallowed_methods, reason = "time is what may tell")]
        let begun = Instant::now();
        it.server.get(&it.own, path);
        times[round % 2].push(begun.elapsed());
    }
    longer(&times[0], &times[1])
}

#[test]
fn the_time_of_a_look_up_tells_nothing_of_others_entries() {
    let it = neighbours();
    let zeros = "0".repeat(64);
    let theirs = it.secret.model_path();
    let nobodys = format!("/api/models/{zeros}.glb");
    let told = race(&it, ROUNDS, &theirs, &nobodys);
    assert!((0.4..0.6).contains(&told), "a foreign digest takes longer with probability {told}");
    let their_entry = format!("/api/cache/entries/{}", it.secret.key());
    let told = race(&it, ROUNDS, &their_entry, &format!("/api/cache/entries/{zeros}"));
    assert!((0.4..0.6).contains(&told), "a foreign key takes longer with probability {told}");
    // What the test could tell, if there were anything.
    let fine = it.server.house.ask("coffee.png", &[]).header("x-meshmemo-api-key", &it.own);
    let own = send(fine).ok().model_path();
    let told = race(&it, FEW_ROUNDS, &own, &nobodys);
    assert!(told > 0.9, "one's own model takes longer with probability {told}");
}
