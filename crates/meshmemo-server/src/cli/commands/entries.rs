//! `meshmemo entries`.

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use crate::cli::args::Entries;
use crate::cli::client::Client;
use crate::cli::{Done, output};
use crate::units::show_duration;

/// Digits of a key that are shown in the table; `--json` has them all.
const KEY_DIGITS: usize = 16;

pub(crate) fn run(args: &Entries) -> Result<Done> {
    let limit = args.limit.to_string();
    let mut query = vec![("sort", args.sort.as_str()), ("limit", &limit)];
    query.extend(args.q.as_deref().map(|q| ("q", q)));
    query.extend(args.namespace.as_deref().map(|namespace| ("namespace", namespace)));
    let report = Client::new(&args.remote)?.get("/api/cache/entries", &query)?;
    if args.remote.json {
        output::say(&serde_json::to_string_pretty(&report)?)?;
        return Ok(Done::Well);
    }
    let entries = report["entries"].as_array().map(Vec::as_slice).unwrap_or_default();
    let namespaces = report["namespaces"].as_object();
    let has_several = namespaces.is_some_and(|namespaces| namespaces.len() > 1);
    let rows: Vec<_> = entries.iter().map(|entry| row(entry, has_several)).collect();
    if rows.is_empty() {
        output::say("no entries")?;
        return Ok(Done::Well);
    }
    let mut head = vec!["key", "label", "format", "MB", "hits", "age", "cost", "expires in", "in"];
    head.extend(has_several.then_some("namespace"));
    output::say(&output::table(&head, &[3, 4, 5, 6, 7], &rows))?;
    let total = report["total"].as_u64().unwrap_or(0);
    if total > rows.len() as u64 {
        output::say(&format!("{} of {total} entries; --limit shows more", rows.len()))?;
    }
    Ok(Done::Well)
}

/// Names where an entry is: the nearest tier that has it, and the disk if that has it too.
fn tiers(entry: &Value) -> String {
    let nearest = entry["tier"].as_str().unwrap_or_default();
    let is_also_on_disk = nearest == "memory" && entry["durable"] == Value::Bool(true);
    if is_also_on_disk { "memory, disk" } else { nearest }.to_owned()
}

fn row(entry: &Value, with_namespace: bool) -> Vec<String> {
    let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let number = |name: &str| entry[name].as_f64().unwrap_or(0.0);
    let seconds = |seconds: f64| {
        show_duration(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default())
    };
    let now = number("timestamp") + number("age_seconds");
    let left = entry["expires_at"].as_f64().map(|at| seconds(at - now));
    let format = text("model_url").rsplit('.').next().unwrap_or_default().to_owned();
    let mut row = vec![
        text("key").chars().take(KEY_DIGITS).collect(),
        text("label"),
        format,
        format!("{:.2}", number("size_mb")),
        entry["access_count"].as_u64().unwrap_or(0).to_string(),
        seconds(number("age_seconds")),
        seconds(number("cost_seconds")),
        left.unwrap_or_else(|| "never".to_owned()),
        tiers(entry),
    ];
    row.extend(with_namespace.then(|| text("namespace")));
    row
}
