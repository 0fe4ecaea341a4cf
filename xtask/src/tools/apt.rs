//! Debian's packages, for what a machine lacks. Other systems are told what to install by hand.
//!
//! It never asks for a password: a machine without rights says so at once.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::program;

/// How long apt waits for another apt to end.
const LOCK_TIMEOUT: &str = "DPkg::Lock::Timeout=120";

/// Refreshes the lists of packages and installs some.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    let by_hand = || format!("install by hand what Debian calls {}", packages.join(" and "));
    update().with_context(by_hand)?;
    program::run(
        as_root()
            .args(["install", "-y", "--no-install-recommends", "-o", LOCK_TIMEOUT])
            .args(packages),
    )
    .with_context(by_hand)?;
    Ok(())
}

/// Downloads packages into a directory, and installs nothing.
pub(super) fn download(packages: &[&str], directory: &Path) -> Result<()> {
    let download = || {
        let mut command = Command::new("apt-get");
        program::run(command.current_dir(directory).args(["-q", "download"]).args(packages))
    };
    if download().is_err() {
        // The lists of packages are missing or older than the archive.
        update()?;
        download()?;
    }
    Ok(())
}

/// Refreshes the lists of packages.
fn update() -> Result<()> {
    program::run(as_root().args(["update", "-o", LOCK_TIMEOUT]))?;
    Ok(())
}

fn as_root() -> Command {
    let is_root = program::run(Command::new("id").arg("-u")).is_ok_and(|id| id == b"0\n");
    let has_sudo = !is_root && program::works(&mut Command::new("sudo"));
    let mut command = Command::new(if has_sudo { "sudo" } else { "env" });
    if has_sudo {
        command.args(["--non-interactive", "env"]);
    }
    // Through env, because sudo does not pass the variable on.
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]);
    command
}
