//! `fuzz`: runs every target of `fuzz/` for a while, with the fixtures as a beginning.
//!
//! It needs a nightly toolchain; cargo-fuzz it installs below `target/tools` by itself.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::repository::Repository;
use crate::{program, terminal};

/// How long each target runs, in seconds.
const SECONDS: u32 = 60;

/// Each target, and where inputs are that it should begin with.
const TARGETS: &[(&str, &str)] = &[("footer", "crates/meshmemo-tiers/tests/fixtures")];

/// Runs every target; the first that finds something ends it.
pub(crate) fn run(repository: &Repository) -> Result<ExitCode> {
    if !program::works(Command::new("cargo").arg("+nightly")) {
        bail!("fuzzing needs a nightly toolchain: `rustup toolchain install nightly`");
    }
    let cargo_fuzz = install(repository)?;
    for (target, begin_with) in TARGETS {
        let corpus = repository.root().join("target/fuzz-corpus").join(target);
        fs::create_dir_all(&corpus)
            .with_context(|| format!("cannot create {}", corpus.display()))?;
        terminal::say(&format!("{target}: {SECONDS} s"));
        let status = Command::new(&cargo_fuzz)
            .current_dir(repository.root())
            .env("RUSTUP_TOOLCHAIN", "nightly")
            .args(["fuzz", "run", "--target-dir", "target/fuzz", target])
            .arg(&corpus)
            .arg(repository.root().join(begin_with))
            .args(["--", &format!("-max_total_time={SECONDS}")])
            .status()
            .context("cannot start cargo-fuzz")?;
        if !status.success() {
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn install(repository: &Repository) -> Result<PathBuf> {
    let root = repository.tools().join("cargo-fuzz");
    let program = root.join("bin/cargo-fuzz");
    if !program.exists() {
        terminal::say("cargo-fuzz: installing");
        program::run(
            Command::new("cargo").args(["install", "--locked", "cargo-fuzz", "--root"]).arg(&root),
        )?;
    }
    Ok(program)
}
