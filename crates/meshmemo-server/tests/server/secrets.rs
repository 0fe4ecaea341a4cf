//! Keys, cookies and photos are in no log, error, metric, listing or page; changes are.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::Method;
use serde_json::json;

use crate::answer::send;
use crate::guarded::Guarded;
use crate::house::read_photo;

/// Does everything with a key, right and wrong, while the server logs all it can.
fn talkative() -> (Guarded, String, Vec<String>) {
    let (server, [key]) = Guarded::with(["ops --role admin"], &["-vv"]);
    let wrong = format!("{}x", &key[..key.len() - 1]);
    let photo = BASE64_STANDARD.encode(read_photo("rocket.jpg"));
    let mut told = Vec::new();
    let mut ask = |request: reqwest::RequestBuilder| {
        let answer = send(request);
        told.push(format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body)));
    };
    for key in [&key, &wrong] {
        ask(server
            .request(key, Method::POST, "/api/generate")
            .json(&json!({ "image": photo, "quality": 1 })));
        let broken = json!({ "image": photo, "quality": 99 });
        ask(server.request(key, Method::POST, "/api/generate").json(&broken));
        let broken = format!("{{\"image\": \"{photo}\", ");
        let request = server.request(key, Method::POST, "/api/generate").body(broken);
        ask(request.header("content-type", "application/json"));
        for path in ["/metrics", "/api/cache/entries", "/api/cache/stats", "/api/health", "/"] {
            ask(server.request(key, Method::GET, path));
            ask(server.house.request(Method::GET, path).bearer_auth(key));
            let cookie =
                format!("meshmemo-key-{}={key}", server.house.host.rsplit_once(':').unwrap().1);
            ask(server.house.request(Method::GET, path).header("cookie", cookie));
        }
        ask(server.request(key, Method::GET, &format!("/nothing?key={}", "k")));
        ask(server.request(key, Method::POST, "/api/cache/config").json(&json!({ "max_size": 9 })));
        ask(server.request(key, Method::POST, "/api/cache/clear"));
        let form = format!("key={key}");
        let origin = server.house.url("");
        ask(server.house.request(Method::POST, "/sign-out").header("origin", &origin));
        ask(server.house.request(Method::POST, "/sign-in").header("origin", &origin).body(form));
    }
    (server, key, told)
}

#[test]
fn nothing_that_is_secret_is_told() {
    let (server, key, told) = talkative();
    let log = server.log();
    assert!(log.contains("signed in") && log.contains("audit"), "it logs what is done: {log}");
    let secret = key.splitn(3, '_').nth(2).unwrap();
    let photo = BASE64_STANDARD.encode(read_photo("rocket.jpg"));
    let hash = std::fs::read_to_string(server.house.path("keys.json")).unwrap();
    let hash = hash.split('"').find(|text| text.len() == 64).unwrap().to_owned();
    // Most of the secret is as bad as all of it: a wrong key may be a right one with a typo.
    for (what, text) in [("key", &secret[..40]), ("photo", &photo[1000..1100]), ("hash", &hash)] {
        assert!(!log.contains(text), "the {what} is in the log");
        for told in &told {
            assert!(!told.contains(text), "the {what} is in {told:.300}");
        }
    }
}

#[test]
fn every_change_has_a_line_that_says_who_what_and_how_much() {
    let (server, [ops]) = Guarded::with(["ops --role admin"], &[]);
    let made = server.coarse(&ops, "coffee.png");
    let entry = format!("/api/cache/entries/{}", made.key());
    send(server.ask(&ops, "coffee.png").header("cache-control", "no-cache")).ok();
    server.post(&ops, "/api/cache/config", &json!({ "max_size": 10 })).ok();
    server.post(&ops, "/api/cache/warm", &json!({ "top": 1 })).ok();
    server.post(&ops, "/api/cache/purge", &json!({ "label_prefix": "nothing" })).ok();
    send(server.request(&ops, Method::DELETE, &entry)).ok();
    server.post(&ops, "/api/cache/clear", &json!({})).ok();
    let log = server.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("audit")).collect();
    let size = made.body.len();
    for (line, (action, entries, bytes)) in lines.iter().zip([
        ("regenerate", 1, size),
        ("configure", 0, 0),
        ("warm", 0, 0),
        ("purge", 0, 0),
        ("remove", 1, size),
        ("clear", 0, 0),
    ]) {
        let wanted = [
            "who=\"ops\"".to_owned(),
            "from=\"127.0.0.1\"".to_owned(),
            format!("action=\"{action}"),
            format!("entries={entries} "),
            format!("bytes={bytes} "),
        ];
        let line = format!("{line} ").replace("from=127.0.0.1", "from=\"127.0.0.1\"");
        assert!(wanted.iter().all(|word| line.contains(word.trim_end())), "{wanted:?}: {line}");
    }
    assert_eq!(lines.len(), 6, "{lines:?}");
}
