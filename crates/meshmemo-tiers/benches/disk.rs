//! The disk tier beside what the operating system does with the same bytes, in one run, in turn.
//!
//! - store: an entry is put, beside a plain `write`, `fsync` (where the durability asks for it) and
//!   `rename`; both then unlink what was there before, under another name: a rename onto a file would
//!   make some file systems flush it at once;
//! - load: an entry is looked up, read and verified, beside `read()` of a file of the same bytes;
//! - start: a directory with 100,000 small entries is opened: the first look-up, and the index; with
//!   the saved order of use, and without it, as after a crash.
//!
//! `cargo bench -p meshmemo-tiers --bench disk`

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use meshmemo::testing::{ManualClock, entry};
use meshmemo::{Address, Clock, Entry, Opened, Put, Stored, SystemClock, Ticket, Tier, read_entry};
use meshmemo_tiers::envelope::seal;
use meshmemo_tiers::{Disk, DiskOptions, Durability};
use tokio::runtime::Runtime;

const BODY_BYTES: usize = 4 << 20;
const ROUNDS: usize = 150;
const ENTRIES: usize = 100_000;
const WAIT: Duration = Duration::from_mins(5);

fn main() {
    let runtime = Runtime::new().expect("a runtime starts");
    println!("entries of {} MiB, {ROUNDS} rounds", BODY_BYTES >> 20);
    for durability in [Durability::None, Durability::Data, Durability::Full] {
        store(&runtime, durability);
    }
    load(&runtime);
    start(&runtime);
}

/// Bytes that no file system stores in fewer.
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

fn disk(root: &Path, durability: Durability) -> Disk {
    let mut options = DiskOptions::new(root, 64 << 30, Arc::new(SystemClock::new()));
    options.durability = durability;
    Disk::open(options).expect("nobody else has the directory")
}

fn store(runtime: &Runtime, durability: Durability) {
    let dir = tempfile::tempdir().expect("there is a place for temporary files");
    let disk = disk(&dir.path().join("data"), durability);
    assert!(runtime.block_on(disk.ready(WAIT)));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let plain = |round: usize| dir.path().join(format!("plain {round}"));
        let body = body(round as u64);
        let entry = Arc::new(entry("cup", body.clone(), &ManualClock::new()));
        ours.push(time(|| {
            let put = runtime.block_on(disk.put(Arc::clone(&entry), Ticket::new()));
            assert_eq!(put.expect("the disk writes"), Put::Stored);
        }));
        theirs.push(time(|| {
            write_plainly(&plain(round), &body, durability);
            if let Some(before) = round.checked_sub(1) {
                fs::remove_file(plain(before)).expect("it is there");
            }
        }));
    }
    let name = format!("store, durability {}", durability.as_str());
    row(&name, &mut ours, "plain write", &mut theirs);
}

/// Does what the durability promises, and nothing more.
fn write_plainly(path: &Path, body: &[u8], durability: Durability) {
    let part = path.with_extension("part");
    let mut file = File::create(&part).expect("the file is made");
    file.write_all(body).expect("the file is written");
    if durability != Durability::None {
        file.sync_data().expect("the file is synced");
    }
    drop(file);
    fs::rename(&part, path).expect("the file is renamed");
    if durability == Durability::Full {
        let directory = path.parent().expect("a file is in a directory");
        File::open(directory).and_then(|it| it.sync_all()).expect("the directory is synced");
    }
}

fn load(runtime: &Runtime) {
    let dir = tempfile::tempdir().expect("there is a place for temporary files");
    let disk = disk(&dir.path().join("data"), Durability::None);
    assert!(runtime.block_on(disk.ready(WAIT)));
    let entry = entry("cup", body(1), &ManualClock::new());
    let put = runtime.block_on(disk.put(Arc::new(entry.clone()), Ticket::new()));
    assert_eq!(put.expect("the disk writes"), Put::Stored);
    let plain = dir.path().join("plain");
    write_plainly(&plain, entry.body(), Durability::None);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(time(|| {
            let read = runtime.block_on(read(&disk, &entry));
            assert_eq!(read.body().len(), BODY_BYTES);
        }));
        theirs.push(time(|| {
            let mut bytes = vec![0; BODY_BYTES];
            File::open(&plain).expect("it is there").read_exact(&mut bytes).expect("it is read");
            assert_eq!(bytes.len(), BODY_BYTES);
        }));
    }
    row("load, verified", &mut ours, "read()", &mut theirs);
}

async fn read(disk: &Disk, entry: &Entry) -> Entry {
    let opened = disk.open(Address::Key(entry.meta().key)).await.expect("the disk reads");
    let Opened::Hit(stored) = opened else { panic!("the entry is there") };
    read_entry(&*stored).await.expect("it is whole")
}

fn start(runtime: &Runtime) {
    let dir = tempfile::tempdir().expect("there is a place for temporary files");
    let last = fill(dir.path());
    for (name, keeps_recency) in [("as after a crash", false), ("with the saved order", true)] {
        if !keeps_recency {
            let _not_there = fs::remove_file(dir.path().join("recency"));
        }
        let started_at = Instant::now();
        let disk = disk(dir.path(), Durability::None);
        runtime.block_on(read(&disk, &last));
        let first = started_at.elapsed();
        assert!(runtime.block_on(disk.ready(WAIT)));
        let complete = started_at.elapsed();
        let entries = disk.status().usage.map_or(0, |usage| usage.entries);
        assert_eq!(entries, ENTRIES as u64);
        println!(
            "start with {entries} entries, {name}: first hit {first:.1?}, index {complete:.2?}"
        );
    }
}

/// Fills a directory with small entries, as a disk would have; returns the last one.
fn fill(root: &Path) -> Entry {
    let clock = ManualClock::new();
    let mut last = None;
    for number in 0..ENTRIES {
        let entry = entry(&number.to_string(), number.to_le_bytes().repeat(12), &clock);
        let meta = entry.meta();
        let directory = root.join("obj").join(&meta.key.to_string()[..2]);
        fs::create_dir_all(&directory).expect("the directory is made");
        let generation = clock.wall().as_micros();
        let name = format!("{}.{}.{}.{generation}", meta.key, meta.digest, meta.size_bytes);
        let bytes = [entry.body(), &seal(meta, entry.body())[..]].concat();
        fs::write(directory.join(name), bytes).expect("the file is written");
        last = Some(entry);
    }
    last.expect("there are entries")
}

fn time(work: impl FnOnce()) -> Duration {
    let started_at = Instant::now();
    work();
    started_at.elapsed()
}

fn row(name: &str, ours: &mut [Duration], peer: &str, theirs: &mut [Duration]) {
    for percent in [50, 90] {
        let (ours, theirs) = (percentile(ours, percent), percentile(theirs, percent));
        let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
        println!(
            "{name:<24} p{percent}  {ours:>9.2?}  {peer:<12} {theirs:>9.2?}  \
             theirs/ours {ratio:.2}"
        );
    }
}

fn percentile(figures: &mut [Duration], percent: usize) -> Duration {
    figures.sort_unstable();
    figures[figures.len() * percent / 100]
}
