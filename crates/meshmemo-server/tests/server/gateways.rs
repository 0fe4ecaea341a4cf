//! Several gateways of the test's own, with one Redis and the same backends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use meshmemo_tiers::testing::RedisServer;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::gateway::{GENERIC, body};
use crate::house::House;
use crate::stand_in::{Protocol, StandIn};

/// How long something may take that is to come about by itself.
const EVENTUALLY_MAX: Duration = Duration::from_mins(1);

/// Several gateways with one Redis.
pub(crate) struct Gateways {
    pub(crate) houses: Vec<House>,
    pub(crate) backends: Vec<StandIn>,
    pub(crate) redis: RedisServer,
    flags: Vec<String>,
}

impl Gateways {
    /// Starts so many gateways before so many servers that speak a protocol, with more flags.
    pub(crate) fn before(
        count: usize,
        backends: usize,
        protocol: Protocol,
        flags: &[&str],
    ) -> Self {
        Self::with_redis(RedisServer::start(), count, backends, protocol, flags)
    }

    /// Starts them with a Redis that is there.
    pub(crate) fn with_redis(
        redis: RedisServer,
        count: usize,
        backends: usize,
        protocol: Protocol,
        flags: &[&str],
    ) -> Self {
        let url = redis.url();
        Self::with_url(redis, &url, count, backends, protocol, flags)
    }

    /// Starts them with a Redis that they reach at another address.
    pub(crate) fn with_url(
        redis: RedisServer,
        url: &str,
        count: usize,
        backends: usize,
        protocol: Protocol,
        flags: &[&str],
    ) -> Self {
        let backends: Vec<_> = (0..backends).map(|_| StandIn::start(protocol)).collect();
        let urls = backends.iter().map(StandIn::url).collect::<Vec<_>>().join(",");
        let adapter = if protocol == Protocol::Generic { "generic" } else { "hunyuan3d-2" };
        let own = ["--redis", url, "--backend", &urls, "--adapter", adapter];
        let own = [&own[..], &["--model-id", "model-1"], flags].concat();
        let flags: Vec<String> = own.into_iter().map(str::to_owned).collect();
        let mut gateways = Self { houses: Vec::new(), backends, redis, flags };
        for _ in 0..count {
            let house = gateways.one_more(&Arc::new(tempfile::tempdir().unwrap()));
            gateways.houses.push(house);
        }
        gateways
    }

    /// Starts one more, or one again where it was before.
    pub(crate) fn one_more(&self, dir: &Arc<tempfile::TempDir>) -> House {
        if self.flags.iter().any(|flag| flag == "generic") {
            std::fs::write(dir.path().join("meshmemo.toml"), GENERIC).unwrap();
        }
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        let house = House::in_dir(dir, &flags);
        eventually("it takes part", || house.health()["tiers"]["redis"] == "ok");
        house
    }

    /// Starts one more that is to reach Redis at another address, and may not yet.
    pub(crate) fn late(&self, redis_url: &str) -> House {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        std::fs::write(dir.path().join("meshmemo.toml"), GENERIC).unwrap();
        let mut flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        flags[1] = redis_url;
        House::in_dir(&dir, &flags)
    }

    /// Prepares a generation at one of them; the seed makes its key.
    pub(crate) fn ask(&self, house: usize, seed: usize) -> RequestBuilder {
        ask(&self.houses[house], seed)
    }

    /// Returns how many generations all servers have begun.
    pub(crate) fn begun(&self) -> usize {
        self.backends.iter().map(StandIn::begun).sum()
    }
}

/// Prepares a generation; the seed makes its key.
pub(crate) fn ask(house: &House, seed: usize) -> RequestBuilder {
    let body = body("horse.png", &json!({ "seed": seed })).to_string();
    let request = house.request(Method::POST, "/v1/3d/generations");
    request.header("content-type", "application/json").body(body)
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, is_so: impl Fn() -> bool) {
    within(EVENTUALLY_MAX, what, is_so);
}

/// Waits until something is so, for a time; returns how long it took.
pub(crate) fn within(limit: Duration, what: &str, is_so: impl Fn() -> bool) -> Duration {
    #[expect(clippy::disallowed_methods, reason = "a test waits for another process")]
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < limit, "{what}: not within {limit:?}");
        // Several processes share the processor: who asks without a pause keeps them from it.
        std::thread::sleep(Duration::from_millis(10));
    }
    started.elapsed()
}

/// Returns what the shared tier of a gateway says of itself.
pub(crate) fn redis_stats(house: &House) -> Value {
    house.stats()["tiers"]["redis"].take()
}

/// Asserts that all answers are the same model, and returns it.
#[track_caller]
pub(crate) fn same(answers: Vec<Answer>) -> Answer {
    let mut answers = answers.into_iter().map(Answer::ok);
    let first = answers.next().unwrap();
    assert!(answers.all(|answer| answer.body == first.body), "all answers are the same");
    first
}
