//! The command line: arguments, then configuration, then a command.
//!
//! Exit codes: 0 done, 1 failed, 2 used wrongly.

mod args;
mod client;
mod commands;
mod output;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command, ConfigCommand};

/// What a command came to, if it did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Well,
    /// It ran, and what it reports is a failure that it has already told of.
    Badly,
}

/// An error that is the caller's: exit code 2.
#[derive(Debug)]
struct Usage(anyhow::Error);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl std::error::Error for Usage {}

/// Runs the program.
pub fn main() -> ExitCode {
    let args = Args::parse();
    output::start_log(&args);
    match run(args) {
        Ok(Done::Well) => ExitCode::SUCCESS,
        Ok(Done::Badly) => ExitCode::FAILURE,
        Err(error) => {
            output::say_error(&format!("{error:#}"));
            if error.is::<Usage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// Runs a command; each is one file of `commands/`.
fn run(args: Args) -> anyhow::Result<Done> {
    match args.command {
        Command::Serve(serve) => commands::serve::run(&serve),
        Command::Generate(generate) => commands::generate::run(&generate),
        Command::Doctor(doctor) => commands::doctor::run(&doctor),
        Command::Stats(remote) => commands::stats::run(&remote),
        Command::Entries(entries) => commands::entries::run(&entries),
        Command::Config(config) => match &config.command {
            None => commands::config::remote(&config.remote),
            Some(ConfigCommand::Set(set)) => commands::config::set(set),
            Some(ConfigCommand::Check(check)) => commands::config::check(check),
            Some(ConfigCommand::Show(show)) => commands::config::show(show),
        },
        Command::Backend(backend) => commands::backend::run(&backend),
        Command::Clear(clear) => commands::clear::run(&clear),
        Command::Rm(rm) => commands::rm::run(&rm),
        Command::Warm(warm) => commands::warm::run(&warm),
        Command::Purge(purge) => commands::purge::run(&purge),
        Command::Keys(keys) => commands::keys::run(&keys),
        Command::Fsck(fsck) => commands::fsck::run(&fsck),
        Command::Completions(completions) => commands::completions::run(&completions),
    }
}
