//! A hit through HTTP, beside the least that HTTP can do: a handler that reads the same body and
//! returns the same bytes. One connection, loopback, in one run, in turn.
//!
//! `cargo bench -p meshmemo-server --bench hit`

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::routing::post;
use meshmemo_server::config::{Config, Given};
use meshmemo_server::http::serve;
use meshmemo_server::wire::{self, Parts};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const ROUNDS: usize = 400;
const READ_BYTES: usize = 256 << 10;

fn main() -> Result<()> {
    let photo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/images/coffee.png");
    let photo = std::fs::read(photo)?;
    let runtime = Runtime::new()?;
    let mut ours = Client::connect(runtime.block_on(start_ours())?, &photo)?;
    // Format and quality are such that the model has some 3.5 MB.
    let model = Bytes::from(ours.ask()?.0.to_vec());
    let mut plain = Client::connect(runtime.block_on(start_plain(model.clone()))?, &photo)?;

    let (mut hits, mut plains) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (body, took) = ours.ask()?;
        ensure!(body == model, "a hit has the bytes of the miss");
        hits.push(took);
        plains.push(plain.ask()?.1);
    }
    println!(
        "{} kB posted, {} kB returned, {ROUNDS} rounds",
        photo.len() / 1000,
        model.len() / 1000
    );
    for percent in [50, 90, 99] {
        let (hit, plain) = (percentile(&mut hits, percent), percentile(&mut plains, percent));
        let ratio = hit.as_secs_f64() / plain.as_secs_f64();
        println!("p{percent}  hit {hit:>10.2?}  plain handler {plain:>10.2?}  ratio {ratio:.2}");
    }
    Ok(())
}

fn percentile(figures: &mut [Duration], percent: usize) -> Duration {
    figures.sort_unstable();
    figures[figures.len() * percent / 100]
}

/// A client that costs next to nothing: one request, made once, over one connection.
struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

impl Client {
    fn connect(address: SocketAddr, photo: &[u8]) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let field = |name: &str, value: &str| {
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let image = "--b\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\n";
        let fields = [field("format", "stl"), field("quality", "5"), image.to_owned()].concat();
        let body = [fields.as_bytes(), photo, b"\r\n--b--\r\n"].concat();
        let head = format!(
            "POST /api/generate HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\
             Content-Type: multipart/form-data; boundary=b\r\n\r\n",
            body.len()
        );
        Ok(Self { stream, request: [head.into_bytes(), body].concat(), buffer: Vec::new() })
    }

    /// Sends the request and reads the answer to its last byte.
    fn ask(&mut self) -> Result<(&[u8], Duration)> {
        let started_at = Instant::now();
        self.stream.write_all(&self.request)?;
        let (mut length, mut head_end, mut end) = (0, None, usize::MAX);
        while length < end {
            self.buffer.resize(self.buffer.len().max(length + READ_BYTES), 0);
            let read = self.stream.read(&mut self.buffer[length..])?;
            ensure!(read > 0, "the connection was closed");
            length += read;
            if head_end.is_none()
                && let Some(at) = self.buffer[..length].windows(4).position(|w| w == b"\r\n\r\n")
            {
                end = at + 4 + content_length(&self.buffer[..at])?;
                head_end = Some(at + 4);
            }
        }
        let took = started_at.elapsed();
        Ok((&self.buffer[head_end.context("an answer has a head")?..end], took))
    }
}

fn content_length(head: &[u8]) -> Result<usize> {
    let head = std::str::from_utf8(head)?.to_lowercase();
    ensure!(head.starts_with("http/1.1 200"), "{head}");
    let value = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    Ok(value.context("the answer has a length")?.parse()?)
}

async fn start_ours() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let given = Given::from([("disk_max", "off".to_owned())]);
    let config = Config::load(None, &given).context("the defaults hold")?;
    let parts = Parts::new(&config, "bench")?;
    let state = wire::state(config, address, parts)?;
    tokio::spawn(serve(listener, state, std::future::pending()));
    Ok(address)
}

async fn start_plain(model: Bytes) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let answer = post(move |body: Bytes| async move {
        drop(body);
        model
    });
    let service = Router::new().route("/api/generate", answer).layer(DefaultBodyLimit::disable());
    tokio::spawn(async move { axum::serve(listener, service).await });
    Ok(address)
}
