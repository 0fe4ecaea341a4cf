//! The journal of jobs: a file with a line of JSON for each change, written anew when it has grown.
//!
//! A line that a crash has cut off is skipped. Power failures may take the last lines with them: a job
//! that is not remembered is known by its name to have been one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{Done, Job, State};

/// Bytes of a journal that are read at all.
const JOURNAL_MAX_BYTES: u64 = 64 << 20;
/// Characters of a failure's words that are written.
const MESSAGE_MAX_CHARS: usize = 500;

/// A journal.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    lines: usize,
}

/// What a line says of a job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    id: String,
    namespace: String,
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source_key: Option<String>,
    created_seconds: f64,
    #[serde(flatten)]
    state: Written,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
enum Written {
    Running,
    Done { digest: String, variant: String, cached: bool },
    Failed { message: String },
}

impl Journal {
    /// Opens the journal of a directory, and reads what it says.
    pub(super) fn open(directory: &Path) -> io::Result<(Self, Vec<Record>)> {
        fs::create_dir_all(directory)?;
        let path = directory.join("journal");
        let records = match fs::metadata(&path) {
            Ok(meta) if meta.len() <= JOURNAL_MAX_BYTES => {
                let text = fs::read(&path)?;
                let lines = text.split(|byte| *byte == b'\n');
                lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
            }
            _ => Vec::new(),
        };
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        let lines = records.len();
        Ok((Self { path, open: Mutex::new(Open { file, lines }) }, records))
    }

    /// Adds a line; returns how many there are.
    pub(super) fn append(&self, record: &Record) -> io::Result<usize> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.file.write_all(&line)?;
        open.lines += 1;
        Ok(open.lines)
    }

    /// Puts a new journal in the place of the old one; lines that come meanwhile wait for it.
    pub(super) fn rewrite(&self, records: impl FnOnce() -> Vec<Record>) -> io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let records = records();
        let part = self.path.with_extension("part");
        let mut text = Vec::new();
        for record in &records {
            serde_json::to_writer(&mut text, record)?;
            text.push(b'\n');
        }
        let mut file = File::create(&part)?;
        file.write_all(&text)?;
        file.sync_data()?;
        fs::rename(&part, &self.path)?;
        let file = OpenOptions::new().append(true).open(&self.path)?;
        *open = Open { file, lines: records.len() };
        Ok(())
    }
}

impl Record {
    pub(super) fn of(id: &str, job: &Job) -> Self {
        let state = match &job.state {
            State::Running => Written::Running,
            State::Done(Done { digest, variant, is_cached, .. }) => Written::Done {
                digest: digest.to_string(),
                variant: variant.clone(),
                cached: *is_cached,
            },
            State::Failed(message) => {
                Written::Failed { message: message.chars().take(MESSAGE_MAX_CHARS).collect() }
            }
        };
        Self {
            id: id.to_owned(),
            namespace: job.namespace.clone(),
            key: job.key.to_string(),
            source_key: job.source_key.map(|key| key.to_string()),
            created_seconds: job.created.as_secs_f64(),
            state,
        }
    }

    /// Makes the job of a line from before the start.
    pub(super) fn into_job(self) -> Option<(String, Job)> {
        let state = match self.state {
            Written::Running => {
                State::Failed("the server ended while the job was under way".to_owned())
            }
            Written::Done { digest, variant, cached } => {
                let digest = digest.parse().ok()?;
                State::Done(Done { digest, variant, is_cached: cached, held: None })
            }
            Written::Failed { message } => State::Failed(message),
        };
        let job = Job {
            namespace: self.namespace,
            key: self.key.parse().ok()?,
            source_key: self.source_key.and_then(|key| key.parse().ok()),
            state,
            created: Duration::try_from_secs_f64(self.created_seconds).ok()?,
            changes: watch::Sender::new(()),
            work: None,
        };
        Some((self.id, job))
    }
}
