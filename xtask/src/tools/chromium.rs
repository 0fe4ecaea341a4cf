//! Chromium, in which the page is used as people use it: Debian's, where Debian puts it.

use std::process::Command;

use anyhow::Result;

use super::{Outcome, apt};
use crate::program;
use crate::repository::Repository;

const BINARY: &str = "/usr/bin/chromium";

/// Installs the package unless Chromium is there.
pub(super) fn install(_: &Repository) -> Result<Outcome> {
    if program::works(&mut Command::new(BINARY)) {
        return Ok(Outcome::Ready);
    }
    apt::install(&["chromium"])?;
    Ok(Outcome::Installed)
}
