//! `meshmemo rm`.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use meshmemo::Key;
use meshmemo_gen::canonical::{self, NAMESPACE};
use meshmemo_gen::{Format, Parameters};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::generate::fields;
use crate::cli::args::Rm;
use crate::cli::client::{Client, is_refused_with};
use crate::cli::{Done, Usage, output};
use crate::http::PREFIX;

pub(crate) fn run(args: &Rm) -> Result<Done> {
    let client = Client::new(&args.remote)?;
    let removed = match args.what.parse::<Key>() {
        Ok(key) => {
            remove(&client, key)?;
            vec![key]
        }
        Err(_) if Path::new(&args.what).is_file() => remove_photo(&client, args)?,
        Err(_) => {
            let message = anyhow!("`{}` is neither a key of 64 digits nor a file", args.what);
            return Err(Usage(message).into());
        }
    };
    if args.remote.json {
        let keys: Vec<_> = removed.iter().map(Key::to_string).collect();
        output::say(&json!({ "removed": keys }).to_string())?;
    } else {
        for key in &removed {
            output::say(&format!("removed {key}"))?;
        }
    }
    Ok(Done::Well)
}

fn remove(client: &Client, key: Key) -> Result<()> {
    client.call(Method::DELETE, &format!("/api/cache/entries/{key}"), None).map(drop)
}

/// Removes every format of a photo's model that is there.
fn remove_photo(client: &Client, args: &Rm) -> Result<Vec<Key>> {
    let path = Path::new(&args.what);
    let photo =
        std::fs::read(path).with_context(|| format!("{} can not be read", path.display()))?;
    let mut parameters = Parameters::default();
    for (name, value) in fields(&args.shape)? {
        parameters.set(name, &value).map_err(|error| Usage(error.into()))?;
    }
    let health = client.get(&format!("{PREFIX}/api/health"), &[])?;
    let adapter = health["backend"]["name"].as_str().unwrap_or_default();
    if adapter != "relief" {
        let message = anyhow!(
            "the server's backend is `{adapter}`, whose keys only the server knows: name the entry by \
             its key, which `meshmemo entries` shows"
        );
        return Err(Usage(message).into());
    }
    let model_id = health["backend"]["model_id"].as_str().context("this needs an API key")?;
    let own = health["caller"]["namespace"].as_str().unwrap_or(NAMESPACE);
    let namespace = args.namespace.as_deref().unwrap_or(own);
    let generation = canonical::identity(namespace, model_id, &parameters, &photo).generation_key();
    let mut removed = Vec::new();
    for format in Format::ALL {
        let key = generation.key(format.as_str());
        match remove(client, key) {
            Ok(()) => removed.push(key),
            Err(error) if is_refused_with(&error, StatusCode::NOT_FOUND) => {}
            Err(error) => return Err(error),
        }
    }
    if removed.is_empty() {
        bail!(
            "no model of `{}` with these options is in the namespace `{namespace}` of the cache",
            args.what
        );
    }
    Ok(removed)
}
