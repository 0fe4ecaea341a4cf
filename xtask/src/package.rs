//! `package`: builds the wheel of the Python package and installs it into an environment of its own,
//! as a user would; what is tested, or measured, is what was installed, not the sources.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::repository::Repository;
use crate::{program, terminal, tools};

/// What the installed package is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    Tests,
    Benchmarks,
}

/// Builds, installs, and runs the tests or the benchmarks.
pub(crate) fn run(repository: &Repository, whom: For) -> Result<ExitCode> {
    let python = repository.package_venv().join("bin/python");
    terminal::say("wheel: build");
    let wheel = build(repository)?;
    let install = ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"];
    let anew = ["--force-reinstall", "--no-deps"];
    program::run(Command::new(&python).args(install).args(anew).arg(&wheel))?;

    let mut started = Command::new(&python);
    match whom {
        For::Tests => {
            build_server(repository)?;
            started.args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]);
        }
        For::Benchmarks => {
            started.arg("../benches/peers.py");
        }
    }
    // Beside the sources the package would be found there.
    started.current_dir(repository.package().join("tests")).env("PYTHONDONTWRITEBYTECODE", "1");
    let status = started.status().context("cannot start Python")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn build(repository: &Repository) -> Result<PathBuf> {
    let wheels = repository.root().join("target/wheels");
    tools::empty(&wheels)?;
    let maturin = repository.tools().join("venv/bin/maturin");
    program::run(
        Command::new(maturin)
            .current_dir(repository.package())
            .args(["build", "--quiet", "--interpreter"])
            .arg(repository.package_venv().join("bin/python"))
            .arg("--out")
            .arg(&wheels),
    )?;
    let built = tools::files_with("whl", &wheels)?;
    ensure!(built.len() == 1, "one wheel was to be built, not {}", built.len());
    Ok(built.into_iter().next().expect("there is one"))
}

/// The clients are tested with the real server.
fn build_server(repository: &Repository) -> Result<()> {
    let build = ["build", "--quiet", "-p", "meshmemo-server", "--bin", "meshmemo"];
    program::run(Command::new("cargo").current_dir(repository.root()).args(build)).map(drop)
}
