//! What operators and machines read: metrics, the contract, health.

use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::process::{Command, Stdio};

use meshmemo_server::http::routes;
use reqwest::Method;
use serde_json::json;

use crate::answer::send;
use crate::house::{House, in_repository};

/// A server on which every outcome has happened.
fn lived_in() -> House {
    let house = House::with(&["--max-entries", "2"]);
    for seed in [0, 1, 2, 2] {
        house.coarse("horse.png", seed);
    }
    house.generate("horse.png", &[("quality", "1"), ("seed", "2"), ("format", "stl")]).ok();
    send(house.ask("horse.png", &[("quality", "1")]).header("cache-control", "no-store")).ok();
    send(house.ask_with(b"\xff\xd8\xff".as_slice(), "cut.jpg", &[])).problem(422);
    house.get("/nothing").problem(404);
    house
}

fn metrics(house: &House) -> String {
    String::from_utf8(house.get("/metrics").ok().body.to_vec()).unwrap()
}

/// Returns every series with its value.
fn series(text: &str) -> HashMap<&str, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let pairs = lines.map(|line| line.rsplit_once(' ').unwrap());
    pairs.map(|(name, value)| (name, value.parse().unwrap())).collect()
}

#[test]
fn promtool_finds_nothing_wrong_with_the_metrics() {
    let promtool = in_repository("target/tools/prometheus/usr/bin/promtool");
    assert!(promtool.exists(), "there is no {}: run `make tools` first", promtool.display());
    let mut check = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let text = metrics(&lived_in());
    check.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let ended = check.wait_with_output().unwrap();
    let said = [ended.stdout, ended.stderr].map(|out| String::from_utf8(out).unwrap()).concat();
    assert!(ended.status.success() && said.trim().is_empty(), "{said}");
}

#[test]
fn every_series_of_the_contract_is_there() {
    let text = metrics(&lived_in());
    let names: Vec<_> =
        series(&text).into_keys().map(|name| name.split('{').next().unwrap()).collect();
    for name in [
        "meshmemo_lookups_total",
        "meshmemo_entries",
        "meshmemo_bytes",
        "meshmemo_limit_bytes",
        "meshmemo_removals_total",
        "meshmemo_generation_seconds_bucket",
        "meshmemo_generations_total",
        "meshmemo_seconds_saved_total",
        "meshmemo_queue_depth",
        "meshmemo_in_flight",
        "meshmemo_http_request_seconds_bucket",
        "meshmemo_tier_errors_total",
        "meshmemo_tier_seconds_bucket",
        "meshmemo_tier_health",
        "meshmemo_breaker_open",
        "meshmemo_build_info",
    ] {
        assert!(names.contains(&name), "no `{name}` in\n{text}");
    }
}

#[test]
fn the_metrics_equal_the_stats() {
    let house = lived_in();
    let (text, stats) = (metrics(&house), house.stats());
    let series = series(&text);
    for (name, stat) in [
        (r#"meshmemo_lookups_total{outcome="miss",tier="none"}"#, "misses"),
        (r#"meshmemo_lookups_total{outcome="coalesced",tier="none"}"#, "coalesced"),
        (r#"meshmemo_lookups_total{outcome="bypass",tier="none"}"#, "bypasses"),
        (r#"meshmemo_entries{tier="memory"}"#, "current_items"),
        (r#"meshmemo_removals_total{tier="memory",cause="size_count"}"#, "evictions_by_count"),
        (r#"meshmemo_generations_total{result="ok"}"#, "generations"),
        (r#"meshmemo_generations_total{result="failed"}"#, "generation_failures"),
        ("meshmemo_generation_seconds_count", "generations"),
        ("meshmemo_seconds_saved_total", "seconds_saved"),
    ] {
        let value = series.get(name).unwrap_or_else(|| panic!("no `{name}` in\n{text}"));
        assert_eq!(Some(*value), stats[stat].as_f64(), "{name}");
    }
    let hits =
        |tier| series[format!(r#"meshmemo_lookups_total{{outcome="hit",tier="{tier}"}}"#).as_str()];
    assert_eq!((hits("memory"), hits("derived")), (1.0, 1.0));
    assert_eq!(house.counts(["hits", "misses", "bypasses", "evictions"]), [2, 4, 1, 2]);
    for tier in ["memory", "disk"] {
        let report = &stats["tiers"][tier];
        let value = |name: &str| series[format!(r#"meshmemo_{name}{{tier="{tier}"}}"#).as_str()];
        assert_eq!(report["items"].as_f64(), Some(value("entries")), "{tier}");
        assert_eq!(report["size_mb"].as_f64(), Some(value("bytes") / 1_048_576.0), "{tier}");
        assert_eq!(report["max_mb"].as_f64(), Some(value("limit_bytes") / 1_048_576.0), "{tier}");
    }
    let health = r#"meshmemo_tier_health{tier="disk",state="ok",reason="none"}"#;
    assert!(series.contains_key(health), "{text}");
    let mb = series[r#"meshmemo_bytes{tier="memory"}"#] / 1_048_576.0;
    assert_eq!(stats["current_memory_mb"].as_f64(), Some(mb));
}

#[test]
fn requests_are_timed_by_route_and_not_by_path() {
    let house = lived_in();
    house.get("/api/models/x.glb").problem(404);
    let text = metrics(&house);
    let series = series(&text);
    for (route, method, status, count) in [
        ("/api/generate", "POST", 200, 6.0),
        ("/api/generate", "POST", 422, 1.0),
        ("/api/models/{file}", "GET", 404, 1.0),
        ("other", "GET", 404, 1.0),
    ] {
        let labels = format!(r#"route="{route}",method="{method}",status="{status}""#);
        let name = format!("meshmemo_http_request_seconds_count{{{labels}}}");
        assert_eq!(series.get(name.as_str()), Some(&count), "{name} in\n{text}");
    }
}

#[test]
fn the_contract_names_every_route() {
    let document = House::start().get("/openapi.json").ok();
    assert_eq!(document.header("content-type"), "application/json");
    let document = document.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    // Pages and forms are for people.
    let for_people = ["/", "/page.css", "/sign-in", "/sign-out"];
    let routes = routes().into_iter().filter(|route| !for_people.contains(&route.path));
    let routed: BTreeSet<(String, String)> =
        routes.map(|route| (route.path.to_owned(), route.method.as_str().to_lowercase())).collect();
    let paths = document["paths"].as_object().unwrap().iter();
    let described: BTreeSet<(String, String)> = paths
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(|method| (path.clone(), method.clone()))
        })
        .collect();
    assert_eq!(routed, described);
    let security = |path: &str| &document["paths"][path]["get"]["security"];
    assert!(security("/api/health").is_null() && security("/metrics")[0]["api_key"].is_array());
}

#[test]
fn health_tells_how_everything_is() {
    let health = House::with(&["--model-id", "relief-2"]).get("/api/health").ok().json();
    assert_eq!(health["status"], "ok");
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    assert!(health["uptime_seconds"].as_f64().unwrap() >= 0.0);
    assert_eq!(health["tiers"]["memory"], "ok");
    assert_eq!(health["backend"]["model_id"], "relief-2");
}

#[test]
fn a_server_that_listens_is_ready() {
    let house = House::start();
    assert_eq!(house.get("/api/ready").ok().json(), json!({ "status": "ready" }));
    assert!(send(house.request(Method::HEAD, "/api/ready")).ok().body.is_empty());
}
