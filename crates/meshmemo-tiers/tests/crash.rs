//! Nothing that was acknowledged is lost, and nothing torn is served, whenever the process is killed.
//!
//! A child process writes, replaces, removes, clears and reads, and tells of each operation before
//! it begins and after it has ended. It is killed by SIGKILL at a random moment, again and again on
//! the same directory. After each kill every entry must be what was last acknowledged, or what was
//! on its way just then, whole.
//!
//! `MESHMEMO_CRASH_ROUNDS` says how often; `make crash` kills 2,000 times.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![expect(clippy::disallowed_methods, reason = "a test asks its environment and its own random")]

use std::collections::{BTreeMap, HashMap};
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use meshmemo::testing::{ManualClock, entry};
use meshmemo::{
    Address, Clock, Digest, Entry, Filter, Meta, Opened, Put, Selector, Stored, SystemClock,
    Ticket, Tier, read_entry,
};
use meshmemo_tiers::{Disk, DiskOptions, Durability, FsckOptions, fsck};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::RwLock;

const DIRECTORY: &str = "MESHMEMO_CRASH_DIRECTORY";
const SEED: &str = "MESHMEMO_CRASH_SEED";
const ROUNDS: &str = "MESHMEMO_CRASH_ROUNDS";
const KEYS: u64 = 24;
const WRITERS: u64 = 4;
const WAIT: Duration = Duration::from_mins(1);

/// What a key holds: the version that was written last, or nothing.
type Held = Option<u64>;

/// Numbers that look random, from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound
    }
}

fn disk(root: &Path, seed: u64) -> Disk {
    let mut options = DiskOptions::new(root, 1 << 30, Arc::new(SystemClock::new()));
    // Both ways lose nothing to a kill; they differ in what else happens between the steps.
    options.durability = if seed.is_multiple_of(2) { Durability::None } else { Durability::Full };
    Disk::open(options).unwrap()
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// The entry of a key in a version, which says in its label which one it is.
fn version(key: u64, version: u64) -> Entry {
    let mut random = Random(version | 1);
    let length = match random.below(8) {
        0 => 0,
        1..=4 => random.below(20_000),
        5 | 6 => random.below(1_500_000),
        _ => (1 << 20) * (1 + random.below(2)),
    };
    let mut body = version.to_le_bytes().repeat(usize::try_from(length / 8).unwrap());
    body.extend_from_slice(&[7; 3]);
    let plain = entry(&key.to_string(), body, &ManualClock::new());
    let meta = Meta { label: version.to_string(), ..plain.meta().clone() };
    Entry::whole(meta, plain.body().clone()).unwrap()
}

fn key(key: u64) -> meshmemo::Key {
    version(key, 0).meta().key
}

/// The child's part. Without a directory it is not the child, and has nothing to do.
#[test]
fn child() {
    let Ok(root) = env::var(DIRECTORY) else { return };
    let seed: u64 = env::var(SEED).unwrap().parse().unwrap();
    let runtime = runtime();
    let disk = Arc::new(disk(Path::new(&root), seed));
    let calm = Arc::new(RwLock::new(()));
    let writers = (0..WRITERS).map(|writer| {
        let (disk, calm) = (Arc::clone(&disk), Arc::clone(&calm));
        runtime.spawn(async move { work(&disk, &calm, writer, seed).await })
    });
    let writers: Vec<_> = writers.collect();
    runtime.block_on(async {
        for writer in writers {
            writer.await.unwrap();
        }
    });
}

/// Writes a line at once: a killed process leaves nothing in a buffer.
fn say(line: &str) {
    std::io::stdout().lock().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// Works on keys that are this writer's alone, so that each key has one history.
async fn work(disk: &Disk, calm: &RwLock<()>, writer: u64, seed: u64) {
    let mut random = Random(seed.wrapping_mul(WRITERS).wrapping_add(writer) | 1);
    loop {
        let name = random.below(KEYS / WRITERS) * WRITERS + writer;
        match random.below(100) {
            0 if writer == 0 => {
                let _alone = calm.write().await;
                say("op begin clear");
                disk.remove(Selector::All).await.unwrap();
                say("op clear");
            }
            1 if writer == 1 => {
                let _alone = calm.write().await;
                let digit = random.below(9) + 1;
                say(&format!("op begin purge {digit}"));
                let label_prefix = Some(digit.to_string());
                let filter = Filter { label_prefix, ..Filter::default() };
                disk.remove(Selector::Matching(filter)).await.unwrap();
                say(&format!("op purge {digit}"));
            }
            0..=9 => {
                let _with_others = calm.read().await;
                say(&format!("op begin remove {name}"));
                disk.remove(Selector::Key(key(name))).await.unwrap();
                say(&format!("op remove {name}"));
            }
            10..=39 => read(disk, name).await,
            _ => {
                let _with_others = calm.read().await;
                let number = random.below(1 << 40) + 1;
                let entry = Arc::new(version(name, number));
                say(&format!("op begin store {name} {number}"));
                let put = disk.put(entry, Ticket::new()).await.unwrap();
                assert_eq!(put, Put::Stored);
                say(&format!("op store {name} {number}"));
            }
        }
    }
}

async fn read(disk: &Disk, name: u64) {
    if let Some(torn) = held(disk, name).await.err() {
        say(&format!("op torn {name}: {torn}"));
    }
}

/// Returns which version of a key is served, or what is wrong with it.
async fn held(disk: &Disk, name: u64) -> Result<Held, String> {
    let opened = disk.open(Address::Key(key(name))).await.map_err(|error| error.to_string())?;
    let Opened::Hit(stored) = opened else { return Ok(None) };
    let read = read_entry(&*stored).await.map_err(|error| error.to_string())?;
    let number: u64 = read.meta().label.parse().map_err(|_| "a label that was never written")?;
    let written = version(name, number);
    if read.meta().digest != Digest::of(read.body()) || read.body() != written.body() {
        return Err(format!("version {number} is not what was written"));
    }
    Ok(Some(number))
}

/// What the parent knows of the child's directory.
#[derive(Default)]
struct Ledger {
    held: HashMap<u64, u64>,
    /// What had begun and not ended: a version on its way, or a removal.
    pending: HashMap<u64, Held>,
    is_clearing: bool,
    /// The first digit of the versions that are being purged.
    purging: Option<char>,
    counts: BTreeMap<&'static str, u64>,
}

impl Ledger {
    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// Follows one line of the child.
    fn note(&mut self, line: &str) {
        let Some((_, op)) = line.split_once("op ") else { return };
        let words: Vec<_> = op.split(' ').collect();
        let number = |word: &str| word.parse::<u64>().unwrap();
        match words[..] {
            ["begin", "clear"] => self.is_clearing = true,
            ["clear"] => {
                self.is_clearing = false;
                self.held.clear();
                self.count("clears acknowledged");
            }
            ["begin", "purge", digit] => self.purging = digit.chars().next(),
            ["purge", digit] => {
                self.purging = None;
                self.held.retain(|_, version| !version.to_string().starts_with(digit));
                self.count("purges acknowledged");
            }
            ["begin", "remove", key] => drop(self.pending.insert(number(key), None)),
            ["begin", "store", key, version] => {
                self.pending.insert(number(key), Some(number(version)));
            }
            ["remove", key] => {
                self.pending.remove(&number(key));
                self.held.remove(&number(key));
                self.count("removals acknowledged");
            }
            ["store", key, version] => {
                self.pending.remove(&number(key));
                self.held.insert(number(key), number(version));
                self.count("stores acknowledged");
            }
            _ => panic!("the child says: {line}"),
        }
    }

    /// Compares the directory with what was acknowledged, and takes over what was on its way.
    async fn check(&mut self, disk: &Disk, when: &str) {
        for name in 0..KEYS {
            let found = held(disk, name).await;
            let found = found.unwrap_or_else(|torn| panic!("torn, {when}: key {name}: {torn}"));
            let acknowledged = self.held.get(&name).copied();
            let mut allowed = vec![acknowledged];
            allowed.extend(self.pending.get(&name).copied());
            let is_purging = |version: u64| {
                self.purging.is_some_and(|digit| version.to_string().starts_with(digit))
            };
            if self.is_clearing || acknowledged.is_some_and(is_purging) {
                allowed.push(None);
            }
            assert!(
                allowed.contains(&found),
                "{when}: key {name} has {found:?}, but may have {allowed:?}"
            );
            if found.is_some() {
                self.count("entries found whole");
            }
            if found.is_some() && found != acknowledged {
                self.count("entries found that were on their way");
            }
        }
    }

    async fn settle(&mut self, disk: &Disk) {
        self.count(if self.pending.is_empty() {
            "kills between writes"
        } else {
            "kills in writes"
        });
        if self.is_clearing {
            self.count("kills in a clear");
        }
        self.held.clear();
        for name in 0..KEYS {
            if let Some(number) = held(disk, name).await.unwrap() {
                self.held.insert(name, number);
            }
        }
        self.pending.clear();
        self.is_clearing = false;
        self.purging = None;
    }
}

/// Writes a line that the test runner does not keep to itself.
fn tell(line: &str) {
    writeln!(std::io::stderr().lock(), "{line}").unwrap();
}

/// Starts a child, follows it for a while, and kills it.
fn kill_one(root: &Path, seed: u64, ledger: &mut Ledger) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(DIRECTORY, root)
        .env(SEED, seed.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let lines_before = random.below(80);
    let pause = Duration::from_micros(random.below(6_000));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut ops = 0;
    for line in lines.by_ref().map(Result::unwrap) {
        ledger.note(&line);
        ops += u64::from(line.contains("op "));
        if ops > lines_before {
            break;
        }
    }
    // The moment of the kill is what is random here.
    thread::sleep(pause);
    end(&mut child);
    lines.map(Result::unwrap).for_each(|line| ledger.note(&line));
}

fn end(child: &mut Child) {
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "{status}");
}

#[test]
fn a_kill_at_any_moment_loses_nothing_and_tears_nothing() {
    let rounds: u64 = env::var(ROUNDS).map_or(200, |rounds| rounds.parse().unwrap());
    let first_seed = SystemClock::new().wall().as_secs() << 16;
    tell(&format!("crash test: {rounds} rounds, the first seed is {first_seed}"));
    let dir = tempfile::tempdir().unwrap();
    let runtime = runtime();
    let mut ledger = Ledger::default();
    for round in 0..rounds {
        let seed = first_seed + round;
        kill_one(dir.path(), seed, &mut ledger);
        if round.is_multiple_of(20) {
            let report = fsck(&FsckOptions { root: dir.path().into(), repair: false }, |_| {});
            let report = report.unwrap();
            assert!(report.is_clean(), "seed {seed}: {report:?}");
        }
        runtime.block_on(async {
            let disk = disk(dir.path(), seed);
            ledger.check(&disk, &format!("seed {seed}, at the start")).await;
            assert!(disk.ready(WAIT).await);
            ledger.check(&disk, &format!("seed {seed}, with the index")).await;
            ledger.settle(&disk).await;
            disk.validate();
        });
    }
    tell(&format!("{rounds} kills by SIGKILL, 0 acknowledged entries lost, 0 torn ones served:"));
    ledger.counts.iter().for_each(|(what, count)| tell(&format!("{count:>8} {what}")));
    let happened =
        ["kills in writes", "stores acknowledged", "removals acknowledged", "purges acknowledged"];
    for what in happened {
        assert!(ledger.counts.get(what).is_some_and(|count| *count > 0), "there were no {what}");
    }
}
