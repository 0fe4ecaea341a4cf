//! The memory engine beside its peers, in one run: nanoseconds an operation, and ratios.
//!
//! `lru` behind a mutex is the simplest exact LRU (it bounds the count only); `moka` scales further
//! and gives up exactness for it. Keys are 32 bytes, values an `Arc`, as in the result cache.
//!
//! `cargo bench -p meshmemo --bench memory`

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use meshmemo::{Cache, Digest};

const ENTRIES: u64 = 1_000;
const OPERATIONS: u64 = 200_000;
const ROUNDS: usize = 15;

type Value = Arc<[u8]>;

/// What is measured of each cache: a look-up that hits, and an insertion that evicts.
trait Peer: Sync {
    fn get(&self, key: &Digest) -> Option<Value>;
    fn insert(&self, key: Digest, value: Value);
}

impl Peer for Cache<Digest, Value> {
    fn get(&self, key: &Digest) -> Option<Value> {
        Self::get(self, key)
    }

    fn insert(&self, key: Digest, value: Value) {
        let _outcome = Self::insert(self, key, value);
    }
}

impl Peer for Mutex<lru::LruCache<Digest, Value>> {
    fn get(&self, key: &Digest) -> Option<Value> {
        self.lock().expect("nobody panics").get(key).cloned()
    }

    fn insert(&self, key: Digest, value: Value) {
        let evicted = self.lock().expect("nobody panics").push(key, value);
        drop(evicted);
    }
}

impl Peer for moka::sync::Cache<Digest, Value> {
    fn get(&self, key: &Digest) -> Option<Value> {
        Self::get(self, key)
    }

    fn insert(&self, key: Digest, value: Value) {
        Self::insert(self, key, value);
    }
}

fn key(number: u64) -> Digest {
    Digest::of(&number.to_le_bytes())
}

fn main() {
    let entries = usize::try_from(ENTRIES).expect("it is small");
    let ours: Cache<Digest, Value> = Cache::builder()
        .max_entries(entries)
        .max_bytes(1 << 30)
        .weigher(|_, value: &Value| value.len() as u64)
        .build();
    let lru = Mutex::new(lru::LruCache::new(NonZeroUsize::new(entries).expect("it is not zero")));
    let moka = moka::sync::Cache::new(ENTRIES);
    let peers: [(&str, &dyn Peer); 3] =
        [("meshmemo", &ours), ("Mutex<lru>", &lru), ("moka", &moka)];
    println!("{ENTRIES} entries, {OPERATIONS} operations a round, median of {ROUNDS} rounds");
    for (name, threads, is_insert) in
        [("get, hit", 1, false), ("get, hit", 2, false), ("insert, evicting", 1, true)]
    {
        row(name, threads, &peers, is_insert);
    }
}

/// Measures the peers in turn, so that a drift of the machine's speed meets all of them.
fn row(name: &str, threads: u64, peers: &[(&str, &dyn Peer)], is_insert: bool) {
    let value: Value = vec![0; 64].into();
    let keys: Vec<_> = (0..ENTRIES).map(key).collect();
    let fresh: Vec<_> = (0..OPERATIONS).map(|number| key(number + ENTRIES)).collect();
    let mut figures = vec![Vec::new(); peers.len()];
    for _ in 0..ROUNDS {
        for ((_, peer), figures) in peers.iter().zip(&mut figures) {
            for key in &keys {
                peer.insert(*key, Arc::clone(&value));
            }
            let started_at = Instant::now();
            thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        if is_insert {
                            for key in &fresh {
                                peer.insert(*key, Arc::clone(&value));
                            }
                        } else {
                            for key in keys.iter().cycle().take(fresh.len()) {
                                black_box(peer.get(key));
                            }
                        }
                    });
                }
            });
            figures.push(started_at.elapsed().as_nanos() / u128::from(OPERATIONS * threads));
        }
    }
    let medians: Vec<_> = figures.iter_mut().map(|figures| median(figures)).collect();
    for ((peer, _), nanoseconds) in peers.iter().zip(&medians) {
        #[expect(clippy::cast_precision_loss, reason = "nanoseconds are few")]
        let ratio = medians[0] as f64 / (*nanoseconds).max(1) as f64;
        println!(
            "{name:<18} {threads} threads  {peer:<12} {nanoseconds:>6} ns  ours/theirs {ratio:.2}"
        );
    }
}

fn median(figures: &mut [u128]) -> u128 {
    figures.sort_unstable();
    figures[figures.len() / 2]
}
