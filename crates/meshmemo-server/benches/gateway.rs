//! The gateway in front of `hunyuan3d-2`, beside Varnish with the module `bodyaccess`, which caches the
//! same POST: a repeat of an 800 KB photo whose model has some 4 MB, with one client and with many; and
//! what the gateway itself adds to a miss. Loopback, in one run, in turn.
//!
//! `make bench`, which unpacks Varnish, or `cargo bench -p meshmemo-server --bench gateway`

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

mod client;

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use meshmemo_gen::{Parameters, relief};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use client::{Client, percentile};

/// How often one client asks each.
const ROUNDS: usize = 300;
/// How many clients ask at a time, for how long, and how often in turn.
const CLIENTS: usize = 8;
const BURST: Duration = Duration::from_secs(3);
const BURSTS: usize = 3;
/// How many different requests are sent to the backend, each directly and through the gateway.
const MISSES: usize = 40;
/// How long Varnish may take to compile its configuration and start.
const START_WAIT: Duration = Duration::from_mins(1);

const TARGET: (&str, &str) = ("/generate", "application/json");

fn main() -> Result<()> {
    let runtime = Runtime::new()?;
    let photo = std::fs::read(in_repository("examples/images/astronaut.png"))?;
    let model = model()?;
    let backend = runtime.block_on(start_backend(model.clone()))?;
    let gateway = Gateway::start(backend)?;
    let varnish = Varnish::start(backend)?;
    let body = request(&photo, 0);
    println!(
        "{} kB posted, {} kB returned; on this machine {} cores",
        body.len() / 1000,
        model.len() / 1000,
        thread::available_parallelism()?
    );
    one_client(gateway.address, varnish.address, &body, &model)?;
    many_clients(gateway.address, varnish.address, &body)?;
    misses(gateway.address, backend, &photo)
}

/// One client, a repeat each time.
fn one_client(ours: SocketAddr, theirs: SocketAddr, body: &[u8], model: &[u8]) -> Result<()> {
    let mut ours = Client::connect(ours, TARGET, body)?;
    let mut theirs = Client::connect(theirs, TARGET, body)?;
    ensure!(ours.ask()?.0 == model && theirs.ask()?.0 == model, "both bring the model");
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        our_times.push(ours.ask()?.1);
        their_times.push(theirs.ask()?.1);
    }
    for percent in [50, 90, 99] {
        let our = percentile(&mut our_times, percent);
        let their = percentile(&mut their_times, percent);
        let ratio = their.as_secs_f64() / our.as_secs_f64();
        println!(
            "p{percent}   gateway {our:>9.2?}   Varnish {their:>9.2?}   {ratio:.2} times as fast"
        );
    }
    Ok(())
}

/// Many clients at once, in turn at the one and at the other.
fn many_clients(ours: SocketAddr, theirs: SocketAddr, body: &[u8]) -> Result<()> {
    let (mut our_rate, mut their_rate) = (0.0, 0.0);
    for _ in 0..BURSTS {
        our_rate += burst(ours, body)? / f64::from(u8::try_from(BURSTS)?);
        their_rate += burst(theirs, body)? / f64::from(u8::try_from(BURSTS)?);
    }
    println!(
        "{CLIENTS} clients   gateway {our_rate:.0}/s   Varnish {their_rate:.0}/s   {:.2} times as many",
        our_rate / their_rate
    );
    Ok(())
}

/// Returns how many requests were answered in a second.
fn burst(address: SocketAddr, body: &[u8]) -> Result<f64> {
    let answered = AtomicUsize::new(0);
    let started_at = Instant::now();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    let mut client = Client::connect(address, TARGET, body)?;
                    while started_at.elapsed() < BURST {
                        client.ask()?;
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        clients.into_iter().try_for_each(|client| client.join().expect("a client does not panic"))
    })?;
    let answered = f64::from(u32::try_from(answered.into_inner())?);
    Ok(answered / started_at.elapsed().as_secs_f64())
}

/// Different requests each time: what the gateway adds to what the backend takes.
fn misses(gateway: SocketAddr, backend: SocketAddr, photo: &[u8]) -> Result<()> {
    let (mut through, mut direct) = (Vec::new(), Vec::new());
    for seed in 1..=MISSES {
        let body = request(photo, seed);
        through.push(Client::connect(gateway, TARGET, &body)?.ask()?.1);
        direct.push(Client::connect(backend, TARGET, &body)?.ask()?.1);
    }
    let (through, direct) = (percentile(&mut through, 50), percentile(&mut direct, 50));
    println!(
        "miss p50   through the gateway {through:.2?}   the backend alone {direct:.2?}   {:.2?} more",
        through.saturating_sub(direct)
    );
    Ok(())
}

fn request(photo: &[u8], seed: usize) -> Vec<u8> {
    format!("{{\"image\": \"{}\", \"seed\": {seed}}}", STANDARD.encode(photo)).into_bytes()
}

/// What the model weighs.
const MODEL_BYTES: usize = 4_000_000;

/// Returns a GLB of 4 MB.
fn model() -> Result<Bytes> {
    let photo = std::fs::read(in_repository("examples/images/coffee.png"))?;
    let parameters = Parameters { quality: 6, ..Parameters::default() };
    let model = relief::generate(&photo, &parameters, &mut |_| ControlFlow::Continue(()))?;
    padded(model)
}

/// Adds a chunk that readers are to ignore.
fn padded(mut glb: Vec<u8>) -> Result<Bytes> {
    let more = u32::try_from(MODEL_BYTES.saturating_sub(glb.len() + 8) / 4 * 4)?;
    glb.extend(more.to_le_bytes());
    glb.extend(b"PAD ");
    glb.resize(glb.len() + usize::try_from(more)?, 0);
    let length = u32::try_from(glb.len())?;
    glb[8..12].copy_from_slice(&length.to_le_bytes());
    Ok(glb.into())
}

/// A backend that takes no time: it reads the request, and has the model at hand.
async fn start_backend(model: Bytes) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let answer = post(move |body: Bytes| async move {
        drop(body);
        model
    });
    let service = Router::new().route("/generate", answer).layer(DefaultBodyLimit::disable());
    tokio::spawn(async move { axum::serve(listener, service).await });
    Ok(address)
}

/// The program, as an operator runs it.
struct Gateway {
    child: Child,
    address: SocketAddr,
}

impl Gateway {
    fn start(backend: SocketAddr) -> Result<Self> {
        let url = format!("http://{backend}");
        let mut child = Command::new(env!("CARGO_BIN_EXE_meshmemo"))
            .args(["serve", "--listen", "127.0.0.1:0", "--backend", &url])
            .args(["--adapter", "hunyuan3d-2", "--model-id", "bench", "--disk-max", "off"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("it is piped")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().rsplit("http://").next().context("it says where")?.parse()?;
        Ok(Self { child, address })
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Varnish out of Debian's packages, as `xtask tools --bench` unpacks them.
struct Varnish {
    child: Child,
    address: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Varnish {
    fn start(backend: SocketAddr) -> Result<Self> {
        let root = in_repository("target/tools/varnish");
        let libraries = root.join("usr/lib").join(library_directory(&root)?);
        let directory = tempfile::tempdir()?;
        let vcl = directory.path().join("post.vcl");
        std::fs::write(&vcl, configuration(backend))?;
        let address = free_port()?;
        let vmods = format!("vmod_path={}", libraries.join("varnish/vmods").display());
        let mut child = Command::new(root.join("usr/sbin/varnishd"))
            .env("LD_LIBRARY_PATH", &libraries)
            .args(["-F", "-j", "none", "-s", "malloc,1G", "-p", &vmods])
            .args(["-a", &address.to_string()])
            .args([Path::new("-n"), &directory.path().join("state"), Path::new("-f"), &vcl])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("Varnish does not start: run `make bench`, which unpacks it")?;
        let started_at = Instant::now();
        while TcpStream::connect(address).is_err() {
            if child.try_wait()?.is_some() || started_at.elapsed() > START_WAIT {
                end(&mut child);
                bail!("Varnish does not listen");
            }
        }
        Ok(Self { child, address, _directory: directory })
    }
}

impl Drop for Varnish {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Caches POST by its body, for an hour.
fn configuration(backend: SocketAddr) -> String {
    let (host, port) = (backend.ip(), backend.port());
    format!(
        "vcl 4.1;
        import std;
        import bodyaccess;
        backend default {{ .host = \"{host}\"; .port = \"{port}\"; }}
        sub vcl_recv {{
            if (req.method == \"POST\") {{
                std.cache_req_body(16MB);
                set req.http.X-Method = req.method;
                return (hash);
            }}
        }}
        sub vcl_hash {{ bodyaccess.hash_req_body(); }}
        sub vcl_backend_fetch {{ set bereq.method = bereq.http.X-Method; }}
        sub vcl_backend_response {{ set beresp.ttl = 1h; }}
        "
    )
}

/// Returns the name of the machine's directory of libraries.
fn library_directory(root: &Path) -> Result<PathBuf> {
    let mut directories = std::fs::read_dir(root.join("usr/lib"))
        .context("Varnish is not unpacked: run `make bench`")?
        .filter_map(Result::ok)
        .filter(|entry| entry.path().join("varnish").is_dir());
    let found = directories.next().context("Varnish has no modules")?;
    Ok(found.file_name().into())
}

fn free_port() -> Result<SocketAddr> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Ends a process as an operator does: Varnish has a child of its own to take along.
fn end(child: &mut Child) {
    let _gone_already = Command::new("kill").arg(child.id().to_string()).status();
    let _reaped = child.wait();
}

fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}
