//! Who may ask: no page from elsewhere changes anything, and nobody from the network gets in.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::answer::{send, try_send};
use crate::house::{House, meshmemo};
use crate::picture::png;

/// Every request that changes something.
fn changes(house: &House, key: &str) -> Vec<RequestBuilder> {
    let post = |path| house.request(Method::POST, path);
    let image = BASE64_STANDARD.encode(png(8, 8, [128, 255]));
    vec![
        post("/api/generate").json(&json!({ "image": image, "quality": 1 })),
        post("/api/cache/config").json(&json!({ "max_size": 1 })),
        post("/api/cache/clear"),
        house.request(Method::DELETE, &format!("/api/cache/entries/{key}")),
    ]
}

/// A server with one entry, and that entry's key.
fn guarded() -> (House, String) {
    let house = House::start();
    let key = house.coarse("horse.png", 0).key().to_owned();
    (house, key)
}

fn assert_untouched(house: &House) {
    assert_eq!(house.counts(["current_items", "generations", "max_items"]), [1, 1, 1000]);
}

#[test]
fn a_foreign_origin_changes_nothing() {
    let (house, key) = guarded();
    for origin in ["http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:1"] {
        for change in changes(&house, &key) {
            let detail = send(change.header("origin", origin)).problem(403);
            assert!(detail.contains(origin), "{detail}");
        }
    }
    assert_untouched(&house);
}

#[test]
fn a_foreign_host_changes_nothing() {
    let (house, key) = guarded();
    let port = house.host.rsplit_once(':').unwrap().1.to_owned();
    for host in [format!("evil.example:{port}"), "127.0.0.1".to_owned(), "localhost:1".to_owned()] {
        for change in changes(&house, &key) {
            let detail = send(change.header("host", &host)).problem(403);
            assert!(detail.contains(&host), "{detail}");
        }
    }
    assert_untouched(&house);
}

#[test]
fn the_servers_own_pages_may_change_what_they_want() {
    let (house, key) = guarded();
    let own = house.url("");
    let answers = changes(&house, &key).into_iter().map(|it| send(it.header("origin", &own)));
    let statuses: Vec<_> = answers.map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 200, 200, 404], "the clear left nothing to be removed");
    assert_eq!(house.counts(["current_items", "max_items"]), [0, 1]);
}

#[test]
fn localhost_is_this_server_too() {
    let (house, _) = guarded();
    let localhost = house.host.replace("127.0.0.1", "localhost");
    let clear = house.request(Method::POST, "/api/cache/clear").header("host", &localhost);
    send(clear.header("origin", format!("http://{localhost}"))).ok();
    assert_eq!(house.count("current_items"), 0);
}

/// The connection was closed without a word under whoever had sent a photo that was not read, and
/// the next request on it was lost.
#[test]
fn who_was_refused_can_go_on_with_the_same_connection() {
    let house = House::start();
    for round in 0..50 {
        let photo = house.ask("astronaut.png", &[]).header("origin", "http://evil.example");
        send(photo).problem(403);
        let next = try_send(house.request(Method::POST, "/api/cache/clear"));
        assert!(next.is_ok(), "round {round}: {next:?}");
    }
}

/// A page whose name is made to point to loopback could read everything.
#[test]
fn reading_needs_this_servers_name_and_is_for_no_other_page() {
    let house = House::start();
    let get = |path| house.request(Method::GET, path);
    for path in ["/api/cache/stats", "/api/cache/entries", "/metrics", "/api/cache/config"] {
        let foreign = get(path).header("origin", "http://evil.example");
        let answer = send(foreign).ok();
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{path}");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin", "{path}");
        send(get(path).header("host", "evil.example")).problem(403);
    }
    send(get("/").header("host", "evil.example")).problem(403);
    let health = send(get("/api/health").header("host", "evil.example")).ok().json();
    let told = |health: &serde_json::Value| {
        [health.get("reasons").is_some(), health["backend"].get("working").is_some()]
    };
    assert_eq!(told(&health), [false, false], "{health}");
    assert_eq!(told(&house.get("/api/health").ok().json()), [true, true]);
}

#[test]
fn a_path_that_is_not_there_is_a_problem() {
    let house = House::start();
    for path in ["/nothing", "/api/", "/api/cache", "/api/generate/", "/api/models/a/b"] {
        assert!(house.get(path).problem(404).contains(path), "{path}");
    }
}

#[test]
fn a_method_that_is_not_taken_is_a_problem_that_names_the_others() {
    let house = House::start();
    for (method, path, allowed) in [
        (Method::GET, "/api/generate", "POST"),
        (Method::POST, "/api/cache/stats", "GET"),
        (Method::PUT, "/api/cache/config", "POST"),
        (Method::DELETE, "/api/cache/clear", "POST"),
    ] {
        let answer = send(house.request(method, path));
        answer.problem(405);
        assert!(answer.header("allow").contains(allowed), "{path}: {:?}", answer.headers);
    }
}

#[test]
fn every_answer_says_that_its_type_is_not_to_be_guessed() {
    let house = House::start();
    for path in ["/", "/api/health", "/nothing", "/metrics"] {
        assert_eq!(house.get(path).header("x-content-type-options"), "nosniff", "{path}");
    }
    let policy = house.get("/").ok();
    assert!(policy.header("content-security-policy").contains("default-src 'none'"));
}

#[test]
fn listening_to_the_network_without_keys_or_addresses_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let ended = meshmemo(dir.path()).args(["serve", "--listen", address]).output().unwrap();
        assert_eq!(ended.status.code(), Some(2), "{address}");
        let said = String::from_utf8(ended.stderr).unwrap();
        let is_clear = ["`listen`", address, "--listen", "--api-keys", "--allow-from", "loopback"]
            .iter()
            .all(|word| said.contains(word));
        assert!(is_clear, "{said}");
    }
}
