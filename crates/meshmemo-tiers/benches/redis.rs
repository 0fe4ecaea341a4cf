//! The shared tier beside `redis-benchmark`, with the same server, in one run, in turn.
//!
//! - put and get of 4 MiB: what passes in a second with as many at a time as `redis-benchmark` has
//!   clients, beside its SET and GET of as many bytes; the tier sums, seals and verifies, they do not;
//! - a remote hit: one entry is looked up, read and verified, the next one after it;
//! - the lease on a miss: it is taken, the tier is looked at once more, and it is given back.
//!
//! `cargo bench -p meshmemo-tiers --bench redis`

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use meshmemo::testing::{ManualClock, entry};
use meshmemo::{
    Acquired, Address, Entry, Key, Lease, Opened, Put, Released, Stored, SystemClock, Ticket, Tier,
    read_entry,
};
use meshmemo_tiers::testing::RedisServer;
use meshmemo_tiers::{Redis, RedisOptions};
use tokio::runtime::Runtime;

/// As in the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BODY_BYTES: usize = 4 << 20;
/// How many pass in a round.
const REQUESTS: usize = 200;
/// How many rounds there are of each; the best one counts, as neighbours of the machine only slow down.
const ROUNDS: usize = 3;
/// How many distinct entries there are.
const ENTRIES: usize = 16;
/// How often it is written until the full server is full.
const FILLS: usize = 4;
const CLIENTS: [usize; 3] = [1, 8, 50];

fn main() {
    let runtime = Runtime::new().expect("a runtime starts");
    // As it is recommended, and full: what is written takes the place of what is evicted.
    let full = ["--maxmemory", "2gb", "--maxmemory-policy", "allkeys-lfu"];
    let (full, roomy) = (RedisServer::start_with(&full), RedisServer::start());
    let tier = |server: &RedisServer| {
        Redis::new(RedisOptions::new(vec![server.url()], "a", Arc::new(SystemClock::new())))
    };
    let (redis, redis_full) = (tier(&roomy), tier(&full));
    let clock = ManualClock::new();
    let made =
        |number: usize| Arc::new(entry(&format!("cup {number}"), body(number as u64), &clock));
    let entries: Vec<_> = (0..ENTRIES).map(made).collect();
    println!(
        "entries of {} MiB, {REQUESTS} in each of {ROUNDS} rounds, the best one",
        BODY_BYTES >> 20
    );
    runtime.block_on(puts(&redis, &entries, 1));
    for _ in 0..FILLS {
        runtime.block_on(puts(&redis_full, &entries, 1));
    }
    redis_benchmark(roomy.port(), "set", 1);
    for clients in CLIENTS {
        let (mut put, mut get, mut set, mut plain_get) = (0.0_f64, 0.0_f64, 0.0_f64, 0.0_f64);
        for _ in 0..ROUNDS {
            put = put.max(rate(|| runtime.block_on(puts(&redis_full, &entries, clients))));
            set = set.max(redis_benchmark(full.port(), "set", clients));
            get = get.max(rate(|| runtime.block_on(gets(&redis, &entries, clients))));
            plain_get = plain_get.max(redis_benchmark(roomy.port(), "get", clients));
        }
        for (what, ours, theirs) in [("put", put, set), ("get", get, plain_get)] {
            let ratio = ours / theirs;
            println!(
                "{what}, {clients:2} at a time: {ours:4.0}/s, redis-benchmark {theirs:4.0}/s, ratio {ratio:.2}"
            );
        }
    }
    let hits: Vec<_> = (0..REQUESTS)
        .map(|number| time(|| runtime.block_on(get(&redis, &entries[number % ENTRIES]))))
        .collect();
    println!("a remote hit: p50 {:.2} ms, p99 {:.2} ms", ms(&hits, 50), ms(&hits, 99));
    let leases: Vec<_> =
        (0..1000).map(|number| time(|| runtime.block_on(lease(&redis, number)))).collect();
    println!("the lease on a miss: p50 {:.2} ms, p99 {:.2} ms", ms(&leases, 50), ms(&leases, 99));
}

/// Bytes like no others.
fn body(seed: u64) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..BODY_BYTES / 8).flat_map(next).collect()
}

async fn puts(redis: &Redis, entries: &[Arc<Entry>], clients: usize) {
    let put = |number: usize| async move {
        let put = redis.put(Arc::clone(&entries[number % ENTRIES]), Ticket::new()).await;
        assert_eq!(put.expect("Redis writes"), Put::Stored);
    };
    stream::iter((0..REQUESTS).map(put)).buffer_unordered(clients).collect::<()>().await;
}

async fn gets(redis: &Redis, entries: &[Arc<Entry>], clients: usize) {
    let get = |number: usize| get(redis, &entries[number % ENTRIES]);
    stream::iter((0..REQUESTS).map(get)).buffer_unordered(clients).collect::<()>().await;
}

async fn get(redis: &Redis, wanted: &Entry) {
    let opened = redis.open(Address::Key(wanted.meta().key)).await.expect("Redis reads");
    let Opened::Hit(stored) = opened else { panic!("it is there") };
    let read = read_entry(&*stored).await.expect("it is whole");
    assert_eq!(read.body().len(), BODY_BYTES);
}

/// What a lease adds to a miss: it is taken, the tier is looked at once more, and it is given back.
async fn lease(redis: &Redis, number: u32) {
    let mut key = [0; 32];
    key[..4].copy_from_slice(&number.to_le_bytes());
    let key = Key::from_bytes(key);
    let Ok(Acquired::Held(held)) = redis.acquire(key).await else { panic!("nobody has it") };
    let opened = redis.open(Address::Key(key)).await.expect("Redis reads");
    assert!(matches!(opened, Opened::Miss(_)));
    held.release(Released::GivenUp).await;
}

/// Returns how many requests its own benchmark sends in a second.
fn redis_benchmark(port: u16, test: &str, clients: usize) -> f64 {
    let program =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/redis/redis-benchmark");
    let arguments = [
        ["-p", &port.to_string()],
        ["-d", &BODY_BYTES.to_string()],
        ["-n", &REQUESTS.to_string()],
        ["-c", &clients.to_string()],
        ["-t", test],
    ];
    let output = Command::new(program).args(arguments.concat()).arg("--csv").output();
    let output = output.expect("`make tools` has installed it");
    let text = String::from_utf8(output.stdout).expect("it prints text");
    let line = text.lines().nth(1).expect("it prints a line of results");
    let rate = line.split(',').nth(1).expect("the second column is the rate");
    rate.trim_matches('"').parse().expect("a rate is a number")
}

fn rate(work: impl FnOnce()) -> f64 {
    f64::from(u32::try_from(REQUESTS).expect("they are few")) / time(work).as_secs_f64()
}

fn time(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

/// Returns a percentile in ms.
fn ms(times: &[Duration], percentile: usize) -> f64 {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[(times.len() * percentile / 100).min(times.len() - 1)].as_secs_f64() * 1000.0
}
