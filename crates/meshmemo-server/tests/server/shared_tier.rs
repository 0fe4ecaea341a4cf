//! Gateways that share a Redis: one generation per key, and what one has made the others have.

use std::thread;

use meshmemo_tiers::testing::{RedisCluster, RedisServer};

use crate::answer::{send, send_all};
use crate::gateways::{Gateways, ask, eventually, redis_stats, same};
use crate::stand_in::{Protocol, StandIn};

/// How often the holder of a lease is killed.
const KILLS: usize = 50;

#[test]
fn three_hundred_at_once_at_three_gateways_cost_one_generation() {
    let gateways = Gateways::before(3, 1, Protocol::Generic, &[]);
    let backend = &gateways.backends[0];
    backend.padding(3_000_000);
    backend.close_gate();
    let requests = (0..300).map(|number| gateways.ask(number % 3, 1)).collect();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| send_all(requests));
        backend.wait_until_begun(1);
        eventually("all have come", || {
            gateways.houses.iter().map(crate::house::House::open_requests).sum::<usize>() == 300
        });
        backend.open_gate();
        same(waiting.join().unwrap());
    });
    assert_eq!(backend.begun(), 1);
    let counts: Vec<_> =
        gateways.houses.iter().map(|house| house.counts(["misses", "coalesced"])).collect();
    let sum = |at: usize| counts.iter().map(|counts| counts[at]).sum::<u64>();
    assert_eq!((sum(0), sum(1)), (1, 299), "one began it, and all others waited for it");
}

#[test]
fn what_one_has_made_the_others_have() {
    let gateways = Gateways::before(2, 1, Protocol::Generic, &[]);
    let made = send(gateways.ask(0, 1)).ok();
    eventually("it is shared", || {
        redis_stats(&gateways.houses[0])["written_mb"].as_f64() > Some(0.0)
    });
    let found = send(gateways.ask(1, 1)).ok();
    assert_eq!(found.cache_status(), "meshmemo; hit; detail=redis");
    assert_eq!((found.body, gateways.begun()), (made.body, 1));
    let again = send(gateways.ask(1, 1)).ok();
    assert_eq!(again.cache_status(), "meshmemo; hit; detail=memory", "it is brought nearer");
    eventually("it is on disk", || gateways.houses[1].stats()["tiers"]["disk"]["items"] == 1);
    gateways.houses[1].forget_memory();
    let found = send(gateways.ask(1, 1)).ok();
    assert_eq!(found.cache_status(), "meshmemo; hit; detail=disk");
}

#[test]
fn a_holder_that_dies_in_the_middle_is_replaced_and_nobody_hangs() {
    let mut gateways = Gateways::before(3, 1, Protocol::Generic, &["--redis-lease", "1s"]);
    for round in 0..KILLS {
        let before = gateways.begun();
        gateways.backends[0].close_gate();
        let requests: Vec<_> = (0..6).map(|number| gateways.ask(number % 3, round)).collect();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let requests = requests.into_iter().map(crate::answer::start);
                let requests: Vec<_> = requests.collect();
                requests
                    .into_iter()
                    .map(|it| crate::answer::RUNTIME.block_on(it).unwrap())
                    .collect::<Vec<_>>()
            });
            gateways.backends[0].wait_until_begun(before + 1);
            eventually("the others wait", || {
                gateways.houses.iter().all(|house| house.open_requests() == 2)
            });
            let holder =
                gateways.houses.iter().position(|it| it.working_and_queued().0 == 1).unwrap();
            gateways.houses[holder].kill_from_outside();
            gateways.backends[0].open_gate();
            let answers = waiting.join().unwrap();
            let (at_holder, elsewhere): (Vec<_>, Vec<_>) =
                answers.into_iter().enumerate().partition(|(number, _)| number % 3 == holder);
            assert!(at_holder.into_iter().all(|(_, answer)| answer.is_err()), "it is dead");
            same(elsewhere.into_iter().map(|(_, answer)| answer.unwrap()).collect());
        });
        assert_eq!(gateways.begun(), before + 2, "exactly one more generation (round {round})");
        let dead = gateways.houses.iter_mut().position(|house| !house.is_alive()).unwrap();
        let dir = gateways.houses[dead].dir();
        let again = gateways.one_more(&dir);
        gateways.houses[dead] = again;
    }
}

#[test]
fn a_holder_that_is_paused_beyond_its_time_and_comes_back_does_no_harm() {
    let gateways =
        Gateways::before(2, 1, Protocol::Generic, &["--redis-lease", "1s", "--concurrency", "2"]);
    gateways.backends[0].close_gate();
    let first = crate::answer::start(gateways.ask(0, 1));
    gateways.backends[0].wait_until_begun(1);
    gateways.houses[0].signal("STOP");
    let second = crate::answer::start(gateways.ask(1, 1));
    // The lease of who stands still ends, and the other one begins.
    gateways.backends[0].wait_until_begun(2);
    gateways.backends[0].open_gate();
    let second = crate::answer::RUNTIME.block_on(second).unwrap().unwrap();
    gateways.houses[0].signal("CONT");
    let first = crate::answer::RUNTIME.block_on(first).unwrap().unwrap();
    let made = same(vec![first, second]);
    for house in &gateways.houses {
        house.forget_memory();
        assert_eq!(send(ask(house, 1)).ok().body, made.body);
    }
    assert_eq!(gateways.begun(), 2);
}

#[test]
fn what_does_not_reach_redis_before_the_end_is_told_of() {
    let mut gateways = Gateways::before(1, 1, Protocol::Generic, &["--drain-timeout", "500ms"]);
    gateways.backends[0].close_gate();
    let asked = crate::answer::start(gateways.ask(0, 1));
    gateways.backends[0].wait_until_begun(1);
    gateways.redis.pause();
    gateways.backends[0].open_gate();
    crate::answer::RUNTIME.block_on(asked).unwrap().unwrap().ok();
    gateways.houses[0].terminate();
    assert_eq!(gateways.houses[0].wait().code(), Some(1), "something was dropped");
    let log = gateways.houses[0].log();
    assert!(log.contains("results did not reach a slower tier in time"), "{log}");
    gateways.redis.resume();
}

#[test]
fn the_example_of_three_gateways_shows_one_generation_for_each_key() {
    let python = crate::house::in_repository("target/tools/venv/bin/python");
    let run = std::process::Command::new(python)
        .arg(crate::house::in_repository("examples/cluster/run.py"))
        .args(["--meshmemo", env!("CARGO_BIN_EXE_meshmemo"), "--redis-server"])
        .arg(crate::house::in_repository("target/tools/redis/redis-server"))
        .args(["--seconds", "0.2", "--requests", "60", "--keys", "5"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}{}", String::from_utf8_lossy(&run.stderr));
}

#[test]
fn who_is_first_in_each_line_takes_turns_and_no_server_works_at_two() {
    let gateways = Gateways::before(5, 2, Protocol::Generic, &["--queue", "100"]);
    let requests = (0..100).map(|number| gateways.ask(number % 5, number)).collect();
    for answer in send_all(requests) {
        answer.ok();
    }
    assert_eq!(gateways.begun(), 100);
    assert!(gateways.backends.iter().all(|backend| backend.most_at_once() == 1));
    let begun: Vec<_> = gateways.backends.iter().map(StandIn::begun).collect();
    assert!(begun.iter().all(|begun| *begun >= 20), "none stood idle: {begun:?}");
    let health = gateways.houses[0].health();
    assert_eq!(health["backend"]["counted_for"], "cluster", "{health}");
}

#[test]
fn a_gateway_with_many_waiting_does_not_keep_another_one_from_its_turn() {
    let gateways = Gateways::before(2, 1, Protocol::Generic, &[]);
    let backend = &gateways.backends[0];
    backend.close_gate();
    let many: Vec<_> =
        (0..30).map(|number| crate::answer::start(gateways.ask(0, number))).collect();
    backend.wait_until_begun(1);
    eventually("they wait", || gateways.houses[0].working_and_queued() == (1, 29));
    let few: Vec<_> =
        (100..103).map(|number| crate::answer::start(gateways.ask(1, number))).collect();
    eventually("so do these", || gateways.houses[1].working_and_queued() == (0, 3));
    backend.open_gate();
    for answer in few {
        crate::answer::RUNTIME.block_on(answer).unwrap().unwrap().ok();
    }
    let done = backend.begun();
    assert!(done <= 12, "three of one come among the first of thirty of the other: {done}");
    for answer in many {
        crate::answer::RUNTIME.block_on(answer).unwrap().unwrap().ok();
    }
    assert_eq!(backend.most_at_once(), 1);
}

#[test]
fn a_job_is_asked_after_anywhere_also_when_who_took_it_is_dead() {
    let mut gateways = Gateways::before(3, 1, Protocol::Hunyuan2, &["--redis-lease", "1s"]);
    let order = crate::gateway::body("horse.png", &serde_json::json!({ "seed": 7 }));
    let send_to = |house: &crate::house::House| {
        let request = house.request(reqwest::Method::POST, "/send");
        let answer = send(request.json(&order)).ok();
        answer.json()["uid"].as_str().unwrap().to_owned()
    };
    let status = |house: &crate::house::House, id: &str| {
        house.get(&format!("/status/{id}")).ok().json()["status"].as_str().unwrap().to_owned()
    };
    gateways.backends[0].close_gate();
    let done = send_to(&gateways.houses[0]);
    gateways.backends[0].wait_until_begun(1);
    assert_eq!(status(&gateways.houses[2], &done), "processing");
    gateways.backends[0].open_gate();
    eventually("it is done", || status(&gateways.houses[2], &done) == "completed");
    let here = gateways.houses[0].get(&format!("/status/{done}")).ok().body;
    gateways.houses[0].kill();
    let elsewhere = gateways.houses[2].get(&format!("/status/{done}")).ok().body;
    assert!(here == elsewhere, "the same answer, without who took the job");
    // One that is killed in the middle has failed, and is not under way for ever.
    gateways.backends[0].close_gate();
    let order = crate::gateway::body("horse.png", &serde_json::json!({ "seed": 8 }));
    let request = gateways.houses[1].request(reqwest::Method::POST, "/send");
    let lost = send(request.json(&order)).ok().json()["uid"].as_str().unwrap().to_owned();
    gateways.backends[0].wait_until_begun(2);
    assert_eq!(status(&gateways.houses[2], &lost), "processing");
    gateways.houses[1].kill();
    eventually("it has failed", || {
        gateways.houses[2].get(&format!("/status/{lost}")).status != 200
            || status(&gateways.houses[2], &lost) != "processing"
    });
}

#[test]
fn a_cluster_is_to_gateways_what_one_server_is() {
    let cluster = RedisCluster::start();
    let (urls, none) = (cluster.urls().join(","), RedisServer::start());
    let gateways = Gateways::with_url(none, &urls, 3, 2, Protocol::Generic, &["--queue", "100"]);
    let requests = (0..60).map(|number| gateways.ask(number % 3, number / 6)).collect();
    for answer in send_all(requests) {
        answer.ok();
    }
    assert_eq!(gateways.begun(), 10, "one for each of ten keys");
    assert!(gateways.backends.iter().all(|backend| backend.most_at_once() == 1));
    let listed = gateways.houses[0].get("/api/cache/entries").ok().json();
    assert_eq!(listed["total"], 10);
    gateways.houses[1].post("/api/cache/clear", &serde_json::json!({})).ok();
    eventually("the clear reaches all", || {
        gateways
            .houses
            .iter()
            .all(|house| house.get("/api/cache/entries").ok().json()["total"] == 0)
    });
}

#[test]
fn a_model_above_the_cap_is_everybodys_own_and_counted() {
    let gateways = Gateways::before(2, 1, Protocol::Generic, &["--redis-max-value", "100KiB"]);
    gateways.backends[0].padding(200_000);
    send(gateways.ask(0, 1)).ok();
    eventually("it is too large", || redis_stats(&gateways.houses[0])["oversized"] == 1);
    send(gateways.ask(1, 1)).ok();
    assert_eq!(gateways.begun(), 2);
    assert_eq!(
        send(ask(&gateways.houses[0], 1)).ok().cache_status(),
        "meshmemo; hit; detail=memory"
    );
}
