//! `meshmemo purge`.

use anyhow::{Result, anyhow};
use reqwest::Method;
use serde_json::{Map, Value};

use crate::cli::args::Purge;
use crate::cli::client::Client;
use crate::cli::{Done, Usage, output};
use crate::units::{DURATION_FORM, parse_duration, show_size};

pub(crate) fn run(args: &Purge) -> Result<Done> {
    let conditions = conditions(args).map_err(Usage)?;
    let client = Client::new(&args.remote)?;
    let report = client.call(Method::POST, "/api/cache/purge", Some(&Value::Object(conditions)))?;
    if args.remote.json {
        output::say(&serde_json::to_string_pretty(&report)?)?;
        return Ok(Done::Well);
    }
    let count = |name: &str| report[name].as_u64().unwrap_or(0);
    let size = show_size(count("bytes"));
    output::say(&if args.dry_run {
        format!("{} entries ({size}) would be removed", count("matched"))
    } else {
        format!("removed {} entries ({size})", count("removed"))
    })?;
    Ok(Done::Well)
}

fn conditions(args: &Purge) -> Result<Map<String, Value>> {
    let mut conditions = Map::new();
    if let Some(text) = &args.older_than {
        let age = parse_duration(text);
        let age =
            age.ok_or_else(|| anyhow!("`older-than` is `{text}`, but must be {DURATION_FORM}"));
        conditions.insert("older_than_seconds".to_owned(), age?.as_secs_f64().into());
    }
    let texts = [
        ("model_id", &args.model_id),
        ("label_prefix", &args.label_prefix),
        ("namespace", &args.namespace),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            conditions.insert(name.to_owned(), text.clone().into());
        }
    }
    if args.dry_run {
        conditions.insert("dry_run".to_owned(), true.into());
    }
    Ok(conditions)
}
