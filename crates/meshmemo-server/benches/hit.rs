//! A hit through HTTP, beside the least that HTTP can do: a handler that reads the same body and
//! returns the same bytes. One connection, loopback, in one run, in turn.
//!
//! `cargo bench -p meshmemo-server --bench hit`

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

mod client;

use std::net::SocketAddr;
use std::path::Path;

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

use client::{Client, percentile};

const ROUNDS: usize = 400;

fn main() -> Result<()> {
    let photo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/images/coffee.png");
    let photo = std::fs::read(photo)?;
    let runtime = Runtime::new()?;
    let form = form(&photo);
    let target = ("/api/generate", "multipart/form-data; boundary=b");
    let mut ours = Client::connect(runtime.block_on(start_ours())?, target, &form)?;
    // Format and quality are such that the model has some 3.5 MB.
    let model = Bytes::from(ours.ask()?.0.to_vec());
    let mut plain = Client::connect(runtime.block_on(start_plain(model.clone()))?, target, &form)?;

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

/// Returns the form that asks for a model.
fn form(photo: &[u8]) -> Vec<u8> {
    let field = |name: &str, value: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let image = "--b\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\n";
    let fields = [field("format", "stl"), field("quality", "5"), image.to_owned()].concat();
    [fields.as_bytes(), photo, b"\r\n--b--\r\n"].concat()
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
