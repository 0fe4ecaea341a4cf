//! `meshmemo doctor`: is everything as it should be, and if not, what is wrong.
//!
//! 1. the server: does it answer, and is it meshmemo;
//! 2. access: does the key hold, and is it for generations;
//! 3. the tiers and the backend, as the server sees them;
//! 4. one photo, twice: the second time it must come from the cache.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use meshmemo::{Clock, SystemClock};
use serde::Serialize;
use serde_json::{Value, json};

use super::generate::outcome;
use crate::cli::args::Doctor;
use crate::cli::client::{Client, header};
use crate::cli::{Done, output};
use crate::http::PREFIX;
use crate::units::show_duration;

/// The photo that is asked with if none is given.
const PHOTO: &[u8] = include_bytes!("../../../../../examples/images/horse.png");
const PHOTO_NAME: &str = "horse.png";

/// What was found.
#[derive(Debug, Serialize)]
struct Finding {
    what: String,
    is_well: bool,
    detail: String,
}

/// One of the two answers.
#[derive(Debug, Serialize)]
struct Asked {
    outcome: &'static str,
    seconds: f64,
}

/// All that was found, shown as it is found unless it is printed as JSON.
struct Findings {
    all: Vec<Finding>,
    is_quiet: bool,
}

pub(crate) fn run(args: &Doctor) -> Result<Done> {
    let mut findings = Findings { all: Vec::new(), is_quiet: args.remote.json };
    let client = Client::new(&args.remote)?;
    let asked = examine(&client, args.image.as_deref(), &mut findings)?;
    let is_well = findings.all.iter().all(|finding| finding.is_well);
    if args.remote.json {
        let report = json!({ "ok": is_well, "checks": findings.all, "asked": asked });
        output::say(&serde_json::to_string_pretty(&report)?)?;
    }
    Ok(if is_well { Done::Well } else { Done::Badly })
}

/// Looks at everything; what makes the rest pointless ends it.
fn examine(client: &Client, image: Option<&Path>, findings: &mut Findings) -> Result<Vec<Asked>> {
    let (photo, name) = photo(image)?;
    let health = match client.get(&format!("{PREFIX}/api/health"), &[]) {
        Ok(health) if health["version"].is_string() => health,
        Ok(_) => {
            findings.note("server", Err("it answers, but not as meshmemo does".to_owned()))?;
            return Ok(Vec::new());
        }
        Err(error) => {
            findings.note("server", Err(format!("{error:#}")))?;
            return Ok(Vec::new());
        }
    };
    let version = health["version"].as_str().unwrap_or_default();
    let uptime = Duration::try_from_secs_f64(health["uptime_seconds"].as_f64().unwrap_or(0.0));
    let uptime = show_duration(uptime.unwrap_or_default());
    findings.note("server", Ok(format!("meshmemo {version}, up {uptime}")))?;
    findings.note("access", access(&health))?;
    for (tier, status) in health["tiers"].as_object().into_iter().flatten() {
        let status = status.as_str().unwrap_or_default();
        let finding = if status == "ok" { Ok(status) } else { Err(status) };
        findings.note(tier, with_reason(&health, tier, finding))?;
    }
    findings.note("backend", backend(&health))?;
    let each = health["backend"]["backends"].as_array().map(Vec::as_slice).unwrap_or_default();
    for state in each.iter().filter(|_| each.len() > 1) {
        findings.note("", one_of_several(state))?;
    }
    for (what, warning) in health["warnings"].as_object().into_iter().flatten() {
        findings.warn(what, warning.as_str().unwrap_or_default())?;
    }
    let reasons = health["reasons"].as_object();
    for (what, reason) in reasons.into_iter().flatten() {
        let is_told = health["tiers"].get(what).is_some() || what == "backend";
        if !is_told {
            findings.note(what, Err(reason.as_str().unwrap_or_default().to_owned()))?;
        }
    }
    ask_twice(client, &photo, &name, findings)
}

/// Asks for one model twice, and says what came of it.
fn ask_twice(
    client: &Client,
    photo: &[u8],
    name: &str,
    findings: &mut Findings,
) -> Result<Vec<Asked>> {
    let mut asked = Vec::new();
    let mut last_status = String::new();
    for _ in 0..2 {
        let clock = SystemClock::new();
        if !findings.is_quiet && asked.is_empty() {
            output::note(&format!("asking for a model of {name}, which may take a while"));
        }
        let fetched = match client.generate(photo.to_vec(), name, &[], None) {
            Ok(fetched) => fetched,
            Err(error) => {
                findings.note("model", Err(format!("{error:#}")))?;
                return Ok(asked);
            }
        };
        let seconds = clock.now().as_secs_f64();
        header(&fetched.headers, "cache-status")?.clone_into(&mut last_status);
        asked.push(Asked { outcome: outcome(&last_status), seconds });
    }
    let shown: Vec<_> = asked.iter().map(show).collect();
    let shown = shown.join(", ");
    let finding = match asked[1].outcome {
        "hit" => Ok(shown),
        "bypass" => Err(format!(
            "{shown}: the cache is not used, so that every request generates (`--cache`, or a backend \
             that draws at random with `--unseeded pass`)"
        )),
        _ => Err(format!(
            "{shown}: the second answer should have come from the cache, but was `{last_status}`; is \
             there room for it (`meshmemo stats`), and is the time to live not too short?"
        )),
    };
    findings.note("model", finding)?;
    Ok(asked)
}

fn show(asked: &Asked) -> String {
    let took = Duration::try_from_secs_f64(asked.seconds).unwrap_or_default();
    format!("{} {}", asked.outcome, show_duration(took))
}

fn photo(image: Option<&Path>) -> Result<(Vec<u8>, String)> {
    let Some(path) = image else { return Ok((PHOTO.to_vec(), PHOTO_NAME.to_owned())) };
    let photo =
        std::fs::read(path).with_context(|| format!("{} can not be read", path.display()))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok((photo, name))
}

/// Says whose key was sent, and whether it is for generations.
fn access(health: &Value) -> Result<String, String> {
    let caller = &health["caller"];
    match (caller["name"].as_str(), caller["role"].as_str()) {
        (Some(name), Some("read")) => Err(format!(
            "the key `{name}` has the role `read`, which is not for generations: make one with `meshmemo \
             keys add NAME --role generate`"
        )),
        (Some(name), Some(role)) => Ok(format!("the key `{name}`, role {role}")),
        _ if health["backend"]["model_id"].is_string() => Ok("without a key".to_owned()),
        _ => Err("a key is needed, and none that holds was sent: give --api-key, or set \
                  MESHMEMO_API_KEY"
            .to_owned()),
    }
}

fn backend(health: &Value) -> Result<String, String> {
    let backend = &health["backend"];
    let text = |field: &str| backend[field].as_str().unwrap_or_default();
    let place = if text("url").is_empty() { String::new() } else { format!(" at {}", text("url")) };
    let model = if text("model_id").is_empty() {
        String::new()
    } else {
        format!(", model {}", text("model_id"))
    };
    let described = format!("{}{place}{model}", text("name"));
    let finding = if text("status") == "ok" { Ok(&*described) } else { Err(&*described) };
    with_reason(health, "backend", finding)
}

/// Says how one of several backends stands; one that is drained is so because somebody wants it.
fn one_of_several(state: &Value) -> Result<String, String> {
    let text = |field: &str| state[field].as_str().unwrap_or_default();
    let described = format!("{}: {}", text("backend"), text("status"));
    match text("status") {
        "ok" | "draining" | "drained" => Ok(described),
        _ => Err(format!("{described}: {}", text("reason"))),
    }
}

/// Adds to what is not well why.
fn with_reason(health: &Value, what: &str, finding: Result<&str, &str>) -> Result<String, String> {
    let reason = health["reasons"][what].as_str();
    match (finding, reason) {
        (Ok(detail), _) => Ok(detail.to_owned()),
        (Err(detail), Some(reason)) => Err(format!("{detail}: {reason}")),
        (Err(detail), None) => Err(detail.to_owned()),
    }
}

impl Findings {
    /// Notes what works, and should be otherwise all the same.
    fn warn(&mut self, what: &str, detail: &str) -> Result<()> {
        if !self.is_quiet {
            output::say(&format!("{what:<10} {:<9} {detail}", "warning"))?;
        }
        self.all.push(Finding { what: what.to_owned(), is_well: true, detail: detail.to_owned() });
        Ok(())
    }

    fn note(&mut self, what: &str, finding: Result<String, String>) -> Result<()> {
        let (is_well, detail) = match finding {
            Ok(detail) => (true, detail),
            Err(detail) => (false, detail),
        };
        if !self.is_quiet {
            let mark = if is_well { "ok" } else { "NOT WELL" };
            output::say(&format!("{what:<10} {mark:<9} {detail}"))?;
        }
        self.all.push(Finding { what: what.to_owned(), is_well, detail });
        Ok(())
    }
}
