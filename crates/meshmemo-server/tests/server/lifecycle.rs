//! Ends in order, stands clients that are slow, and sends away whom it has no room for.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::thread;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use crate::answer::{send, try_send};
use crate::house::{House, read_photo};

const FINE: (&str, &str) = ("quality", "10");

/// Returns the head of a generation request whose JSON has this length.
fn head_of_json(house: &House, length: usize) -> String {
    let host = &house.host;
    format!(
        "POST /api/generate HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}

/// Photos whose fine models take the longest.
const SLOW: [&str; 2] = ["astronaut.png", "coffee.png"];

fn is_working(house: &House) -> bool {
    house.working_and_queued().0 == 1
}

#[test]
fn who_waits_for_a_generation_when_the_server_is_ended_still_gets_it() {
    let mut house = House::start();
    let answer = thread::scope(|scope| {
        let asked = scope.spawn(|| house.generate("astronaut.png", &[FINE]));
        house.wait_until(is_working);
        house.terminate();
        asked.join().unwrap()
    });
    assert!(answer.ok().body.starts_with(b"glTF"));
    assert_eq!(house.wait().code(), Some(0));
}

/// The answer was sent, and still the exit code told of a connection that was dropped: the drain
/// counted connections whose tasks had not yet noticed that they were done.
#[test]
fn a_drain_that_dropped_nothing_ends_with_zero() {
    for round in 0..8 {
        let mut house = House::start();
        thread::scope(|scope| {
            let asked = scope.spawn(|| house.generate("horse.png", &[("quality", "9")]));
            house.wait_until(is_working);
            house.terminate();
            asked.join().unwrap().ok();
        });
        assert_eq!(house.wait().code(), Some(0), "round {round}");
    }
}

/// Asks on an open connection whether the server is ready; returns the status.
fn ready_on(mut connection: &TcpStream) -> u16 {
    connection.write_all(b"GET /api/ready HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = BufReader::new(connection);
    let mut line = String::new();
    let (mut status, mut length) = (0, 0);
    while answer.read_line(&mut line).unwrap() > 2 {
        let head = line.to_lowercase();
        if let Some(rest) = head.strip_prefix("http/1.1 ") {
            status = rest[..3].parse().unwrap();
        } else if let Some(rest) = head.strip_prefix("content-length: ") {
            length = rest.trim().parse().unwrap();
        }
        line.clear();
    }
    answer.read_exact(&mut vec![0; length]).unwrap();
    status
}

/// A generation may end before anybody has asked; half a body is under way for as long as the test
/// wants it to.
#[test]
fn a_server_that_drains_is_not_ready() {
    let mut house = House::start();
    let mut sending = TcpStream::connect(&house.host).unwrap();
    let head = head_of_json(&house, 1_000).replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    sending.write_all(head.as_bytes()).unwrap();
    let mut go_on = [0; 12];
    sending.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100");
    // New connections are not taken any more: this one is open already.
    let asking = TcpStream::connect(&house.host).unwrap();
    assert_eq!(ready_on(&asking), 200);
    house.terminate();
    house.wait_until(|_| ready_on(&asking) == 503);
    drop(sending);
    assert_eq!(house.wait().code(), Some(0));
}

#[test]
fn a_server_with_nothing_to_do_ends_at_once_and_well() {
    let mut house = House::with(&["--drain-timeout", "1h"]);
    house.get("/api/health").ok();
    let _silent = TcpStream::connect(&house.host).unwrap();
    house.terminate();
    assert_eq!(house.wait().code(), Some(0));
}

/// Half a head is no request under way, and yet the end waited for it, and told of a failure.
#[test]
fn half_a_head_does_not_hold_up_the_end() {
    let mut house = House::with(&["--drain-timeout", "2s"]);
    let mut slow = TcpStream::connect(&house.host).unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: lo").unwrap();
    house.get("/api/health").ok();
    house.terminate();
    assert_eq!(house.wait().code(), Some(0));
}

#[test]
fn what_does_not_end_within_the_drain_timeout_is_dropped_and_told() {
    let mut house = House::with(&["--drain-timeout", "1ms"]);
    thread::scope(|scope| {
        let asked = scope.spawn(|| try_send(house.ask("astronaut.png", &[FINE])));
        house.wait_until(is_working);
        house.terminate();
        assert!(asked.join().unwrap().is_err(), "the generation was to be cut off");
    });
    assert_eq!(house.wait().code(), Some(1));
}

#[test]
fn a_client_that_never_ends_its_head_blocks_nobody() {
    let house = House::start();
    let slow: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = TcpStream::connect(&house.host).unwrap();
            stream.write_all(b"POST /api/generate HTTP/1.1\r\nHost: lo").unwrap();
            stream
        })
        .collect();
    assert_eq!(house.coarse("horse.png", 0).cache_status(), "meshmemo; fwd=uri-miss; stored");
    drop(slow);
    house.get("/api/health").ok();
}

#[test]
fn a_client_that_leaves_cancels_nothing_for_the_next_one() {
    let house = House::start();
    let photo = BASE64_STANDARD.encode(read_photo("astronaut.png"));
    let body = json!({ "image": photo, "quality": 10 }).to_string();
    let mut leaving = TcpStream::connect(&house.host).unwrap();
    leaving.write_all(head_of_json(&house, body.len()).as_bytes()).unwrap();
    leaving.write_all(body.as_bytes()).unwrap();
    house.wait_until(is_working);
    drop(leaving);
    house.generate("astronaut.png", &[FINE]).ok();
    assert_eq!(house.counts(["generations", "current_items"]), [1, 1]);
}

/// Their bodies were reserved whole before they were there, and the budget was spent: even hits
/// were answered 503.
#[test]
fn clients_that_never_send_their_bodies_block_nobody() {
    let house = House::start();
    house.coarse("horse.png", 0);
    let slow: Vec<_> = (0..16)
        .map(|_| {
            let mut stream = TcpStream::connect(&house.host).unwrap();
            stream.write_all(head_of_json(&house, 64 << 20).as_bytes()).unwrap();
            stream
        })
        .collect();
    house.get("/api/health").ok();
    let hit = house.coarse("horse.png", 0);
    assert_eq!(hit.cache_status(), "meshmemo; hit; detail=memory");
    drop(slow);
}

#[test]
fn what_is_not_http_is_refused() {
    let house = House::start();
    let mut stream = TcpStream::connect(&house.host).unwrap();
    stream.write_all(b"\x16\x03\x01 what a browser says to https\r\n\r\n").unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 400 "), "{said}");
    house.get("/api/health").ok();
}

#[test]
fn who_finds_the_queue_full_is_told_to_come_back() {
    let house = House::with(&["--concurrency", "1", "--queue", "0"]);
    let (first, second) = thread::scope(|scope| {
        let first = scope.spawn(|| house.generate(SLOW[0], &[FINE]));
        house.wait_until(is_working);
        let second = house.generate(SLOW[1], &[FINE]);
        (first.join().unwrap(), second)
    });
    first.ok();
    second.problem(503);
    assert!(second.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(house.counts(["generations", "generation_failures", "current_items"]), [1, 0, 1]);
    house.generate(SLOW[1], &[("quality", "1")]).ok();
}

#[test]
fn a_hit_does_not_wait_in_the_queue() {
    let house = House::with(&["--concurrency", "1", "--queue", "0"]);
    house.coarse("horse.png", 0);
    thread::scope(|scope| {
        let slow = scope.spawn(|| house.generate(SLOW[0], &[FINE]));
        house.wait_until(is_working);
        let hit = house.coarse("horse.png", 0);
        assert_eq!(hit.cache_status(), "meshmemo; hit; detail=memory");
        slow.join().unwrap().ok();
    });
}

#[test]
fn a_generation_that_takes_too_long_is_504_and_its_place_is_free_again() {
    let house = House::with(&["--backend-timeout", "1ms"]);
    house.generate("astronaut.png", &[FINE]).problem(504);
    house.wait_until(|house| house.working_and_queued() == (0, 0));
    assert_eq!(house.counts(["generations", "generation_failures", "current_items"]), [0, 1, 0]);
}

#[test]
fn many_who_ask_for_the_same_share_one_generation() {
    let house = House::start();
    let answers = thread::scope(|scope| {
        let first = scope.spawn(|| house.generate("astronaut.png", &[FINE]));
        house.wait_until(is_working);
        let second = send(house.ask("astronaut.png", &[FINE]));
        [first.join().unwrap(), second]
    });
    assert!(answers[0].body == answers[1].body);
    assert_eq!(answers[1].cache_status(), "meshmemo; fwd=uri-miss; collapsed");
    assert_eq!(house.counts(["generations", "misses", "coalesced"]), [1, 1, 1]);
}
