//! How far a gateway has come in the log of removals, noted in a file for its next start. Without a note, what
//! was removed before is looked for.

use std::io::Write;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::limits::REDIS_FILE_MAX;

/// How far a gateway has come in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Which log: one that begins anew is another one.
    pub(super) identity: String,
    /// The number of the last removal.
    pub(super) number: u64,
    /// Its place in the log.
    pub(super) place: String,
}

/// Where it is noted.
#[derive(Debug)]
pub(super) struct Noted {
    file: Option<PathBuf>,
    /// What was noted at the start.
    pub(super) position: Option<Position>,
}

impl Noted {
    /// Reads a file, if there is one.
    pub(super) async fn open(file: Option<PathBuf>) -> Self {
        let text = match file.clone() {
            Some(file) => tokio::time::timeout(REDIS_FILE_MAX, tokio::fs::read(file)).await.ok(),
            None => None,
        };
        let text = text.and_then(Result::ok);
        let position = text.and_then(|text| serde_json::from_slice(&text).ok());
        Self { file, position }
    }

    /// Notes a position. If that does not come to pass, more is read again.
    pub(super) async fn keep(&self, position: &Position) {
        let Some(file) = self.file.clone() else { return };
        let Ok(text) = serde_json::to_vec(position) else { return };
        let kept = tokio::task::spawn_blocking(move || {
            let part = file.with_extension("part");
            let mut written = std::fs::File::create(&part)?;
            written.write_all(&text)?;
            written.sync_data()?;
            std::fs::rename(&part, &file)
        });
        match tokio::time::timeout(REDIS_FILE_MAX, kept).await {
            Ok(Ok(Ok(()))) => {}
            failed => tracing::debug!(?failed, "how far removals were seen is not noted"),
        }
    }
}
