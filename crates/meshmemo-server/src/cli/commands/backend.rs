//! `meshmemo backend`.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::args::{Backend, BackendCommand, Remote};
use crate::cli::client::Client;
use crate::cli::{Done, output};
use crate::http::PREFIX;

/// How often it is looked at whether a backend is drained.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

pub(crate) fn run(args: &Backend) -> Result<Done> {
    match &args.command {
        BackendCommand::List { remote } => list(remote),
        BackendCommand::Drain { backend, wait, remote } => drain(backend, *wait, remote),
        BackendCommand::Resume { backend, model_id, remote } => {
            let mut fields = json!({ "backend": backend });
            if let Some(model_id) = model_id {
                fields["model_id"] = json!(model_id);
            }
            let path = format!("{PREFIX}/api/backends/resume");
            let state = Client::new(remote)?.call(Method::POST, &path, Some(&fields))?;
            tell(remote, &state)
        }
    }
}

fn list(remote: &Remote) -> Result<Done> {
    let report = all(&Client::new(remote)?)?;
    if remote.json {
        output::say(&serde_json::to_string_pretty(&report)?)?;
        return Ok(Done::Well);
    }
    let text = |state: &Value, field: &str| state[field].as_str().unwrap_or_default().to_owned();
    let row = |state: &Value| {
        let working = format!("{}/{}", state["working"], state["concurrency"]);
        let status = match text(state, "reason") {
            reason if reason.is_empty() => text(state, "status"),
            reason => format!("{}: {reason}", text(state, "status")),
        };
        vec![
            text(state, "backend"),
            status,
            working,
            state["done"].to_string(),
            state["failed"].to_string(),
            state["moved_on"].to_string(),
            text(state, "model_id"),
        ]
    };
    let rows: Vec<_> = report["backends"].as_array().into_iter().flatten().map(row).collect();
    let head = ["backend", "status", "working", "done", "failed", "moved on", "model"];
    output::say(&output::table(&head, &[2, 3, 4, 5], &rows))?;
    output::say(&format!("{} waiting", report["queued"]))?;
    Ok(Done::Well)
}

fn drain(backend: &str, waits: bool, remote: &Remote) -> Result<Done> {
    let client = Client::new(remote)?;
    let path = format!("{PREFIX}/api/backends/drain");
    let mut state = client.call(Method::POST, &path, Some(&json!({ "backend": backend })))?;
    while waits && state["status"] == "draining" {
        thread::sleep(LOOK_INTERVAL);
        let name = state["backend"].clone();
        let report = all(&client)?;
        let mut states = report["backends"].as_array().into_iter().flatten();
        let now = states.find(|it| it["backend"] == name);
        state = now.context("the backend is not there any more")?.clone();
    }
    if waits && state["status"] != "drained" {
        bail!("somebody has resumed {} meanwhile: it is {}", state["backend"], state["status"]);
    }
    tell(remote, &state)
}

fn all(client: &Client) -> Result<Value> {
    client.get(&format!("{PREFIX}/api/backends"), &[])
}

fn tell(remote: &Remote, state: &Value) -> Result<Done> {
    if remote.json {
        output::say(&serde_json::to_string_pretty(state)?)?;
        return Ok(Done::Well);
    }
    let text = |field: &str| state[field].as_str().unwrap_or_default();
    let working = match state["working"].as_u64() {
        Some(0) | None => String::new(),
        Some(working) => format!(", {working} generations running"),
    };
    output::say(&format!("{}: {}{working}", text("backend"), text("status")))?;
    Ok(Done::Well)
}
