//! The packages that `tests/tools/package-lock.json` pins, and the scripts that use them.
//!
//! The scripts are copied beside the packages, because Node looks for packages upwards from the
//! script. Nothing is written into `tests/tools` itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::stamp::Stamp;
use super::{Outcome, apt, empty, files_with};
use crate::program;
use crate::repository::Repository;

/// Installs the packages unless they are there and up to date; copies the scripts.
pub(super) fn install(repository: &Repository) -> Result<Outcome> {
    let from = repository.requirements();
    let to = repository.tools().join("node");
    let manifests = [from.join("package.json"), from.join("package-lock.json")];
    let stamp = Stamp::of(&to, &manifests)?;
    let outcome = if stamp.is_current() && is_there() {
        Outcome::Ready
    } else {
        install_packages(&manifests, &to)?;
        stamp.write()?;
        Outcome::Installed
    };
    copy(&files_with("mjs", &from)?, &to)?;
    Ok(outcome)
}

fn install_packages(manifests: &[PathBuf], to: &Path) -> Result<()> {
    if !(is_there() && program::works(&mut Command::new("npm"))) {
        apt::install(&["nodejs", "npm"])?;
    }
    empty(to)?;
    copy(manifests, to)?;
    program::run(Command::new("npm").current_dir(to).args(["ci", "--no-audit", "--no-fund"]))
        .context("npm did not install what the tests need")?;
    Ok(())
}

fn is_there() -> bool {
    program::works(&mut Command::new("node"))
}

fn copy(files: &[PathBuf], to: &Path) -> Result<()> {
    for file in files {
        let name = file.file_name().unwrap_or_default();
        fs::copy(file, to.join(name))
            .with_context(|| format!("cannot copy {} to {}", file.display(), to.display()))?;
    }
    Ok(())
}
