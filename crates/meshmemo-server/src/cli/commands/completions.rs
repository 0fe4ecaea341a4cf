//! `meshmemo completions`.

use anyhow::Result;
use clap::CommandFactory;

use crate::cli::args::{Args, Completions};
use crate::cli::{Done, output};

pub(crate) fn run(args: &Completions) -> Result<Done> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "meshmemo", &mut script);
    output::say(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Done::Well)
}
