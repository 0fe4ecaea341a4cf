//! promtool, which checks that metrics are what Prometheus reads.
//!
//! It comes out of Debian's package without installing it: no service is added to the machine. A
//! binary that someone put in its place by hand is as good.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Outcome, apt, empty, files_with, remove};
use crate::program;
use crate::repository::Repository;

const BINARY: &str = "usr/bin/promtool";

/// Unpacks the package unless promtool is there.
pub(super) fn install(repository: &Repository) -> Result<Outcome> {
    let directory = repository.tools().join("prometheus");
    if program::works(&mut Command::new(directory.join(BINARY))) {
        return Ok(Outcome::Ready);
    }
    let by_hand = || format!("put it by hand at {}", directory.join(BINARY).display());
    unpack(&directory).with_context(by_hand)?;
    Ok(Outcome::Installed)
}

/// Unpacks beside the place and moves there, so that what is there is whole.
fn unpack(directory: &Path) -> Result<()> {
    let unpacked = directory.with_extension("new");
    empty(&unpacked)?;
    let package = download(&unpacked)?;
    program::run(Command::new("dpkg").arg("-x").args([&package, &unpacked]))?;
    fs::remove_file(&package).with_context(|| format!("cannot remove {}", package.display()))?;
    program::run(Command::new(unpacked.join(BINARY)).arg("--version"))?;
    remove(directory)?;
    fs::rename(&unpacked, directory)
        .with_context(|| format!("cannot move {} into place", unpacked.display()))
}

fn download(directory: &Path) -> Result<PathBuf> {
    apt::download(&["prometheus"], directory)?;
    let packages = files_with("deb", directory)?;
    packages.into_iter().next().context("apt-get downloaded no package")
}
