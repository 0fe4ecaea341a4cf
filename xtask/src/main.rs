//! The repository's own checks, and the tools that its tests need.
//!
//! - `tidy`: the rules of the house that no compiler knows.
//! - `tools`: installs into `target/tools` what the tests and the lints start; with `--bench`, what the
//!   benchmarks start.
//! - `package`: builds and installs the Python package, and runs its tests; with `--bench`, its
//!   benchmarks.
//! - `fuzz`: runs the targets of `fuzz/` for a while.
//! - `deny`: licences, advisories and duplicates of the dependencies, where cargo-deny is there.
//!
//! It must never change a file outside of `target`.

mod tidy;
mod layers;
mod heads;
mod lengths;
mod names;
mod addresses;
mod documents;
mod violation;

mod tools;
mod package;

mod deny;

mod fuzz;

mod program;
mod repository;
mod terminal;

use std::env;
use std::process::ExitCode;

use anyhow::{Result, bail};

use repository::Repository;

const USAGE: &str =
    "usage: cargo run -q -p xtask -- tidy|tools [--bench]|package [--bench]|fuzz|deny";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            terminal::complain(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let repository = Repository::of_this_crate();
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["tidy"] => tidy::run(&repository),
        ["tools"] => tools::run(&repository, tools::For::Tests),
        ["tools", "--bench"] => tools::run(&repository, tools::For::Benchmarks),
        ["package"] => package::run(&repository, package::For::Tests),
        ["package", "--bench"] => package::run(&repository, package::For::Benchmarks),
        ["fuzz"] => fuzz::run(&repository),
        ["deny"] => deny::run(&repository),
        _ => bail!("{USAGE}"),
    }
}
