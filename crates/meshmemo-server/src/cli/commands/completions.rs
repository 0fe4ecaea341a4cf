//! `meshmemo completions`.

use std::io;

use anyhow::Result;
use clap::CommandFactory;

use crate::cli::Done;
use crate::cli::args::{Args, Completions};

#[expect(clippy::unnecessary_wraps, reason = "every command has the same signature")]
pub(crate) fn run(args: &Completions) -> Result<Done> {
    clap_complete::generate(args.shell, &mut Args::command(), "meshmemo", &mut io::stdout());
    Ok(Done::Well)
}
