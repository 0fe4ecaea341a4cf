//! Many at a time: one generation for all who ask for the same, and never more at once than the backend
//! can bear.

use std::thread;

use reqwest::RequestBuilder;
use serde_json::json;

use crate::answer::{Answer, RUNTIME, send, send_all, start, try_send};
use crate::gateway::{Gateway, base64, body};
use crate::stand_in::Turn;

/// The same request in so many words, the native door among them.
fn in_other_words(gateway: &Gateway, index: usize) -> RequestBuilder {
    let image = base64("coffee.png");
    let broken = |width: usize| {
        let lines: Vec<_> = image.as_bytes().chunks(width).map(String::from_utf8_lossy).collect();
        lines.join("\\n")
    };
    match index % 5 {
        0 => gateway.raw("/generate", format!("{{\"image\": \"{image}\"}}")),
        1 => gateway.raw("/generate", format!("{{\"seed\": 1234, \"image\":\"{image}\"}}")),
        2 => gateway.raw("/generate", format!("{{\"image\":\"{}\"}}", broken(60 + index))),
        3 => gateway.raw(
            "/generate",
            format!("{{\"guidance_scale\":5,\"texture\":false,\"image\":\"{image}\"}}"),
        ),
        _ => gateway.by_door("coffee.png", &[]),
    }
}

#[test]
fn two_hundred_who_ask_for_the_same_in_different_words_cost_one_generation() {
    let gateway = Gateway::with("hunyuan3d-2", &["--queue", "0"]);
    gateway.backend.close_gate();
    let requests = (0..200).map(|index| in_other_words(&gateway, index)).collect();
    let answers = thread::scope(|scope| {
        let waiting = scope.spawn(|| send_all(requests));
        gateway.backend.wait_until_begun(1);
        gateway.house.wait_until(|house| house.open_requests() >= 200);
        gateway.backend.open_gate();
        waiting.join().unwrap()
    });
    let first = answers[0].clone().ok();
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.body == first.body));
    assert_eq!(gateway.backend.begun(), 1);
    let [misses, hits, coalesced, generations] =
        gateway.house.counts(["misses", "hits", "coalesced", "generations"]);
    assert_eq!((misses, hits + coalesced, generations), (1, 199, 1));
}

#[test]
fn the_backend_works_on_one_at_a_time_and_first_come_is_first_served() {
    const REQUESTS: usize = 100;
    let gateway = Gateway::with("generic", &["--queue", "200"]);
    gateway.backend.close_gate();
    let ask = |seed: usize| {
        gateway.ask("/v1/3d/generations", &body("horse.png", &json!({ "seed": seed })))
    };
    thread::scope(|scope| {
        let mut waiting = Vec::new();
        for seed in 0..REQUESTS {
            let request = ask(seed);
            waiting.push(scope.spawn(move || send(request)));
            // The next one comes when this one stands in the line.
            let wanted = (1, seed as u64);
            gateway.house.wait_until(|house| house.working_and_queued() == wanted);
        }
        gateway.backend.open_gate();
        for answer in waiting {
            answer.join().unwrap().ok();
        }
    });
    assert_eq!((gateway.backend.begun(), gateway.backend.most_at_once()), (REQUESTS, 1));
    let bodies = gateway.backend.generations();
    let seeds: Vec<_> = bodies
        .iter()
        .map(|body| serde_json::from_slice::<serde_json::Value>(body).unwrap()["seed"].as_u64())
        .collect();
    assert_eq!(seeds, (0..REQUESTS as u64).map(Some).collect::<Vec<_>>());
}

#[test]
fn who_leaves_the_line_frees_a_place_and_what_has_begun_goes_on() {
    let gateway = Gateway::with("generic", &["--queue", "1"]);
    let path = "/v1/3d/generations";
    let ask = |seed: u64| gateway.ask(path, &body("horse.png", &json!({ "seed": seed })));
    gateway.backend.close_gate();
    let first = start(ask(1));
    gateway.backend.wait_until_begun(1);
    let second = start(ask(2));
    gateway.house.wait_until(|house| house.working_and_queued() == (1, 1));
    let refused = send(ask(3));
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!(wait >= 1, "{refused:?}");
    assert!(refused.problem(503).contains("1 are waiting"));
    first.abort();
    second.abort();
    gateway.house.wait_until(|house| house.working_and_queued() == (1, 0));
    gateway.backend.open_gate();
    gateway.house.wait_until(|house| house.working_and_queued() == (0, 0));
    gateway.house.wait_until(|house| house.count("generations") == 1);
    // Whose generation had begun is answered from the cache, whose had not is generated.
    assert!(send(ask(1)).ok().cache_status().contains("hit"));
    assert_eq!(send(ask(2)).ok().cache_status(), "meshmemo; fwd=uri-miss; stored");
    assert_eq!(gateway.backend.begun(), 2);
}

#[test]
fn hits_and_followers_do_not_stand_in_the_line() {
    let gateway = Gateway::with("hunyuan3d-2", &["--queue", "0"]);
    let cached = body("horse.png", &json!({}));
    gateway.generate(&cached).ok();
    gateway.backend.close_gate();
    let slow = body("coffee.png", &json!({}));
    thread::scope(|scope| {
        let waiting =
            scope.spawn(|| send_all((0..5).map(|_| gateway.ask("/generate", &slow)).collect()));
        gateway.backend.wait_until_begun(2);
        assert!(gateway.generate(&cached).ok().cache_status().contains("hit"));
        assert_eq!(gateway.generate(&body("chelsea.png", &json!({}))).status, 503);
        gateway.backend.open_gate();
        assert!(waiting.join().unwrap().iter().all(|answer| answer.status == 200));
    });
}

/// Who wants another model made and leaves the line leaves no work for nobody behind.
#[test]
fn a_refresh_whose_client_has_left_leaves_the_line_too() {
    let gateway = Gateway::with("generic", &[]);
    let path = "/v1/3d/generations";
    let ask = |seed: u64| gateway.ask(path, &body("horse.png", &json!({ "seed": seed })));
    gateway.backend.close_gate();
    let first = start(ask(1));
    gateway.backend.wait_until_begun(1);
    let refresh = start(ask(2).header("cache-control", "no-cache"));
    gateway.house.wait_until(|house| house.working_and_queued() == (1, 1));
    refresh.abort();
    gateway.house.wait_until(|house| house.working_and_queued() == (1, 0));
    gateway.backend.open_gate();
    RUNTIME.block_on(first).unwrap().unwrap().ok();
    assert_eq!(gateway.backend.begun(), 1);
}

/// A backend that was too slow works on, and is not sent the next one meanwhile.
#[test]
fn a_place_is_taken_for_as_long_as_the_backend_works() {
    let gateway = Gateway::with("generic", &["--backend-timeout", "6s"]);
    let path = "/v1/3d/generations";
    let ask = |seed: u64| gateway.ask(path, &body("horse.png", &json!({ "seed": seed })));
    gateway.backend.close_gate();
    send(ask(1)).problem(504);
    assert_eq!(gateway.house.working_and_queued(), (1, 0), "it has its place");
    let next = start(ask(2));
    gateway.house.wait_until(|house| house.working_and_queued() == (1, 1));
    gateway.backend.open_gate();
    RUNTIME.block_on(next).unwrap().unwrap().ok();
    assert_eq!(gateway.backend.most_at_once(), 1);
}

/// Everybody who waits gets an answer when the gateway is told to end: the result, if that comes within
/// the time to drain, or else an error; and nobody hangs.
#[test]
fn a_gateway_that_ends_with_waiters_leaves_nobody_hanging() {
    for is_patient in [true, false] {
        let drain = if is_patient { "60s" } else { "1s" };
        let mut gateway = Gateway::with("hunyuan3d-2", &["--drain-timeout", drain]);
        let asked = body("coffee.png", &json!({}));
        gateway.backend.close_gate();
        let requests: Vec<_> = (0..20).map(|_| gateway.ask("/generate", &asked)).collect();
        let answers: Vec<Result<Answer, _>> = thread::scope(|scope| {
            let waiting: Vec<_> = requests
                .into_iter()
                .map(|request| scope.spawn(move || try_send(request)))
                .collect();
            gateway.backend.wait_until_begun(1);
            gateway.house.wait_until(|house| house.metric("meshmemo_in_flight") >= 1.0);
            gateway.house.wait_until(|house| house.open_requests() >= 20);
            gateway.house.terminate();
            if is_patient {
                gateway.house.wait_until_draining();
                gateway.backend.open_gate();
            }
            waiting.into_iter().map(|answer| answer.join().unwrap()).collect()
        });
        let status = gateway.house.wait();
        if is_patient {
            assert!(
                answers.iter().all(|answer| matches!(answer, Ok(answer) if answer.status == 200))
            );
            assert_eq!(status.code(), Some(0));
        } else {
            assert!(
                answers.iter().all(|answer| !matches!(answer, Ok(answer) if answer.status == 200))
            );
            assert_eq!(status.code(), Some(1));
        }
        gateway.backend.open_gate();
    }
}

#[test]
fn a_generation_whose_client_has_left_is_kept() {
    let gateway = Gateway::with("hunyuan3d-2", &[]);
    let asked = body("coffee.png", &json!({}));
    gateway.backend.close_gate();
    let leaving = start(gateway.ask("/generate", &asked));
    gateway.backend.wait_until_begun(1);
    leaving.abort();
    gateway.house.wait_until(|house| house.open_requests() == 0);
    gateway.backend.open_gate();
    gateway.house.wait_until(|house| house.count("generations") == 1);
    assert_eq!(gateway.generate(&asked).ok().cache_status(), "meshmemo; hit; detail=memory");
    gateway.backend.script([Turn::Exception]);
    assert_eq!(gateway.generate(&asked).status, 200);
    assert_eq!(gateway.backend.begun(), 1);
}
