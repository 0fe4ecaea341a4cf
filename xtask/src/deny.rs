//! `deny`: what `deny.toml` says of the dependencies, where cargo-deny is installed.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::repository::Repository;
use crate::{program, terminal};

/// Runs the check and passes its output on; says so where it cannot run.
pub(crate) fn run(repository: &Repository) -> Result<ExitCode> {
    if !program::works(Command::new("cargo").arg("deny")) {
        terminal::say("deny: cargo-deny is not installed, the dependencies are not checked");
        return Ok(ExitCode::SUCCESS);
    }
    let status = Command::new("cargo")
        .current_dir(repository.root())
        .args(["deny", "check"])
        .status()
        .context("cannot start `cargo deny`")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
