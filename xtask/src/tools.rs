//! `tools`: installs into `target/tools` what the tests and the lints start. Quick when it is there.
//!
//! 1. `python`: an environment with `tests/tools/requirements*.txt`, in `venv`.
//! 2. `package`: an environment for the Python package, with what its tests need, in `package`.
//! 3. `node`: `tests/tools/package-lock.json` and the scripts beside it, in `node`.
//! 4. `promtool`: Prometheus' checker of metrics, in `prometheus`.
//! 5. `chromium`: the browser, which comes as a package of the system.
//! 6. `redis`: the server of the shared tier, and its own benchmark, in `redis`.
//!
//! With `--bench`, only what the benchmarks start: `varnish`, `redis`, and for the Python package its peers.
//!
//! A tool that is half installed is never taken for a whole one: its stamp is written last.

mod python;
mod node;
mod promtool;
mod chromium;
mod varnish;
mod redis;
mod apt;
mod stamp;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::repository::Repository;
use crate::terminal;

/// A tool's name, and what brings it to its place.
type Step = (&'static str, fn(&Repository) -> Result<Outcome>);

const STEPS: &[Step] = &[
    ("python", python::install),
    ("package", python::install_package),
    ("node", node::install),
    ("promtool", promtool::install),
    ("chromium", chromium::install),
    ("redis", redis::install),
];

/// What the benchmarks start.
const BENCH_STEPS: &[Step] = &[
    ("varnish", varnish::install),
    ("redis", redis::install),
    ("python", python::install),
    ("package", python::install_package_with_peers),
];

/// For whom tools are installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    Tests,
    Benchmarks,
}

/// Installs all tools and prints a line for each.
pub(crate) fn run(repository: &Repository, whom: For) -> Result<ExitCode> {
    let directory = repository.tools();
    fs::create_dir_all(&directory)
        .with_context(|| format!("cannot create {}", directory.display()))?;
    let _turn = wait_for_turn(&directory)?;
    let steps = match whom {
        For::Tests => STEPS,
        For::Benchmarks => BENCH_STEPS,
    };
    for (name, install) in steps {
        take(name, || install(repository)).with_context(|| format!("cannot install {name}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What a step did.
#[derive(Debug, Clone, Copy)]
enum Outcome {
    Ready,
    Installed,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Installed => "installed",
        }
    }
}

/// Two runs at once would remove each other's half-installed tools. The lock ends with the file.
fn wait_for_turn(directory: &Path) -> Result<File> {
    let path = directory.join("lock");
    let lock = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    lock.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(lock)
}

fn take(name: &str, install: impl FnOnce() -> Result<Outcome>) -> Result<()> {
    terminal::begin(&format!("{name}: "));
    #[expect(clippy::disallowed_methods, reason = "only shown to a person")]
    let start = Instant::now();
    let result = install();
    let outcome = result.as_ref().map_or("failed", |outcome| outcome.as_str());
    terminal::say(&format!("{outcome} ({:.1} s)", start.elapsed().as_secs_f64()));
    result.map(|_| ())
}

/// The files of a directory with this extension, in order.
pub(crate) fn files_with(extension: &str, directory: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = || format!("cannot read {}", directory.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Leaves an empty directory, whatever was there.
pub(crate) fn empty(directory: &Path) -> Result<()> {
    remove(directory)?;
    fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))
}

/// Leaves no directory, whatever was there.
fn remove(directory: &Path) -> Result<()> {
    match directory.symlink_metadata() {
        Ok(_) => fs::remove_dir_all(directory)
            .with_context(|| format!("cannot remove {}", directory.display())),
        Err(_) => Ok(()),
    }
}
