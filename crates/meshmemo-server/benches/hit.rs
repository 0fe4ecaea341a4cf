//! A hit through HTTP, beside the least that HTTP can do: a handler that reads the same body and
//! returns the same bytes. One connection, loopback, in one run, in turn.
//!
//! `cargo bench -p meshmemo-server --bench hit`

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::routing::post;
use meshmemo_server::config::{Config, Given};
use meshmemo_server::http::serve;
use meshmemo_server::{Tasks, wire};
use reqwest::multipart::{Form, Part};
use tokio::net::TcpListener;

const ROUNDS: usize = 400;

#[tokio::main]
async fn main() -> Result<()> {
    let photo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/images/coffee.png");
    let photo = std::fs::read(photo)?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let ours = start_ours().await?;
    // Format and quality are such that the model has some 3.5 MB.
    let model = ask(&client, &ours, &photo).await?.0;
    let plain = start_plain(model.clone()).await?;

    let (mut hits, mut plains) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (body, took) = ask(&client, &ours, &photo).await?;
        ensure!(body == model, "a hit has the bytes of the miss");
        hits.push(took);
        plains.push(ask(&client, &plain, &photo).await?.1);
    }
    println!(
        "{} kB posted, {} kB returned, {ROUNDS} rounds",
        photo.len() / 1000,
        model.len() / 1000
    );
    let percentile = |figures: &mut Vec<Duration>, percent: usize| {
        figures.sort_unstable();
        figures[figures.len() * percent / 100]
    };
    for percent in [50, 90, 99] {
        let (hit, plain) = (percentile(&mut hits, percent), percentile(&mut plains, percent));
        let ratio = hit.as_secs_f64() / plain.as_secs_f64();
        println!("p{percent}  hit {hit:>10.2?}  plain handler {plain:>10.2?}  ratio {ratio:.2}");
    }
    Ok(())
}

async fn ask(client: &reqwest::Client, url: &str, photo: &[u8]) -> Result<(Bytes, Duration)> {
    let image = Part::bytes(photo.to_vec()).file_name("coffee.png");
    let form = Form::new().part("image", image).text("format", "stl").text("quality", "5");
    let started_at = Instant::now();
    let response = client.post(url).multipart(form).send().await?.error_for_status()?;
    let body = response.bytes().await?;
    Ok((body, started_at.elapsed()))
}

async fn start_ours() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let config = Config::load(None, &Given::new()).context("the defaults hold")?;
    let state = wire::state(config, address, Tasks::new());
    tokio::spawn(serve(listener, state, std::future::pending()));
    Ok(format!("http://{address}/api/generate"))
}

async fn start_plain(model: Bytes) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let answer = post(move |body: Bytes| async move {
        drop(body);
        model
    });
    let service = Router::new().route("/", answer).layer(DefaultBodyLimit::disable());
    tokio::spawn(async move { axum::serve(listener, service).await });
    Ok(format!("http://{address}/"))
}
