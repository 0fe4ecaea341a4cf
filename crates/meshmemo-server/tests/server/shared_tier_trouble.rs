//! Whatever happens to Redis, requests go on, nothing wrong is served, and what is the matter has a name.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use meshmemo_tiers::testing::{Harm, RedisServer, TamperingProxy};

use crate::answer::{Answer, RUNTIME, send, try_send};
use crate::gateways::{Gateways, ask, eventually, redis_stats};
use crate::house::House;
use crate::stand_in::Protocol;

fn reason(house: &House) -> String {
    house.health()["reasons"]["redis"].as_str().unwrap_or("none").to_owned()
}

/// Waits until the shared tier is in this trouble.
fn wait_for(house: &House, wanted: &str) {
    eventually(wanted, || reason(house).starts_with(wanted));
}

/// Starts one gateway without waiting for its Redis.
fn one_with(redis_url: &str, flags: &[&str]) -> House {
    House::with(&[&["--redis", redis_url], flags].concat())
}

#[test]
fn an_absent_redis_a_wrong_password_and_a_malformed_url_are_told_of_and_models_are_made() {
    let closed = RedisServer::start_with(&["--requirepass", "right"]);
    let wrong = closed.url().replace("redis://", "redis://:wrong@");
    let absent = format!("redis://127.0.0.1:{}", free_port());
    for (url, wanted) in [
        (absent.as_str(), "unreachable"),
        (&closed.url(), "auth"),
        (&wrong, "auth"),
        ("redis://127.0.0.1:notaport", "malformed-url"),
        ("http://127.0.0.1", "malformed-url"),
    ] {
        let house = one_with(url, &[]);
        wait_for(&house, wanted);
        house.coarse("horse.png", 1);
        assert_eq!(house.coarse("horse.png", 1).cache_status(), "meshmemo; hit; detail=memory");
        let log = house.log();
        assert!(log.contains(wanted) && log.contains("shared tier"), "{log}");
        assert!(
            !log.contains("wrong@") && !log.contains(":wrong"),
            "no password in the log: {log}"
        );
        assert_eq!(house.health()["tiers"]["redis"], "down");
        let series =
            format!("meshmemo_tier_health{{tier=\"redis\",state=\"down\",reason=\"{wanted}\"}}");
        assert!((house.metric(&series) - 1.0).abs() < f64::EPSILON);
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_full_redis_and_a_replica_serve_what_they_have_and_the_trouble_ends_by_itself() {
    let redis = RedisServer::start_with(&["--maxmemory-policy", "noeviction"]);
    let house = one_with(&redis.url(), &[]);
    let kept = house.coarse("horse.png", 1);
    eventually("it is shared", || redis_stats(&house)["written_mb"].as_f64() > Some(0.0));
    redis.command("CONFIG SET maxmemory 1");
    wait_for(&house, "full");
    house.coarse("horse.png", 2);
    house.post("/api/cache/clear", &serde_json::json!({ "tiers": ["memory", "disk"] })).ok();
    let found = house.coarse("horse.png", 1);
    assert_eq!(found.cache_status(), "meshmemo; hit; detail=redis");
    assert_eq!(found.body, kept.body);
    redis.command("CONFIG SET maxmemory 0");
    eventually("it is well", || reason(&house) == "none");
    redis.command("REPLICAOF 127.0.0.1 1");
    redis.command("CONFIG SET replica-serve-stale-data yes");
    wait_for(&house, "read-only");
    assert_eq!(house.health()["tiers"]["redis"], "degraded", "it can still be read");
    house.coarse("horse.png", 3);
    redis.command("REPLICAOF NO ONE");
    eventually("it is well", || reason(&house) == "none");
}

/// Clients that ask all the time: for what is in memory, and for what nobody has asked for.
struct Load {
    has_ended: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
    hits: Arc<Mutex<Vec<Duration>>>,
    failures: Arc<Mutex<Vec<String>>>,
}

impl Load {
    fn start(gateways: &Gateways) -> Self {
        let has_ended = Arc::new(AtomicBool::new(false));
        let (hits, failures) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let mut threads = Vec::new();
        for (number, house) in gateways.houses.iter().enumerate() {
            let (hit, new) = (ask(house, 0), move |seed| seed * 10 + number);
            let template = ask(house, 0).build().unwrap();
            let url = template.url().clone();
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let ask_new = move |seed: usize| {
                let body =
                    crate::gateway::body("horse.png", &serde_json::json!({ "seed": new(seed) }));
                client
                    .post(url.clone())
                    .header("content-type", "application/json")
                    .body(body.to_string())
            };
            let (ended, hits, failures) =
                (Arc::clone(&has_ended), Arc::clone(&hits), Arc::clone(&failures));
            threads.push(thread::spawn(move || {
                for seed in 1.. {
                    if ended.load(Ordering::Acquire) {
                        return;
                    }
                    #[expect(clippy::disallowed_methods, reason = "what is measured is printed")]
                    let started = Instant::now();
                    let note = |what: &str, answer: reqwest::Result<Answer>| match answer {
                        Ok(answer) if answer.status == 200 => {}
                        other => failures.lock().unwrap().push(format!("{what}: {other:?}")),
                    };
                    note("hit", try_send(hit.try_clone().unwrap()));
                    hits.lock().unwrap().push(started.elapsed());
                    note("miss", try_send(ask_new(seed)));
                }
            }));
        }
        Self { has_ended, threads, hits, failures }
    }

    /// Returns the median of the hits since the last time.
    fn median(&self) -> Duration {
        let mut hits = std::mem::take(&mut *self.hits.lock().unwrap());
        hits.sort_unstable();
        hits.get(hits.len() / 2).copied().unwrap_or_default()
    }

    fn count(&self) -> usize {
        self.hits.lock().unwrap().len()
    }

    /// Waits for some more hits.
    fn wait(&self, count: usize) {
        let before = self.count();
        eventually("the load goes on", || self.count() >= before + count);
    }

    fn end(self) {
        self.has_ended.store(true, Ordering::Release);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        let failures = self.failures.lock().unwrap();
        assert!(failures.is_empty(), "{} failed, the first: {}", failures.len(), failures[0]);
    }
}

#[test]
fn stopped_paused_and_emptied_under_load_it_fails_no_request_and_recovers() {
    let mut gateways =
        Gateways::before(2, 1, Protocol::Generic, &["--concurrency", "2", "--redis-lease", "2s"]);
    for house in 0..2 {
        send(gateways.ask(house, 0)).ok();
    }
    let load = Load::start(&gateways);
    load.wait(20);
    let calm = load.median();
    gateways.redis.pause();
    wait_for(&gateways.houses[0], "slow");
    load.median();
    load.wait(10);
    let paused = load.median();
    gateways.redis.resume();
    let recover = |gateways: &Gateways, what: &str| {
        #[expect(clippy::disallowed_methods, reason = "what is measured is printed")]
        let started = Instant::now();
        eventually("it recovers", || {
            gateways.houses.iter().all(|house| {
                let now = house.health()["tiers"]["redis"].clone();
                let breaker = redis_stats(house)["breaker_open"].clone();
                (now == "ok" || reason(house).starts_with("removals-lost")) && breaker == false
            })
        });
        println!("recovered {:.1} s after it was {what}", started.elapsed().as_secs_f64());
    };
    recover(&gateways, "paused");
    gateways.redis.stop();
    wait_for(&gateways.houses[0], "unreachable");
    load.wait(10);
    gateways.redis.restart();
    recover(&gateways, "stopped and emptied");
    load.wait(10);
    load.end();
    println!("a hit from memory: {calm:?} before, {paused:?} while Redis was paused");
    let written = redis_stats(&gateways.houses[0])["written_mb"].as_f64();
    assert!(written > Some(0.0));
}

#[test]
fn a_proxy_that_delays_cuts_and_corrupts_has_nothing_wrong_served() {
    let redis = RedisServer::start();
    let proxy = TamperingProxy::start(redis.port());
    let writer = Gateways::with_redis(redis, 1, 1, Protocol::Generic, &[]);
    writer.backends[0].padding(2_500_000);
    let models: Vec<_> = (0..6).map(|seed| send(writer.ask(0, seed)).ok().body).collect();
    eventually("they are shared", || {
        redis_stats(&writer.houses[0])["written_mb"].as_f64() > Some(14.0)
    });
    let harms = [
        Harm::FlipEach(100_000),
        Harm::FlipEach(997),
        Harm::FlipEach(61),
        Harm::CutAfter(700_000),
        Harm::CutAfter(20_000),
        Harm::CutAfter(100),
        Harm::Delay(Duration::from_millis(3)),
    ];
    let dir = Arc::new(tempfile::tempdir().unwrap());
    std::fs::write(dir.path().join("meshmemo.toml"), crate::gateway::GENERIC).unwrap();
    let url = writer.backends[0].url();
    let reader = House::in_dir(
        &dir,
        &[
            "--redis",
            &proxy.url(),
            "--backend",
            &url,
            "--adapter",
            "generic",
            "--model-id",
            "model-1",
            "--disk-max",
            "off",
        ],
    );
    for harm in harms {
        proxy.set(harm);
        for (seed, model) in models.iter().enumerate() {
            let answer = send(ask(&reader, seed)).ok();
            assert!(answer.body == *model, "{harm:?}: nothing wrong is served");
        }
        reader.forget_memory();
    }
    proxy.set(Harm::None);
    eventually("it is well again", || reason(&reader) == "none");
    let _runtime = &*RUNTIME;
}

#[test]
fn modes_say_what_a_tier_is_used_for() {
    let redis = RedisServer::start();
    let write_only = one_with(&redis.url(), &["--redis-mode", "write-only", "--disk-max", "off"]);
    write_only.coarse("horse.png", 1);
    eventually("it is shared", || redis_stats(&write_only)["written_mb"].as_f64() > Some(0.0));
    write_only.forget_memory();
    write_only.coarse("horse.png", 1);
    assert_eq!(write_only.count("generations"), 2, "it looks nothing up there");
    let read_only = one_with(&redis.url(), &["--redis-mode", "read-only", "--disk-max", "off"]);
    assert_eq!(read_only.coarse("horse.png", 1).cache_status(), "meshmemo; hit; detail=redis");
    read_only.coarse("horse.png", 2);
    let refused = read_only.post("/api/cache/clear", &serde_json::json!({}));
    assert!(String::from_utf8_lossy(&refused.body).contains("read-only"), "{refused:?}");
    let keys = redis.command("KEYS meshmemo:*:entry").unwrap();
    assert!(keys.starts_with("*1\r\n"), "{keys}");
    let off = one_with(&redis.url(), &["--redis-mode", "off"]);
    assert!(off.stats()["tiers"].get("redis").is_none());
    let disk = House::with(&["--disk-mode", "write-only"]);
    disk.coarse("horse.png", 1);
    disk.forget_memory();
    disk.coarse("horse.png", 1);
    assert_eq!(disk.count("generations"), 2);
}
