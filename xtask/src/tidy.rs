//! `tidy`: every rule over the whole tree, all violations at once.
//!
//! 1. `layers`: crates depend on each other in one direction only.
//! 2. `heads`: each Rust file opens with what it is.
//! 3. `lengths`: no file is too long to be read at once.
//! 4. `names`: files and crates are named for what they are.
//! 5. `addresses`: nothing is pinned to one package registry's address.
//! 6. `documents`: the documents a newcomer looks for are there.

use std::process::ExitCode;

use anyhow::Result;

use crate::repository::Repository;
use crate::{addresses, documents, heads, layers, lengths, names, terminal};

/// Prints every violation; the exit code says whether there was one.
pub(crate) fn run(repository: &Repository) -> Result<ExitCode> {
    let members = layers::members(repository)?;
    let files = repository.text_files()?;
    let mut violations = [
        layers::check(&members),
        heads::check(&files),
        lengths::check(&files),
        names::check(&members, &files),
        addresses::check(&files),
        documents::check(&files),
    ]
    .concat();
    violations.sort();

    for violation in &violations {
        terminal::say(&violation.to_string());
    }
    terminal::say(&format!("tidy: {} files, {} violations", files.len(), violations.len()));
    Ok(if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
