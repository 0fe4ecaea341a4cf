//! `meshmemo clear`.

use std::io::{self, IsTerminal};

use anyhow::{Result, anyhow};
use reqwest::Method;
use serde_json::json;

use crate::cli::args::Clear;
use crate::cli::client::Client;
use crate::cli::{Done, Usage, output};

pub(crate) fn run(args: &Clear) -> Result<Done> {
    let client = Client::new(&args.remote)?;
    if !args.yes {
        if !io::stdin().is_terminal() {
            return Err(Usage(anyhow!("nobody is there to be asked: say --yes")).into());
        }
        let entries = client.get("/api/cache/entries", &[("limit", "1")])?;
        let total = entries["total"].as_u64().unwrap_or(0);
        let from = match &args.tiers[..] {
            [] => String::new(),
            tiers => format!(" from {}", tiers.join(" and ")),
        };
        if !output::confirm(&format!("Remove all {total} entries{from}?"))? {
            output::note("nothing was removed");
            return Ok(Done::Badly);
        }
    }
    let tiers = (!args.tiers.is_empty()).then(|| json!({ "tiers": args.tiers }));
    let report = client.call(Method::POST, "/api/cache/clear", tiers.as_ref())?;
    if args.remote.json {
        output::say(&serde_json::to_string_pretty(&report)?)?;
    } else {
        output::say(report["message"].as_str().unwrap_or("cleared"))?;
    }
    Ok(Done::Well)
}
