//! One holder per key, also among connections that know nothing of one another; nobody takes back what
//! another one holds.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use meshmemo::testing::{ManualClock, entry};
use meshmemo::{Acquired, HeldLease, Key, Lease, Put, Released, Stored, SystemClock, Ticket, Tier};
use meshmemo_tiers::testing::RedisServer;
use meshmemo_tiers::{Redis, RedisOptions};

const KEY: [u8; 32] = [7; 32];

fn gateway(server: &RedisServer, node: &str) -> Redis {
    let mut options = RedisOptions::new(vec![server.url()], node, Arc::new(SystemClock::new()));
    options.lease = Duration::from_secs(1);
    options.max_value_bytes = 1000;
    Redis::new(options)
}

fn lease_name() -> String {
    format!("meshmemo:{{{}}}:lease", Key::from_bytes(KEY))
}

async fn held(redis: &Redis) -> Box<dyn HeldLease> {
    match redis.acquire(Key::from_bytes(KEY)).await.unwrap() {
        Acquired::Held(held) => held,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_one_waits_until_it_is_given_back_and_one_that_is_held_lives_on() {
    let server = RedisServer::start();
    let (first, second) = (gateway(&server, "a"), gateway(&server, "b"));
    let holding = held(&first).await;
    let mut waiting = Box::pin(held(&second));
    // For longer than a lease lasts that is not renewed.
    let beyond = tokio::time::timeout(Duration::from_millis(2500), &mut waiting).await;
    assert!(beyond.is_err(), "it is renewed");
    holding.release(Released::GivenUp).await;
    tokio::time::timeout(Duration::from_secs(1), waiting).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_whose_holder_has_died_ends_by_itself() {
    let server = RedisServer::start();
    let (first, second) = (gateway(&server, "a"), gateway(&server, "b"));
    drop(held(&first).await);
    tokio::time::timeout(Duration::from_secs(3), held(&second)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_comes_back_after_its_time_gives_back_nobody_elses() {
    let server = RedisServer::start();
    let (first, second) = (gateway(&server, "a"), gateway(&server, "b"));
    let late = held(&first).await;
    server.command(&format!("DEL {}", lease_name()));
    let holding = held(&second).await;
    let token = server.command(&format!("GET {}", lease_name()));
    late.release(Released::Published).await;
    assert_eq!(server.command(&format!("GET {}", lease_name())), token, "it is still held");
    holding.release(Released::GivenUp).await;
    assert_eq!(server.command(&format!("GET {}", lease_name())).as_deref(), Some("$-1\r\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_to_be_shared_needs_no_lease() {
    let server = RedisServer::start();
    let redis = gateway(&server, "a");
    let large = entry("large", vec![1; 1001], &ManualClock::new());
    let key = large.meta().key;
    assert_eq!(redis.put(Arc::new(large), Ticket::new()).await.unwrap(), Put::TooLarge);
    assert!(matches!(redis.acquire(key).await.unwrap(), Acquired::Exempt));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_the_wait_for_a_lease_ends_with_an_error_at_once() {
    let mut server = RedisServer::start();
    let redis = gateway(&server, "a");
    let holding = held(&redis).await;
    server.stop();
    let refused = tokio::time::timeout(Duration::from_secs(3), redis.acquire(Key::from_bytes(KEY)));
    assert!(refused.await.unwrap().is_err());
    // Giving back what nobody can take does not wait either.
    tokio::time::timeout(Duration::from_secs(3), holding.release(Released::GivenUp)).await.unwrap();
    assert!(redis.acquire(Key::from_bytes(KEY)).now_or_never().is_none_or(|it| it.is_err()));
}
