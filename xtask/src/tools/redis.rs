//! Redis' server and its benchmark, from Debian's packages.
//!
//! The server is the same program as its checker, under another name. Its own package would add a service
//! to the machine and start it; so it is called by its name from here.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Outcome, apt, empty};
use crate::program;
use crate::repository::Repository;

/// The programs, and what their names here are.
const PROGRAMS: [(&str, &str); 2] =
    [("/usr/bin/redis-check-rdb", "redis-server"), ("/usr/bin/redis-benchmark", "redis-benchmark")];

/// Installs the package unless the programs are there.
pub(super) fn install(repository: &Repository) -> Result<Outcome> {
    let directory = repository.tools().join("redis");
    let works = |name| program::works(Command::new(directory.join(name)).arg("--version"));
    if PROGRAMS.iter().all(|(_, name)| works(*name)) {
        return Ok(Outcome::Ready);
    }
    if !PROGRAMS.iter().all(|(path, _)| fs::exists(path).unwrap_or(false)) {
        apt::install(&["redis-tools"])?;
    }
    empty(&directory)?;
    for (path, name) in PROGRAMS {
        let link = directory.join(name);
        symlink(path, &link).with_context(|| format!("cannot make {}", link.display()))?;
    }
    Ok(Outcome::Installed)
}
