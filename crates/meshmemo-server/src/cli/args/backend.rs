//! What was typed after `meshmemo backend`.

use clap::{Args as ClapArgs, Subcommand};

use super::Remote;

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct Backend {
    #[command(subcommand)]
    pub(in crate::cli) command: BackendCommand,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum BackendCommand {
    /// List the backends, and how they stand
    List {
        #[command(flatten)]
        remote: Remote,
    },
    /// Give a backend no more work; what it works at goes on
    Drain {
        /// Its address, as `list` has it
        #[arg(value_name = "BACKEND")]
        backend: String,
        /// Wait until it works at nothing
        #[arg(long)]
        wait: bool,
        #[command(flatten)]
        remote: Remote,
    },
    /// Give a backend work again
    Resume {
        /// Its address, as `list` has it
        #[arg(value_name = "BACKEND")]
        backend: String,
        /// The model that it has now: if it is another one than that of the others, it is not used
        #[arg(long, value_name = "TEXT")]
        model_id: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
}
