//! Several servers behind one gateway: the work is shared, goes on elsewhere only where nothing of it was
//! done, and a server can be taken out of use and back.

use std::sync::Arc;
use std::thread;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::answer::{Answer, send, send_all, start};
use crate::desk::Desk;
use crate::gateway::{GENERIC, body};
use crate::house::House;
use crate::stand_in::{Protocol, StandIn, Turn};

/// Servers that do the same work, and a gateway in front of them.
struct Pool {
    house: House,
    backends: Vec<StandIn>,
}

impl Pool {
    fn with(count: usize, flags: &[&str]) -> Self {
        let backends = (0..count).map(|_| StandIn::start(Protocol::Generic)).collect();
        Self::before(backends, flags)
    }

    fn before(backends: Vec<StandIn>, flags: &[&str]) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        std::fs::write(dir.path().join("meshmemo.toml"), GENERIC).unwrap();
        let urls = backends.iter().map(StandIn::url).collect::<Vec<_>>().join(",");
        let own = ["--backend", &urls, "--adapter", "generic", "--model-id", "model-1"];
        let house = House::in_dir(&dir, &[&own, flags].concat());
        Self { house, backends }
    }

    /// Prepares a generation that is like no other.
    fn ask(&self, seed: usize) -> RequestBuilder {
        let body = body("horse.png", &json!({ "seed": seed })).to_string();
        let request = self.house.request(Method::POST, "/v1/3d/generations");
        request.header("content-type", "application/json").body(body)
    }

    fn generate(&self, seed: usize) -> Answer {
        send(self.ask(seed))
    }

    fn begun(&self) -> Vec<usize> {
        self.backends.iter().map(StandIn::begun).collect()
    }

    /// Returns what the gateway says of each server.
    fn states(&self) -> Vec<Value> {
        let list = self.house.get("/-/meshmemo/api/backends").ok().json();
        list["backends"].as_array().unwrap().clone()
    }

    fn statuses(&self) -> Vec<String> {
        self.states().iter().map(|state| state["status"].as_str().unwrap().to_owned()).collect()
    }

    fn drain(&self, index: usize) -> Answer {
        let fields = json!({ "backend": self.backends[index].url() });
        self.house.post("/-/meshmemo/api/backends/drain", &fields)
    }

    fn resume(&self, index: usize) -> Answer {
        let fields = json!({ "backend": self.backends[index].url() });
        self.house.post("/-/meshmemo/api/backends/resume", &fields)
    }
}

#[test]
fn work_is_shared_whether_it_comes_one_by_one_or_at_once() {
    let pool = Pool::with(2, &["--concurrency", "20"]);
    for seed in 0..20 {
        pool.generate(seed).ok();
    }
    assert_eq!(pool.begun(), [10, 10]);
    pool.backends.iter().for_each(StandIn::close_gate);
    let requests = (100..140).map(|seed| pool.ask(seed)).collect();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| send_all(requests));
        pool.backends.iter().for_each(|backend| backend.wait_until_begun(30));
        pool.backends.iter().for_each(StandIn::open_gate);
        waiting.join().unwrap().into_iter().for_each(|answer| drop(answer.ok()));
    });
    assert_eq!(pool.begun(), [30, 30]);
}

#[test]
fn a_slow_server_keeps_nobody_waiting_whom_another_one_can_serve() {
    let pool = Pool::with(2, &[]);
    pool.backends[0].close_gate();
    let slow = start(pool.ask(0));
    pool.backends[0].wait_until_begun(1);
    for seed in 1..20 {
        pool.generate(seed).ok();
    }
    assert_eq!(pool.begun(), [1, 19]);
    pool.backends[0].open_gate();
    crate::answer::RUNTIME.block_on(slow).unwrap().unwrap().ok();
}

#[test]
fn work_goes_on_elsewhere_only_where_nothing_of_it_was_done() {
    let pool = Pool::with(2, &[]);
    // The first one declines, so the second one does it: once.
    pool.backends[0].script([Turn::Busy]);
    pool.generate(1).ok();
    assert_eq!(pool.begun(), [1, 1]);
    assert!(pool.house.log().contains("it answered 503"), "{}", pool.house.log());
    assert_eq!(pool.states()[0]["moved_on"], 1);
    // Until it wants to be asked again, the other one is preferred.
    pool.generate(2).ok();
    assert_eq!(pool.begun(), [1, 2]);
}

#[test]
fn what_ends_in_the_middle_is_told_of_and_not_done_again() {
    let pool = Pool::with(2, &[]);
    for turn in [Turn::Hangup, Turn::CutAfter(100), Turn::Truncated] {
        let begun: usize = pool.begun().iter().sum();
        for backend in &pool.backends {
            backend.script([turn.clone()]);
        }
        let answers = [pool.generate(2), pool.generate(3)];
        assert_eq!(pool.begun().iter().sum::<usize>(), begun + 2, "{turn:?}");
        for answer in answers {
            let is_passed_on = matches!(turn, Turn::Truncated);
            assert_eq!(answer.status, if is_passed_on { 200 } else { 502 }, "{turn:?}");
        }
    }
    // Errors were not kept.
    pool.generate(2).ok();
}

#[test]
fn where_all_decline_the_last_ones_answer_is_the_answer() {
    let pool = Pool::with(2, &[]);
    // A bare 503 is no proof that nothing was done.
    pool.backends[0].script([Turn::Answer(503, "text/plain", b"out of memory".to_vec())]);
    let bare = pool.generate(1);
    assert_eq!(
        (bare.status, &bare.body[..], pool.begun()),
        (503, &b"out of memory"[..], vec![1, 0])
    );
    for backend in &pool.backends {
        backend.script([Turn::Busy]);
    }
    let refused = pool.generate(4);
    assert_eq!((refused.status, refused.header("retry-after")), (503, "7"));
}

#[test]
fn a_server_that_is_gone_costs_no_request_and_is_used_again_when_it_is_back() {
    let mut pool = Pool::with(2, &[]);
    let gone = pool.backends.remove(0);
    let address = gone.address();
    gone.stop();
    for seed in 0..6 {
        pool.generate(seed).ok();
    }
    assert_eq!(pool.begun(), [6]);
    let health = pool.house.health();
    assert_eq!(
        (&health["status"], &health["backend"]["status"]),
        (&json!("degraded"), &json!("degraded"))
    );
    assert!(health["reasons"]["backend"].as_str().unwrap().contains(&address.to_string()));
    assert_eq!(pool.statuses(), ["down", "ok"]);
    let up = format!("meshmemo_backend_up{{backend=\"http://{address}\"}}");
    assert!(pool.house.metric(&up) < 1.0);
    pool.backends.insert(0, StandIn::start_at(Protocol::Generic, address));
    pool.house.wait_until(|_| pool.statuses() == ["ok", "ok"]);
    for seed in 10..14 {
        pool.generate(seed).ok();
    }
    assert_eq!(pool.begun(), [2, 8]);
}

#[test]
fn a_server_that_fails_again_and_again_is_left_out_and_none_is_left_out_when_all_do() {
    let pool = Pool::with(2, &[]);
    let garbage = || Turn::Answer(200, "text/html", b"<html>an error".to_vec());
    pool.backends[0].script((0..5).map(|_| garbage()));
    let statuses: Vec<_> =
        (0..10).map(|seed| pool.generate(seed).header("content-type").to_owned()).collect();
    assert_eq!(statuses.iter().filter(|it| *it == "text/html").count(), 5, "{statuses:?}");
    assert_eq!(pool.statuses(), ["failing", "ok"]);
    let begun = pool.backends[0].begun();
    for seed in 10..14 {
        pool.generate(seed).ok();
    }
    assert_eq!(pool.backends[0].begun(), begun, "the other one is preferred");
    pool.backends[1].script((0..5).map(|_| garbage()));
    for seed in 20..25 {
        assert_eq!(pool.generate(seed).header("content-type"), "text/html");
    }
    assert_eq!(pool.statuses(), ["failing", "failing"]);
    pool.generate(30).ok();
}

#[test]
fn a_drained_server_ends_its_work_and_is_given_none_until_it_is_resumed() {
    let pool = Pool::with(2, &[]);
    pool.backends[0].close_gate();
    let working = start(pool.ask(0));
    pool.backends[0].wait_until_begun(1);
    let drained = pool.drain(0).ok().json();
    assert_eq!((&drained["status"], &drained["working"]), (&json!("draining"), &json!(1)));
    for seed in 1..5 {
        pool.generate(seed).ok();
    }
    pool.backends[0].open_gate();
    crate::answer::RUNTIME.block_on(working).unwrap().unwrap().ok();
    pool.house.wait_until(|_| pool.statuses() == ["drained", "ok"]);
    assert_eq!(pool.house.health()["status"], "ok", "somebody wanted it so");
    assert_eq!(pool.begun(), [1, 4]);
    pool.drain(1).ok();
    let refused = pool.generate(6);
    assert!(refused.header("retry-after") == "10" && refused.problem(503).contains("drained"));
    assert!(pool.generate(1).ok().cache_status().contains("hit"), "hits need no server");
    assert_eq!(pool.house.health()["backend"]["status"], "down");
    pool.resume(0).ok();
    pool.generate(6).ok();
    assert_eq!(pool.begun(), [2, 4]);
    let log = pool.house.log();
    assert!(log.contains("drain http://") && log.contains("resume http://"), "{log}");
}

#[test]
fn what_can_not_be_drained_or_resumed_is_named() {
    let pool = Pool::with(1, &[]);
    let url = pool.backends[0].url();
    let drain = |fields: &Value| pool.house.post("/-/meshmemo/api/backends/drain", fields);
    let resume = |fields: &Value| pool.house.post("/-/meshmemo/api/backends/resume", fields);
    assert!(drain(&json!({})).problem(400).contains(&url));
    assert!(drain(&json!({ "backend": "http://other" })).problem(404).contains(&url));
    assert!(drain(&json!({ "name": url })).problem(400).contains("`name`"));
    let other = resume(&json!({ "backend": url, "model_id": "model-2" })).problem(409);
    assert!(other.contains("`model-1`") && other.contains("model-2"), "{other}");
    resume(&json!({ "backend": url, "model_id": "model-1" })).ok();
    // The scheme may be left out.
    drain(&json!({ "backend": pool.backends[0].address().to_string() })).ok();
}

#[test]
fn the_command_line_lists_drains_and_resumes() {
    let (desk, pool) = (Desk::new(), Pool::with(2, &[]));
    let (url, backend) = (pool.house.url(""), pool.backends[1].url());
    pool.generate(1).ok();
    let run = |args: &[&str]| desk.run(&[&["backend"], args, &["--url", &url]].concat());
    let listed = run(&["list"]).ok().stdout;
    assert!(listed.contains(&backend) && listed.contains("model-1"), "{listed}");
    let said = run(&["drain", &backend, "--wait"]).ok().stdout;
    assert_eq!(said.trim(), format!("{backend}: drained"));
    let listed: Value = serde_json::from_str(&run(&["list", "--json"]).ok().stdout).unwrap();
    assert_eq!(listed["backends"][1]["status"], "drained");
    let refused = run(&["resume", &backend, "--model-id", "model-2"]).failed(1);
    assert!(refused.contains("`model-1`"), "{refused}");
    assert_eq!(run(&["resume", &backend]).ok().stdout.trim(), format!("{backend}: ok"));
    assert!(run(&["drain", "http://nowhere"]).failed(1).contains(&backend));
}
