//! Varnish with its modules, beside which the gateway is measured.
//!
//! It comes out of Debian's packages without installing them: no service is added to the machine.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Outcome, apt, empty, files_with, remove};
use crate::program;
use crate::repository::Repository;

/// Varnish, its modules, and what it is linked to that machines may lack.
const PACKAGES: [&str; 5] =
    ["varnish", "varnish-modules", "libvarnishapi3", "libjemalloc2", "libedit2"];
const BINARY: &str = "usr/sbin/varnishd";

/// Unpacks the packages unless Varnish is there.
pub(super) fn install(repository: &Repository) -> Result<Outcome> {
    let directory = repository.tools().join("varnish");
    if directory.join(BINARY).is_file() {
        return Ok(Outcome::Ready);
    }
    unpack(&directory)?;
    Ok(Outcome::Installed)
}

/// Unpacks beside the place and moves there, so that what is there is whole.
fn unpack(directory: &Path) -> Result<()> {
    let unpacked = directory.with_extension("new");
    empty(&unpacked)?;
    apt::download(&PACKAGES, &unpacked)?;
    for package in files_with("deb", &unpacked)? {
        program::run(Command::new("dpkg").arg("-x").args([&package, &unpacked]))?;
        fs::remove_file(&package)
            .with_context(|| format!("cannot remove {}", package.display()))?;
    }
    remove(directory)?;
    fs::rename(&unpacked, directory)
        .with_context(|| format!("cannot move {} into place", unpacked.display()))
}
