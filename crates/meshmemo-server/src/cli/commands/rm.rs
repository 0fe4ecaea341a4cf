//! `meshmemo rm`.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use meshmemo::Key;
use meshmemo_gen::Format;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::generate::fields;
use crate::cli::args::Rm;
use crate::cli::client::{Client, header, is_refused_with};
use crate::cli::{Done, Usage, output};

pub(crate) fn run(args: &Rm) -> Result<Done> {
    let client = Client::new(&args.remote)?;
    let keys = match args.what.parse::<Key>() {
        Ok(key) => vec![key.to_string()],
        Err(_) if Path::new(&args.what).exists() => keys_of_photo(&client, args)?,
        Err(_) => {
            let message = anyhow!("`{}` is neither a key of 64 digits nor a file", args.what);
            return Err(Usage(message).into());
        }
    };
    if keys.is_empty() {
        bail!("no model of `{}` with these options is in the cache", args.what);
    }
    for key in &keys {
        client.call(Method::DELETE, &format!("/api/cache/entries/{key}"), None)?;
    }
    if args.remote.json {
        output::say(&json!({ "removed": keys }).to_string())?;
    } else {
        for key in &keys {
            output::say(&format!("removed {key}"))?;
        }
    }
    Ok(Done::Well)
}

/// Asks the server which formats of a photo's model it has; nothing is generated for it.
fn keys_of_photo(client: &Client, args: &Rm) -> Result<Vec<String>> {
    let path = Path::new(&args.what);
    let photo =
        std::fs::read(path).with_context(|| format!("{} can not be read", path.display()))?;
    let base = fields(&args.shape)?;
    let mut keys = Vec::new();
    for format in Format::ALL {
        let mut fields = base.clone();
        fields.retain(|(name, _)| *name != "format");
        fields.push(("format", format.as_str().to_owned()));
        let asked = client.generate(photo.clone(), "", &fields, Some("only-if-cached"));
        match asked {
            Ok(fetched) => {
                keys.push(header(&fetched.headers, "x-meshmemo-cache-key")?.to_owned());
            }
            Err(error) if is_refused_with(&error, StatusCode::GATEWAY_TIMEOUT) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(keys)
}
