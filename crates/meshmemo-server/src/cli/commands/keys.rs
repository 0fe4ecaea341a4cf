//! `meshmemo keys`: make, list and revoke the API keys of servers.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use meshmemo::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::access::{KeyFile, KeyRecord, NAME_FORM, Role, Token, is_name};
use crate::cli::args::{Keys, KeysAdd, KeysCommand};
use crate::cli::{Done, Usage, output};
use crate::config::{Given, Resolved};
use crate::units::{SIZE_FORM, parse_size, show_size};

/// The namespace of what is made without a key: nobody gets it unasked.
const ANONYMOUS: &str = meshmemo_gen::canonical::NAMESPACE;

pub(crate) fn run(args: &Keys) -> Result<Done> {
    let path = path(args)?;
    match &args.command {
        KeysCommand::Add(add) => run_add(&path, add),
        KeysCommand::List { json } => list(&path, *json),
        KeysCommand::Revoke { key } => revoke(&path, key),
    }
}

/// Returns the file that is meant.
fn path(args: &Keys) -> Result<PathBuf> {
    let given: Given = args.file.iter().map(|path| ("api_keys", path.clone())).collect();
    let resolved = Resolved::load(args.config.as_deref(), &given).map_err(Usage)?;
    match resolved.api_keys() {
        Some(path) => Ok(path),
        None => {
            let message = "say in which file: --api-keys FILE, or MESHMEMO_API_KEYS";
            Err(Usage(anyhow!(message)).into())
        }
    }
}

fn run_add(path: &std::path::Path, args: &KeysAdd) -> Result<Done> {
    let mut file = KeyFile::take(path)?;
    let token = Token::draw()?;
    let record = record(&file.records, args, &token).map_err(Usage)?;
    file.records.push(record.clone());
    file.save()?;
    if args.json {
        let mut shown = shown(&record);
        shown["key"] = token.reveal().into();
        output::say(&serde_json::to_string_pretty(&shown)?)?;
        return Ok(Done::Well);
    }
    output::note(&format!(
        "the key of `{}` (role {}, namespace {}), shown this once; {} knows it by its hash only:",
        record.name,
        record.role,
        record.namespace,
        path.display()
    ));
    output::say(token.reveal())?;
    Ok(Done::Well)
}

/// Makes the record of a new key, which must agree with those that are there.
fn record(there: &[KeyRecord], args: &KeysAdd, token: &Token) -> Result<KeyRecord> {
    let name = &args.name;
    let role: Role = args.role.parse().map_err(|()| {
        anyhow!("`role` is `{}`, but must be `read`, `generate` or `admin`", args.role)
    })?;
    if !is_name(name) {
        bail!("the name is `{name}`, but must be {NAME_FORM}");
    }
    if there.iter().any(|other| other.name == *name) {
        bail!("there is a key `{name}` already: revoke it first, or give another name");
    }
    let is_taken = name == ANONYMOUS || there.iter().any(|other| other.namespace == *name);
    if args.namespace.is_none() && is_taken {
        bail!(
            "the namespace `{name}` is used by others already: say `--namespace {name}` to share it, \
             or give another one"
        );
    }
    let namespace = args.namespace.clone().unwrap_or_else(|| name.clone());
    let record = KeyRecord {
        id: token.id().to_owned(),
        name: name.clone(),
        role,
        bytes: bytes(there, args.bytes.as_deref(), &namespace)?,
        namespace,
        regenerate: args.regenerate,
        rpm: args.rpm,
        queue: args.queue.map(|places| places as usize),
        created: SystemClock::new().wall().as_secs(),
        hash: token.hash().to_string(),
    };
    record.check()?;
    Ok(record)
}

/// Reads the limit of bytes; keys of a namespace share one.
fn bytes(there: &[KeyRecord], asked: Option<&str>, namespace: &str) -> Result<Option<u64>> {
    let shared = there.iter().find(|other| other.namespace == namespace);
    let Some(asked) = asked else { return Ok(shared.and_then(|other| other.bytes)) };
    let range = || anyhow!("`bytes` is `{asked}`, but must be {SIZE_FORM}, at least 1 byte");
    let bytes = parse_size(asked).filter(|bytes| *bytes > 0).ok_or_else(range)?;
    match shared {
        Some(other) if other.bytes != Some(bytes) => bail!(
            "the namespace `{namespace}` of `{}` has {}, and keys of a namespace share one limit: \
             leave `bytes` out, or change the file",
            other.name,
            other.bytes.map_or_else(|| "no limit of bytes".to_owned(), show_size)
        ),
        _ => Ok(Some(bytes)),
    }
}

fn list(path: &std::path::Path, is_json: bool) -> Result<Done> {
    path.metadata().with_context(|| format!("{} can not be read", path.display()))?;
    let records = KeyFile::take(path)?.records;
    if is_json {
        let shown: Vec<_> = records.iter().map(shown).collect();
        output::say(&serde_json::to_string_pretty(&shown)?)?;
        return Ok(Done::Well);
    }
    if records.is_empty() {
        output::say("no keys: a server with this file lets nobody in")?;
        return Ok(Done::Well);
    }
    let rows: Vec<_> = records.iter().map(row).collect();
    let head = ["id", "name", "role", "namespace", "regenerate", "rpm", "queue", "bytes"];
    output::say(&output::table(&head, &[5, 6, 7], &rows))?;
    Ok(Done::Well)
}

/// Returns what may be shown of a key.
fn shown(record: &KeyRecord) -> Value {
    let mut shown = json!(record);
    if let Some(fields) = shown.as_object_mut() {
        fields.remove("hash");
    }
    shown
}

fn row(record: &KeyRecord) -> Vec<String> {
    let or_dash = |limit: Option<String>| limit.unwrap_or_else(|| "-".to_owned());
    let regenerates = record.may(crate::access::Right::Regenerate);
    vec![
        record.id.clone(),
        record.name.clone(),
        record.role.to_string(),
        record.namespace.clone(),
        if regenerates { "yes" } else { "no" }.to_owned(),
        or_dash(record.rpm.map(|rpm| rpm.to_string())),
        or_dash(record.queue.map(|places| places.to_string())),
        or_dash(record.bytes.map(show_size)),
    ]
}

fn revoke(path: &std::path::Path, key: &str) -> Result<Done> {
    let mut file = KeyFile::take(path)?;
    let is_meant = |record: &KeyRecord| record.name == key || record.id == key;
    let Some(place) = file.records.iter().position(is_meant) else {
        bail!("there is no key `{key}` in {}", path.display());
    };
    let revoked = file.records.remove(place);
    file.save()?;
    output::say(&format!("revoked `{}` ({})", revoked.name, revoked.id))?;
    Ok(Done::Well)
}
