//! How long a request with a right key takes while 10,000 requests a second come with wrong ones;
//! beside as many that need no key, and beside none. Loopback, in one run, in turn.
//!
//! `cargo bench -p meshmemo-server --bench wrong_keys`

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use meshmemo_server::access::{KeyFile, KeyRecord, Role, Token};
use meshmemo_server::config::{Config, Given};
use meshmemo_server::http::serve;
use meshmemo_server::wire::{self, Parts};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// How long each turn takes, and how many there are of each kind.
const TURN: Duration = Duration::from_secs(2);
const TURNS: u64 = 4;
/// Requests of the flood: so many in a burst, and so often.
const BURST: usize = 100;
const BURST_EVERY: Duration = Duration::from_millis(10);
/// How often the right key asks.
const ASK_EVERY: Duration = Duration::from_millis(2);

fn main() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let keys = dir.path().join("keys.json");
    let right = add_key(&keys)?;
    let runtime = Runtime::new()?;
    let address = runtime.block_on(start(&keys))?;
    let wrong = Token::draw()?;
    let kinds = [
        ("none", None),
        ("no key needed", Some(request(address, "/api/health", ""))),
        ("wrong keys", Some(request(address, "/api/cache/stats", wrong.reveal()))),
    ];
    let mut figures = [const { Vec::new() }; 3];
    let mut floods = [0; 3];
    for _ in 0..TURNS {
        for (at, (_, flood)) in kinds.iter().enumerate() {
            let asked = request(address, "/api/cache/stats", right.reveal());
            let (took, sent) = turn(address, &asked, flood.as_deref())?;
            figures[at].extend(took);
            floods[at] += sent;
        }
    }
    let alone = percentiles(&mut figures[0]);
    for (at, (name, _)) in kinds.iter().enumerate() {
        let per_second = floods[at] / (TURN.as_secs() * TURNS);
        let took = percentiles(&mut figures[at]);
        let ratio = |of: usize| took[of].as_secs_f64() / alone[of].as_secs_f64();
        println!(
            "beside {name:<14} {per_second:>6}/s  p50 {:>9.2?} ({:.2})  p90 {:>9.2?} ({:.2})",
            took[0],
            ratio(0),
            took[1],
            ratio(1)
        );
    }
    Ok(())
}

fn add_key(path: &Path) -> Result<Token> {
    let token = Token::draw()?;
    let mut file = KeyFile::take(path)?;
    file.records.push(KeyRecord {
        id: token.id().to_owned(),
        name: "bench".to_owned(),
        role: Role::Read,
        namespace: "bench".to_owned(),
        regenerate: false,
        rpm: None,
        queue: None,
        bytes: None,
        created: 0,
        hash: token.hash().to_string(),
    });
    file.save()?;
    Ok(token)
}

async fn start(keys: &Path) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let keys = keys.display().to_string();
    let given = Given::from([("disk_max", "off".to_owned()), ("api_keys", keys)]);
    let config = Config::load(None, &given)?;
    let parts = Parts::new(&config, "bench")?;
    let state = wire::state(config, address, parts)?;
    tokio::spawn(serve(listener, state, std::future::pending()));
    Ok(address)
}

fn request(address: SocketAddr, path: &str, key: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nX-Meshmemo-Api-Key: {key}\r\n\r\n")
        .into_bytes()
}

/// Asks again and again for one turn, beside a flood; returns how long it took each time, and how
/// many requests the flood had answered.
fn turn(address: SocketAddr, asked: &[u8], flood: Option<&[u8]>) -> Result<(Vec<Duration>, u64)> {
    let (is_over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let took = thread::scope(|scope| {
        let flooding =
            flood.map(|flood| scope.spawn(|| send_bursts(address, flood, &is_over, &sent)));
        let took = ask(address, asked);
        is_over.store(true, Ordering::Relaxed);
        if let Some(flooding) = flooding {
            flooding.join().ok().context("the flood ended in a panic")??;
        }
        took
    })?;
    Ok((took, sent.into_inner()))
}

fn ask(address: SocketAddr, asked: &[u8]) -> Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let (begun, mut took) = (Instant::now(), Vec::new());
    while begun.elapsed() < TURN {
        let started_at = Instant::now();
        stream.write_all(asked)?;
        ensure!(read_answers(&mut stream, 1)?.starts_with(b"HTTP/1.1 200"), "it was refused");
        took.push(started_at.elapsed());
        thread::sleep(ASK_EVERY.saturating_sub(started_at.elapsed()));
    }
    Ok(took)
}

fn send_bursts(
    address: SocketAddr,
    flood: &[u8],
    is_over: &AtomicBool,
    sent: &AtomicU64,
) -> Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let burst = flood.repeat(BURST);
    while !is_over.load(Ordering::Relaxed) {
        let started_at = Instant::now();
        stream.write_all(&burst)?;
        read_answers(&mut stream, BURST)?;
        sent.fetch_add(BURST as u64, Ordering::Relaxed);
        thread::sleep(BURST_EVERY.saturating_sub(started_at.elapsed()));
    }
    Ok(())
}

/// Reads so many answers to their ends.
fn read_answers(stream: &mut TcpStream, mut count: usize) -> Result<Vec<u8>> {
    let (mut read, mut at) = (Vec::new(), 0);
    let mut piece = vec![0; 64 << 10];
    while count > 0 {
        let rest = &read[at..];
        let head = rest.windows(4).position(|window| window == b"\r\n\r\n");
        let end = head.map(|head| Ok::<_, anyhow::Error>(head + 4 + length(&rest[..head])?));
        match end.transpose()? {
            Some(end) if end <= rest.len() => {
                at += end;
                count -= 1;
            }
            _ => {
                let bytes = stream.read(&mut piece)?;
                ensure!(bytes > 0, "the connection was closed");
                read.extend_from_slice(&piece[..bytes]);
            }
        }
    }
    Ok(read)
}

fn length(head: &[u8]) -> Result<usize> {
    let head = std::str::from_utf8(head)?.to_lowercase();
    let value = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    Ok(value.context("an answer says how long it is")?.parse()?)
}

/// Returns the 50th and the 90th percentile.
fn percentiles(figures: &mut [Duration]) -> [Duration; 2] {
    figures.sort_unstable();
    [50, 90].map(|percent| figures[figures.len() * percent / 100])
}
