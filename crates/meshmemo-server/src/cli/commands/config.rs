//! `meshmemo config`, and its `set`, `check` and `show`.

use anyhow::{Result, anyhow};
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::cli::args::{ConfigCheck, ConfigSet, ConfigShow, Remote};
use crate::cli::client::Client;
use crate::cli::{Done, Usage, output};
use crate::config::{Config, Given, RedisConfig, Resolved, check_file, masked};

/// Shows what holds on a running server.
pub(crate) fn remote(args: &Remote) -> Result<Done> {
    let report = Client::new(args)?.get("/api/cache/config", &[])?;
    say_config(args, &report)
}

/// Changes what holds on a running server.
pub(crate) fn set(args: &ConfigSet) -> Result<Done> {
    let changes = args.changes.iter().map(|change| read_change(change).map_err(Usage));
    let changes: Map<String, Value> = changes.collect::<Result<_, _>>()?;
    let client = Client::new(&args.remote)?;
    let report = client.call(Method::POST, "/api/cache/config", Some(&Value::Object(changes)))?;
    say_config(&args.remote, &report)
}

/// Checks a file, or what holds without one.
pub(crate) fn check(args: &ConfigCheck) -> Result<Done> {
    let config = match &args.file {
        Some(path) => check_file(path),
        None => Config::load(None, &Given::new()),
    }?;
    config.access.check_files()?;
    config.redis.iter().try_for_each(RedisConfig::check_urls)?;
    output::say("the configuration is good")?;
    Ok(Done::Well)
}

/// Shows every setting, and where it comes from.
pub(crate) fn show(args: &ConfigShow) -> Result<Done> {
    let file = args.settings.config.as_deref();
    let resolved = Resolved::load(file, &args.settings.given()).map_err(Usage)?;
    if args.json {
        let settings = resolved.iter().map(|(name, value, source)| {
            let value = shown(name, value);
            (name.to_owned(), json!({ "value": value, "source": source.to_string() }))
        });
        output::say(&serde_json::to_string_pretty(&settings.collect::<Map<_, _>>())?)?;
    } else {
        let rows: Vec<_> = resolved
            .iter()
            .map(|(name, value, source)| {
                vec![name.to_owned(), shown(name, value), source.to_string()]
            })
            .collect();
        output::say(&output::table(&["setting", "value", "from"], &[], &rows))?;
    }
    Config::read(&resolved).map_err(Usage)?;
    Ok(Done::Well)
}

/// Returns a setting's value as anybody may see it.
fn shown(name: &str, value: &str) -> String {
    if name == "redis" { masked(value) } else { value.to_owned() }
}

fn say_config(args: &Remote, report: &Value) -> Result<Done> {
    if args.json {
        output::say(&serde_json::to_string_pretty(report)?)?;
        return Ok(Done::Well);
    }
    if let Some(message) = report["message"].as_str() {
        output::say(message)?;
    }
    for (name, value) in report["config"].as_object().into_iter().flatten() {
        let value = if value.is_null() { "none".to_owned() } else { value.to_string() };
        output::say(&format!("{name:<22}{}", value.trim_matches('"')))?;
    }
    Ok(Done::Well)
}

/// Reads `field=value`; what the fields are, the server knows.
fn read_change(change: &str) -> Result<(String, Value)> {
    let (name, value) = change
        .split_once('=')
        .ok_or_else(|| anyhow!("`{change}` must be of the form FIELD=VALUE"))?;
    let value = match value {
        "none" => Value::Null,
        text => text.parse().map_or_else(|_| Value::from(text), Value::Number),
    };
    Ok((name.to_owned(), value))
}
