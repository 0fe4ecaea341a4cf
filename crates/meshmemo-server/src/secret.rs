//! The secret of a data directory: 32 random bytes, by which the names of jobs are known as this
//! server's, and what clients show the backend becomes a namespace that tells nothing of it.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
/// The name of the file.
const FILE: &str = "secret";

/// Reads the secret of a directory that belongs to this process, or makes one; without a directory, it
/// is one for this process alone.
///
/// # Errors
/// The system has no random bytes, or the file is something else.
pub(crate) fn open(directory: Option<&Path>) -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).context("the system has no random bytes")?;
    let Some(directory) = directory else { return Ok(bytes) };
    let path = directory.join(FILE);
    match fs::read(&path) {
        Ok(kept) => {
            let kept = <[u8; 32]>::try_from(kept);
            let wrong = || anyhow!("{} is not a secret: remove it", path.display());
            return kept.map_err(|_| wrong());
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        // Whatever is there must not be lost.
        Err(error) => {
            tracing::warn!(%error, "the secret of the data directory can not be read");
            return Ok(bytes);
        }
    }
    keep(directory, &bytes);
    Ok(bytes)
}

/// Puts a secret in the place of the one of a directory that belongs to this process.
pub(crate) fn keep(directory: &Path, bytes: &[u8; 32]) {
    if let Err(error) = write(&directory.join(FILE), bytes) {
        tracing::warn!(%error, "the secret of the data directory can not be kept");
    }
}

/// Puts the file in its place in one step, for its owner only.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let part = path.with_extension("part");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)
}
