//! The scenarios that users were promised, through the running server with real photos. The
//! engine's own tests run the same ones without a server.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::answer::{mb, send_all};
use crate::house::{House, PHOTOS};

/// Returns what a coarse model of the horse weighs; its seed is not in its bytes.
fn size_of_a_horse() -> usize {
    House::start().coarse("horse.png", 0).body.len()
}

fn current_mb(house: &House) -> f64 {
    house.stats()["current_memory_mb"].as_f64().unwrap()
}

#[test]
fn a_stored_result_equals_the_retrieved_one_and_counters_are_exact() {
    let house = House::start();
    let (made, found) = (house.coarse("astronaut.png", 1), house.coarse("astronaut.png", 1));
    assert_eq!(made.cache_status(), "meshmemo; fwd=uri-miss; stored");
    assert_eq!(found.cache_status(), "meshmemo; hit; detail=memory");
    assert!(made.body == found.body && made.body.starts_with(b"glTF"));
    let names = ["hits", "misses", "coalesced", "bypasses", "generations", "current_items"];
    assert_eq!(house.counts(names), [1, 1, 0, 0, 1, 1]);
}

#[test]
fn five_results_are_five_exact_hits() {
    let house = House::start();
    let made = PHOTOS.map(|photo| house.coarse(photo, 0));
    for (photo, made) in PHOTOS.iter().zip(&made) {
        let found = house.coarse(photo, 0);
        assert_eq!(found.cache_status(), "meshmemo; hit; detail=memory", "{photo}");
        assert!(found.body == made.body, "{photo}");
    }
    assert_eq!(house.counts(["hits", "misses", "generations"]), [5, 5, 5]);
}

#[test]
fn four_hits_and_two_misses_are_two_thirds() {
    let house = House::start();
    for photo in ["horse", "horse", "chelsea", "horse", "chelsea", "horse"] {
        house.coarse(&format!("{photo}.png"), 0);
    }
    assert_eq!(house.counts(["hits", "misses"]), [4, 2]);
    assert_eq!(house.stats()["hit_rate_percent"].as_f64(), Some(66.67));
}

#[test]
fn a_result_is_accounted_to_the_byte_under_fifty_mb() {
    let house = House::with(&["--max-memory", "50MiB"]);
    let answer = house.generate("rocket.jpg", &[("quality", "2")]).ok();
    assert_eq!(answer.body.len().to_string(), answer.header("content-length"));
    let stats = house.stats();
    assert_eq!(stats["current_memory_mb"].as_f64(), Some(answer.size_mb()));
    assert_eq!(stats["max_memory_seen_mb"], stats["current_memory_mb"]);
    assert_eq!(stats["max_memory_mb"].as_f64(), Some(50.0));
    let percent = (answer.size_mb() / 50.0 * 10_000.0).round() / 100.0;
    assert_eq!(stats["memory_utilization_percent"].as_f64(), Some(percent));
}

#[test]
fn six_results_into_room_for_two_by_size() {
    let max_bytes = size_of_a_horse() * 5 / 2;
    let house = House::in_memory(&["--max-memory", &max_bytes.to_string(), "--max-entries", "3"]);
    for seed in 0..6 {
        house.coarse("horse.png", seed);
        let items = house.count("current_items");
        assert!(current_mb(&house) <= mb(max_bytes) && items <= 2, "{seed}: {items}");
    }
    let evictions = house.counts(["evictions", "evictions_by_size", "evictions_by_count"]);
    assert_eq!(evictions, [4, 4, 0]);
    assert!(house.stats()["max_memory_seen_mb"].as_f64().unwrap() <= mb(max_bytes));
    for seed in [5, 4] {
        let kept = house.coarse("horse.png", seed);
        assert_eq!(kept.cache_status(), "meshmemo; hit; detail=memory", "{seed}");
    }
    assert_eq!(house.coarse("horse.png", 0).cache_status(), "meshmemo; fwd=uri-miss; stored");
}

#[test]
fn six_results_into_room_for_three_by_count() {
    let house = House::with(&["--max-entries", "3"]);
    for seed in 0..6 {
        house.coarse("horse.png", seed);
        assert!(house.count("current_items") <= 3, "{seed}");
    }
    let names = ["current_items", "evictions", "evictions_by_size", "evictions_by_count"];
    assert_eq!(house.counts(names), [3, 3, 0, 3]);
}

#[test]
fn twenty_requests_for_ten_keys_by_five_workers_generate_ten_times() {
    let house = House::start();
    let start = Barrier::new(5);
    thread::scope(|scope| {
        for worker in 0..5 {
            let (house, start) = (&house, &start);
            scope.spawn(move || {
                start.wait();
                for round in 0..4 {
                    house.coarse("coffee.png", (worker + 5 * round) % 10);
                }
            });
        }
    });
    let [hits, coalesced, misses, generations] =
        house.counts(["hits", "coalesced", "misses", "generations"]);
    assert_eq!((hits + coalesced, misses, generations), (10, 10, 10));
}

#[test]
fn seventy_percent_duplicates_are_a_hit_rate_of_seventy() {
    let house = House::start();
    for n in 0..100 {
        house.coarse("horse.png", n * 7 % 30);
    }
    let [hits, coalesced, generations] = house.counts(["hits", "coalesced", "generations"]);
    assert_eq!((hits + coalesced, generations), (70, 30));
    assert_eq!(house.stats()["hit_rate_percent"].as_f64(), Some(70.0));
}

/// The one test that waits for time to pass.
#[test]
fn a_result_is_gone_after_its_second_and_generated_again_once() {
    let house = House::with(&["--ttl", "1s"]);
    let path = house.coarse("horse.png", 0).model_path();
    let is_gone = |_| {
        thread::sleep(Duration::from_millis(20));
        house.get(&path).status == 404
    };
    assert!((0..500).any(is_gone), "the result never expired");
    assert_eq!(house.coarse("horse.png", 0).cache_status(), "meshmemo; fwd=uri-miss; stored");
    let names = ["generations", "misses", "expirations", "evictions", "current_items"];
    assert_eq!(house.counts(names), [2, 2, 1, 0, 1]);
}

#[test]
fn a_hundred_results_fit_into_two_hundred_mb() {
    let house = House::with(&["--max-memory", "200MiB", "--concurrency", "2"]);
    let asked: Vec<_> = (0..100).map(|n| (PHOTOS[n % 5], n.to_string())).collect();
    for some in asked.chunks(20) {
        let fields = |seed| [("quality", "2"), ("seed", seed)];
        send_all(some.iter().map(|(photo, seed)| house.ask(photo, &fields(seed))).collect());
    }
    let names = ["current_items", "evictions", "unstored", "generations"];
    assert_eq!(house.counts(names), [100, 0, 0, 100]);
    assert!((25.0..=200.0).contains(&current_mb(&house)));
}

#[test]
fn a_thousand_results_are_all_kept() {
    let house = House::with(&["--max-memory", "200MiB", "--concurrency", "2"]);
    let seeds: Vec<_> = (0..1000).map(|seed: u32| seed.to_string()).collect();
    for some in seeds.chunks(50) {
        let ask = |seed| house.ask("horse.png", &[("quality", "1"), ("seed", seed)]);
        let answers = send_all(some.iter().map(|seed| ask(seed)).collect());
        assert!(answers.iter().all(|answer| answer.status == 200));
    }
    assert_eq!(house.counts(["current_items", "evictions", "generations"]), [1000, 0, 1000]);
    let first = house.coarse("horse.png", 0);
    assert_eq!(first.cache_status(), "meshmemo; hit; detail=memory");
}

#[test]
fn limits_are_raised_and_lowered_while_it_runs() {
    let house = House::with(&["--max-entries", "4"]);
    let change = |change| house.post("/api/cache/config", &change).ok().json();
    let size = (0..4).map(|seed| house.coarse("horse.png", seed).body.len()).max().unwrap();
    change(json!({ "max_size": 6 }));
    for seed in [4, 5] {
        house.coarse("horse.png", seed);
    }
    assert_eq!(house.counts(["current_items", "evictions"]), [6, 0]);
    assert_eq!(change(json!({ "max_size": 3 }))["config"]["max_size"], 3);
    assert_eq!(house.counts(["current_items", "evictions_by_count"]), [3, 3]);
    change(json!({ "max_memory_mb": 2.0 * mb(size) }));
    assert_eq!(house.counts(["current_items", "evictions_by_size"]), [2, 1]);
    change(json!({ "max_memory_mb": 50, "max_size": 100 }));
    for seed in [4, 5] {
        let kept = house.coarse("horse.png", seed);
        assert_eq!(kept.cache_status(), "meshmemo; hit; detail=memory", "{seed}");
    }
}

#[test]
fn thirty_workers_with_fifty_operations_each_are_counted_exactly() {
    let house = House::start();
    thread::scope(|scope| {
        for worker in 0..30 {
            let house = &house;
            scope.spawn(move || {
                let mut path = String::new();
                for operation in 0..50 {
                    match operation % 3 {
                        0 => {
                            path = house.coarse("horse.png", (worker + operation) % 4).model_path();
                        }
                        1 => drop(house.get(&path).ok()),
                        _ => drop(house.stats()),
                    }
                }
            });
        }
    });
    let names = ["hits", "misses", "coalesced", "bypasses", "generations", "current_items"];
    let [hits, misses, coalesced, bypasses, generations, items] = house.counts(names);
    assert_eq!(hits + misses + coalesced + bypasses, 30 * 17);
    assert_eq!((misses, bypasses, generations, items), (4, 0, 4, 4));
}

#[test]
fn a_hundred_at_once_with_seventy_duplicates_generate_each_key_once() {
    let house = House::start();
    let seeds: Vec<_> = (0..100).map(|n: u32| (n % 30).to_string()).collect();
    let ask = |seed| house.ask("horse.png", &[("quality", "1"), ("seed", seed)]);
    let answers = send_all(seeds.iter().map(|seed| ask(seed)).collect());
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.body == answers[0].body));
    assert_eq!(house.counts(["generations", "current_items"]), [30, 30]);
    assert!(house.stats()["hit_rate_percent"].as_f64().unwrap() >= 60.0);
}
