//! `meshmemo warm`.

use std::path::Path;

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::json;

use super::generate::{fields, outcome};
use crate::cli::args::Warm;
use crate::cli::client::{Client, header};
use crate::cli::{Done, output};
use crate::units::show_size;

/// How many entries are brought into memory, unless it is said.
const TOP: usize = 100;

pub(crate) fn run(args: &Warm) -> Result<Done> {
    let client = Client::new(&args.remote)?;
    if !args.images.is_empty() {
        return generate(&client, args);
    }
    let what = match &args.keys[..] {
        [] => json!({ "top": args.top.unwrap_or(TOP) }),
        keys => json!({ "keys": keys }),
    };
    let report = client.call(Method::POST, "/api/cache/warm", Some(&what))?;
    if args.remote.json {
        output::say(&serde_json::to_string_pretty(&report)?)?;
    } else {
        let count = |name: &str| report[name].as_u64().unwrap_or(0);
        let (loaded, size) = (count("loaded"), show_size(count("bytes")));
        let skipped = count("skipped");
        output::say(&format!("loaded {loaded} entries ({size}) into memory, skipped {skipped}"))?;
    }
    Ok(Done::Well)
}

/// Asks for the models of photos, so that they are there when somebody wants them.
fn generate(client: &Client, args: &Warm) -> Result<Done> {
    let fields = fields(&args.shape)?;
    let mut failures = 0;
    for image in &args.images {
        match ask(client, image, &fields) {
            Ok((outcome, key)) if args.remote.json => {
                let image = image.display().to_string();
                let line = json!({ "image": image, "outcome": outcome, "key": key });
                output::say(&line.to_string())?;
            }
            Ok((outcome, _)) => output::say(&format!("{outcome}  {}", image.display()))?,
            Err(error) => {
                output::say_error(&format!("{}: {error:#}", image.display()));
                failures += 1;
            }
        }
    }
    Ok(if failures == 0 { Done::Well } else { Done::Badly })
}

fn ask(
    client: &Client,
    image: &Path,
    fields: &[(&'static str, String)],
) -> Result<(&'static str, String)> {
    let photo = std::fs::read(image).context("the photo can not be read")?;
    let name = image.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let fetched = client.generate(photo, &name, fields, None)?;
    let outcome = outcome(header(&fetched.headers, "cache-status")?);
    Ok((outcome, header(&fetched.headers, "x-meshmemo-cache-key")?.to_owned()))
}
