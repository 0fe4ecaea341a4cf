//! Python environments: one with all that `tests/tools/requirements*.txt` ask for, one for the
//! Python package and what its tests ask for.
//!
//! It never installs into the machine's Python.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::stamp::Stamp;
use super::{Outcome, apt, files_with, remove};
use crate::program;
use crate::repository::Repository;

/// Where Debian's package puts it, which need not be the first on the search path.
const DEBIAN_PYTHON: &str = "/usr/bin/python3";

/// Makes the environment of the tools.
pub(super) fn install(repository: &Repository) -> Result<Outcome> {
    let requirements = requirements(&repository.requirements())?;
    environment(&repository.tools().join("venv"), &requirements)
}

/// Makes the environment of the Python package.
pub(super) fn install_package(repository: &Repository) -> Result<Outcome> {
    let requirements = [repository.package().join("tests/requirements.txt")];
    environment(&repository.package_venv(), &requirements)
}

/// Makes the same with the packages that it is measured beside.
pub(super) fn install_package_with_peers(repository: &Repository) -> Result<Outcome> {
    let package = repository.package();
    let requirements =
        [package.join("tests/requirements.txt"), package.join("benches/requirements.txt")];
    environment(&repository.package_venv(), &requirements)
}

/// Makes an environment unless it is there and up to date.
fn environment(venv: &Path, requirements: &[PathBuf]) -> Result<Outcome> {
    let python = venv.join("bin/python");
    let stamp = Stamp::of(venv, requirements)?;
    // An environment breaks when the Python it links to is removed.
    if stamp.is_current() && program::works(&mut Command::new(&python)) {
        return Ok(Outcome::Ready);
    }

    create(venv)?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]);
    for file in requirements {
        pip.arg("--requirement").arg(file);
    }
    program::run(&mut pip).context("pip did not install what the tests need")?;
    stamp.write()?;
    Ok(Outcome::Installed)
}

fn requirements(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = files_with("txt", directory)?;
    files.retain(|file| is_requirements(file));
    ensure!(!files.is_empty(), "{} has no requirements.txt", directory.display());
    Ok(files)
}

fn is_requirements(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("requirements"))
}

fn create(venv: &Path) -> Result<()> {
    remove(venv)?;
    let Err(failure) = program::run(Command::new("python3").args(["-m", "venv"]).arg(venv)) else {
        return Ok(());
    };
    apt::install(&["python3", "python3-venv"]).with_context(|| format!("{failure:#}"))?;
    remove(venv)?;
    program::run(Command::new(DEBIAN_PYTHON).args(["-m", "venv"]).arg(venv))
        .context("the tests need Python 3.11 or newer with its module `venv`")?;
    Ok(())
}
