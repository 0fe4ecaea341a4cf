//! What is no generation goes through the gateway as if it were not there; and what is the gateway's own
//! shadows nothing of the backend.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use crate::answer::{RUNTIME, send};
use crate::gateway::{Gateway, body, model_of};
use crate::guarded::{KEYS, add_key};
use crate::house::client;
use crate::stand_in::proxied::GZIP;

/// Returns the values of a header that the backend has seen.
fn echoed<'a>(echo: &'a Value, name: &str) -> Vec<&'a str> {
    let pairs = echo["headers"].as_array().unwrap().iter();
    let named = pairs.filter(|pair| pair[0] == name);
    named.map(|pair| pair[1].as_str().unwrap()).collect()
}

#[test]
fn what_is_no_generation_goes_through_untouched() {
    let gateway = Gateway::with("generic", &[]);
    let house = &gateway.house;
    let request = house
        .request(Method::GET, "/echo?a=1&b=%20x&a=2")
        .header("x-custom", "1")
        .header("x-forwarded-for", "203.0.113.9")
        .header("connection", "close, x-of-this-connection")
        .header("x-of-this-connection", "secret")
        .header("authorization", "Bearer theirs")
        .header("x-meshmemo-api-key", "mm_ours");
    let answer = send(request).ok();
    let echo = answer.json();
    assert_eq!((&echo["method"], &echo["path"]), (&json!("GET"), &json!("/echo?a=1&b=%20x&a=2")));
    assert_eq!(echoed(&echo, "x-custom"), ["1"]);
    assert_eq!(echoed(&echo, "x-forwarded-for"), ["203.0.113.9, 127.0.0.1"]);
    assert_eq!(echoed(&echo, "x-forwarded-host"), [house.host.as_str()]);
    assert_eq!(echoed(&echo, "host"), [gateway.backend.address().to_string()]);
    assert_eq!(echoed(&echo, "authorization"), ["Bearer theirs"]);
    for gone in ["x-of-this-connection", "x-meshmemo-api-key", "accept-encoding"] {
        assert!(echoed(&echo, gone).is_empty(), "{gone}");
    }
    // None of the marks of this server's own answers.
    for ours in ["x-frame-options", "cross-origin-resource-policy", "cache-status"] {
        assert!(!answer.headers.contains_key(ours), "{ours}");
    }
    // Who sends no body sends none: not even the end of one, which some servers take for a request.
    for method in ["GET", "DELETE", "OPTIONS", "HEAD"] {
        send(house.request(method.parse().unwrap(), "/nobody"));
        let seen = gateway.backend.seen();
        let seen = seen.iter().rfind(|seen| seen.path == "/nobody").unwrap();
        for name in ["transfer-encoding", "content-length"] {
            assert!(!seen.headers.contains_key(name), "{method}: {:?}", seen.headers);
        }
    }
    for method in ["PUT", "PATCH", "DELETE", "REPORT"] {
        let sent = vec![7; 300_000];
        let method: Method = method.parse().unwrap();
        let mirrored = send(house.request(method, "/mirror").body(sent.clone())).ok();
        assert_eq!(mirrored.body, sent);
    }
    let big = house.get("/big?bytes=30000000").ok();
    assert_eq!(big.body.len(), 30_000_000);
    let compressed = house.get("/gzip").ok();
    assert_eq!((compressed.header("content-encoding"), &compressed.body[..]), ("gzip", GZIP));
    let elsewhere = client().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let redirect = send(elsewhere.get(house.url("/redirect")));
    assert_eq!((redirect.status, redirect.header("location")), (302, "/echo"));
    assert_eq!(house.get("/nowhere").status, 404);
}

#[test]
fn this_servers_own_paths_shadow_nothing() {
    let gateway = Gateway::with("hunyuan3d-2.1-stock", &[]);
    let house = &gateway.house;
    for path in ["/", "/api/health", "/api/generate", "/api/jobs/1", "/metrics", "/openapi.json"] {
        assert_eq!(house.get(path).json()["detail"], "Not Found", "{path} is the backend's");
    }
    assert_eq!(house.get("/health").ok().json()["worker_id"], "abc123");
    for path in ["/", "/api/health", "/api/ready", "/metrics", "/openapi.json", "/page.css"] {
        house.get(&format!("/-/meshmemo{path}")).ok();
    }
    house.get("/-/meshmemo").ok();
    house.get("/-/meshmemo/nothing").problem(404);
    house.get("/api/cache/stats").ok();
    let page = house.get("/-/meshmemo/").ok();
    let page = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(page.contains("href=\"/-/meshmemo/page.css\"") && page.contains("hunyuan3d-2.1-stock"));
    assert!(!page.contains("name=\"quality\""), "only what the backend honours is offered");
    let paths = house.get("/-/meshmemo/openapi.json").ok().json()["paths"].clone();
    let paths = paths.as_object().unwrap();
    assert!(paths.contains_key("/api/cache/stats"));
    assert!(paths.contains_key("/-/meshmemo/api/generate") && !paths.contains_key("/api/generate"));
}

/// On loopback, a page whose name was made to point there learns nothing.
#[test]
fn under_a_foreign_name_nothing_goes_through_on_loopback() {
    let gateway = Gateway::with("generic", &[]);
    let rebound = |path: &str| {
        let request = gateway.house.request(Method::GET, path).header("host", "evil.example");
        send(request).problem(403)
    };
    assert!(rebound("/echo").contains("evil.example"));
    rebound("/-/meshmemo/api/cache/stats");
    assert!(gateway.backend.seen().is_empty());
}

#[test]
fn events_arrive_as_they_are_sent() {
    let gateway = Gateway::with("generic", &[]);
    let request = gateway.house.request(Method::GET, "/events");
    RUNTIME.block_on(async {
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut events = response.bytes_stream();
        assert_eq!(events.next().await.unwrap().unwrap(), "data: 0\n\n");
        for number in 1..4 {
            gateway.backend.event();
            // Nothing more comes before it, so it was not held back for company.
            let event = events.next().await.unwrap().unwrap();
            assert_eq!(event, format!("data: {number}\n\n"));
        }
        gateway.backend.end_events();
        assert!(events.next().await.is_none());
    });
}

#[test]
fn a_connection_that_changes_its_protocol_becomes_a_tunnel() {
    let gateway = Gateway::with("generic", &[]);
    let mut stream = TcpStream::connect(&gateway.house.host).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let head = format!(
        "GET /ws HTTP/1.1\r\nHost: {}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        gateway.house.host
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&answer));
        answer.push(byte[0]);
    }
    let answer = String::from_utf8(answer).unwrap().to_ascii_lowercase();
    assert!(
        answer.starts_with("http/1.1 101") && answer.contains("upgrade: websocket"),
        "{answer}"
    );
    for message in [b"one".to_vec(), b"two".to_vec(), vec![0x81; 70_000]] {
        stream.write_all(&message).unwrap();
        let mut echoed = vec![0; message.len()];
        stream.read_exact(&mut echoed).unwrap();
        assert_eq!(echoed, message);
    }
    let seen = gateway.backend.seen();
    let upgraded = seen.iter().find(|seen| seen.path == "/ws").unwrap();
    assert_eq!(upgraded.headers["sec-websocket-version"], "13");
}

/// Where keys are needed, the backend needs one too, and is never shown it.
#[test]
fn the_backend_is_for_who_has_a_key_and_is_not_shown_it() {
    let dir = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let maker = add_key(&dir, "maker --role generate");
    let reader = add_key(&dir, "reader --role read");
    let gateway = Gateway::in_dir(&dir, "generic", &["--api-keys", KEYS]);
    let house = &gateway.house;
    let asked = body("horse.png", &json!({ "seed": 1 }));
    let path = "/v1/3d/generations";
    for request in [house.request(Method::GET, "/echo"), gateway.ask(path, &asked)] {
        send(request.try_clone().unwrap()).problem(401);
        // On the backend's paths, this header is the backend's own.
        send(request.try_clone().unwrap().bearer_auth(&maker)).problem(401);
        send(request.header("x-meshmemo-api-key", &reader)).problem(403);
    }
    assert!(gateway.backend.seen().is_empty());
    // A browser asks for a page without any key, and the backend answers it.
    let preflight = house
        .request(Method::OPTIONS, path)
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "POST");
    assert_ne!(send(preflight).status, 401);
    send(house.request(Method::OPTIONS, path)).problem(401);
    let more_than_that = house
        .request(Method::OPTIONS, path)
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "POST")
        .body("a body");
    send(more_than_that).problem(401);
    let echo = house.request(Method::GET, "/echo").header("x-meshmemo-api-key", &maker);
    let cookie =
        format!("session=1; meshmemo-key-{}={maker}", house.host.rsplit(':').next().unwrap());
    let echo = send(echo.header("cookie", cookie)).ok();
    assert_eq!(echoed(&echo.json(), "cookie"), ["session=1"]);
    assert!(!String::from_utf8_lossy(&echo.body).contains(&maker), "the backend saw the key");
    send(gateway.ask(path, &asked).header("x-meshmemo-api-key", &maker)).ok();
}

/// Who shows the backend who they are sees what they were answered, and nobody else does.
#[test]
fn clients_with_other_credentials_for_the_backend_share_nothing_unless_they_may() {
    let asked = body("horse.png", &json!({ "seed": 1 }));
    let ask = |gateway: &Gateway, token: &str| {
        let request = gateway.ask("/v1/3d/generations", &asked);
        let request = if token.is_empty() { request } else { request.bearer_auth(token) };
        send(request).ok().cache_status().to_owned()
    };
    let (miss, hit) = ("meshmemo; fwd=uri-miss; stored", "meshmemo; hit; detail=memory");
    let gateway = Gateway::with("generic", &[]);
    for (token, wanted) in [("a", miss), ("b", miss), ("", miss), ("a", hit), ("b", hit), ("", hit)]
    {
        assert_eq!(ask(&gateway, token), wanted, "{token}");
    }
    assert_eq!(gateway.stats()["namespaces"].as_object().unwrap().len(), 1, "one account");
    assert!(!gateway.stats().to_string().contains("Bearer"));
    let mut gateway = gateway;
    gateway.house.end();
    let dir = gateway.house.dir();
    drop(gateway);
    let gateway = Gateway::in_dir(&dir, "generic", &["--warm", "off"]);
    assert_eq!(ask(&gateway, "a"), "meshmemo; hit; detail=disk", "it is known after a restart");
    let shared = Gateway::with("generic", &["--credentials", "share"]);
    assert_eq!([ask(&shared, "a").as_str(), &ask(&shared, "b")], [miss, hit]);
}

/// Everything goes to the backend, and what the cache would have answered is counted and told.
#[test]
fn a_cache_that_observes_forwards_everything_and_counts() {
    let gateway = Gateway::with("generic", &["--cache", "observe"]);
    let path = "/v1/3d/generations";
    let ask =
        |seed: i64| send(gateway.ask(path, &body("horse.png", &json!({ "seed": seed })))).ok();
    let first = ask(1);
    assert_eq!(first.cache_status(), "meshmemo; fwd=bypass; detail=would-miss");
    let again = ask(1);
    assert_eq!(again.cache_status(), "meshmemo; fwd=bypass; detail=would-hit");
    assert_eq!(again.body, first.body);
    assert_eq!(ask(-1).cache_status(), "meshmemo; fwd=bypass; detail=would-bypass");
    ask(2);
    assert_eq!(gateway.backend.begun(), 4, "everything is forwarded");
    let stats = gateway.stats();
    let observed = &stats["observed"];
    assert_eq!(
        [&observed["hits"], &observed["misses"], &observed["coalesced"], &observed["bypasses"]],
        [&json!(1), &json!(2), &json!(0), &json!(1)]
    );
    assert_eq!(observed["hit_rate_percent"], 33.33);
    assert_eq!(stats["current_items"], 0, "nothing is kept");
    assert!(gateway.house.log().contains("would-hit"));
    let page = gateway.house.get("/-/meshmemo/").ok();
    let page = String::from_utf8_lossy(&page.body).into_owned();
    assert!(page.contains("it would have answered: 1;"), "{page}");
    assert!(gateway.house.files().is_empty());
    let jobs = Gateway::with("hunyuan3d-2", &["--cache", "observe"]);
    let id = jobs.submit(&body("horse.png", &json!({})));
    model_of(&jobs.end_of(&id));
    jobs.submit(&body("horse.png", &json!({})));
    assert_eq!(jobs.stats()["observed"]["hits"], 1);
    assert_eq!(jobs.backend.seen().iter().filter(|seen| seen.path == "/send").count(), 2);
}
