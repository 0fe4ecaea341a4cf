//! The journal of jobs: a file with a line of JSON for each change, written by a thread of its own, and
//! anew when it has grown.
//!
//! A line that a crash has cut off is skipped. Power failures may take the last lines with them: a job
//! that is not remembered is known by its name to have been one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use meshmemo::SharedRecord;
use serde::{Deserialize, Serialize};
use tokio::sync::{oneshot, watch};

use super::{Done, JOBS_MAX, Job, JobState, JobView};

/// Bytes of a journal that are read at all.
const JOURNAL_MAX_BYTES: u64 = 64 << 20;
/// Characters of a failure's words that are written.
const MESSAGE_MAX_CHARS: usize = 500;
/// How many lines a journal has when it is written anew.
const LINES_MAX: usize = 4 * JOBS_MAX;
/// How many lines may wait to be written; what comes on top is not, and is told of.
const WAITING_MAX: usize = 4096;

/// Where lines go.
#[derive(Debug)]
pub(super) struct Journal {
    lines: SyncSender<Line>,
}

/// A line, and who waits for it to be written.
#[derive(Debug)]
struct Line {
    record: Record,
    written: oneshot::Sender<()>,
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
    /// Reads what the journal of a directory says.
    pub(super) fn read(directory: &Path) -> io::Result<Vec<Record>> {
        let path = path(directory);
        match fs::metadata(&path) {
            Ok(meta) if meta.is_file() && meta.len() <= JOURNAL_MAX_BYTES => {
                let text = fs::read(&path)?;
                let lines = text.split(|byte| *byte == b'\n');
                Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(_) => {
                let message = "it is no file, or one that is too large: jobs are forgotten";
                Err(io::Error::other(message))
            }
            Err(_) => Ok(Vec::new()),
        }
    }

    /// Starts the journal of a directory anew, with what is remembered; `remembered` is asked again
    /// whenever it has grown.
    pub(super) fn start(
        directory: &Path,
        remembered: impl Fn() -> Vec<Record> + Send + 'static,
    ) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let path = path(directory);
        let file = write_anew(&path, &remembered())?;
        let (lines, waiting) = sync_channel(WAITING_MAX);
        let writer = Writer { path, file, line_count: 0, is_torn: false };
        let named = thread::Builder::new().name("jobs".to_owned());
        named.spawn(move || writer.run(&waiting, remembered))?;
        Ok(Self { lines })
    }

    /// Adds a line; returns what waits for it to be written.
    pub(super) fn add(&self, record: Record) -> oneshot::Receiver<()> {
        let (written, wait) = oneshot::channel();
        if self.lines.try_send(Line { record, written }).is_err() {
            tracing::warn!(
                "the journal of jobs does not keep up: a job will not survive a restart"
            );
        }
        wait
    }
}

/// What the journal's thread has at hand.
struct Writer {
    path: PathBuf,
    file: File,
    line_count: usize,
    /// Whether the last line is cut off.
    is_torn: bool,
}

impl Writer {
    fn run(mut self, waiting: &Receiver<Line>, remembered: impl Fn() -> Vec<Record>) {
        while let Ok(Line { record, written }) = waiting.recv() {
            if let Err(error) = self.write(&record) {
                self.is_torn = true;
                tracing::warn!(%error, "a job will not survive a restart");
            }
            // Who does not wait for it has left.
            let _nobody_waits = written.send(());
            if self.line_count > LINES_MAX {
                self.line_count = 0;
                match write_anew(&self.path, &remembered()) {
                    Ok(file) => self.file = file,
                    Err(error) => {
                        tracing::warn!(%error, "the journal of jobs can not be written anew");
                    }
                }
            }
        }
    }

    fn write(&mut self, record: &Record) -> io::Result<()> {
        let mut line = if self.is_torn { vec![b'\n'] } else { Vec::new() };
        serde_json::to_writer(&mut line, record)?;
        line.push(b'\n');
        self.line_count += 1;
        self.file.write_all(&line)?;
        self.is_torn = false;
        Ok(())
    }
}

/// Puts a new journal in the place of the old one.
fn write_anew(path: &Path, records: &[Record]) -> io::Result<File> {
    let part = path.with_extension("part");
    let mut text = Vec::new();
    for record in records {
        serde_json::to_writer(&mut text, record)?;
        text.push(b'\n');
    }
    let options = OpenOptions::new().create(true).write(true).truncate(true).open(&part);
    let mut file = options?;
    file.write_all(&text)?;
    file.sync_data()?;
    fs::rename(&part, path)?;
    Ok(file)
}

fn path(directory: &Path) -> PathBuf {
    directory.join("journal")
}

impl Record {
    pub(super) fn of(id: &str, job: &Job) -> Self {
        let state = match job.ending.as_ref().unwrap_or(&job.state) {
            JobState::Running => Written::Running,
            JobState::Done(Done { digest, variant, is_cached, .. }) => Written::Done {
                digest: digest.to_string(),
                variant: variant.clone(),
                cached: *is_cached,
            },
            JobState::Failed(message) => {
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

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Returns the line.
    pub(super) fn text(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }

    /// Reads how a job stands from what the machine that took it has told; one that runs on a machine that
    /// does not live any more has failed.
    pub(super) fn view_shared(id: &str, record: &SharedRecord) -> Option<JobView> {
        let told: Self = serde_json::from_str(&record.text).ok()?;
        let is_running = matches!(told.state, Written::Running);
        let (_, job) = told.into_job()?;
        let view = job.view(id);
        let state =
            if is_running && record.is_keeper_alive { JobState::Running } else { view.state };
        Some(JobView { state, ..view })
    }

    /// Adds the job's name to those that ran when the process ended, or takes it out.
    pub(super) fn note_interruption(&self, interrupted: &mut Vec<String>) {
        interrupted.retain(|id| *id != self.id);
        if matches!(self.state, Written::Running) {
            interrupted.push(self.id.clone());
        }
    }

    /// Makes the job of a line from before the start.
    pub(super) fn into_job(self) -> Option<(String, Job)> {
        let state = match self.state {
            Written::Running => {
                JobState::Failed("the server ended while the job was under way".to_owned())
            }
            Written::Done { digest, variant, cached } => {
                let digest = digest.parse().ok()?;
                JobState::Done(Done { digest, variant, is_cached: cached, held: None })
            }
            Written::Failed { message } => JobState::Failed(message),
        };
        let job = Job {
            namespace: self.namespace,
            key: self.key.parse().ok()?,
            source_key: self.source_key.and_then(|key| key.parse().ok()),
            state,
            ending: None,
            created: Duration::try_from_secs_f64(self.created_seconds).ok()?,
            changes: watch::Sender::new(()),
            work: None,
        };
        Some((self.id, job))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str, state: Written) -> Record {
        let key = "0".repeat(64);
        let (id, namespace) = (id.to_owned(), "default".to_owned());
        Record { id, namespace, key, source_key: None, created_seconds: 1.5, state }
    }

    fn failed() -> Written {
        Written::Failed { message: "it broke".to_owned() }
    }

    #[test]
    fn lines_come_back_and_what_is_cut_off_or_strange_is_skipped() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::start(directory.path(), Vec::new).unwrap();
        for id in ["a", "b"] {
            journal.add(record(id, failed())).blocking_recv().unwrap();
        }
        drop(journal);
        let path = path(directory.path());
        let mut text = fs::read_to_string(&path).unwrap();
        text.insert_str(0, "no JSON\n{}\n");
        text.push_str("{\"id\": \"cut o");
        fs::write(&path, text).unwrap();
        let read = Journal::read(directory.path()).unwrap();
        let ids: Vec<_> = read.iter().map(|record| record.id.as_str()).collect();
        assert_eq!(ids, ["a", "b"]);
        let (_, job) = read.into_iter().next().unwrap().into_job().unwrap();
        assert!(matches!(job.state, JobState::Failed(words) if words == "it broke"));
    }

    #[test]
    fn it_is_written_anew_when_it_has_grown() {
        let directory = tempfile::tempdir().unwrap();
        let kept = || vec![record("kept", failed())];
        let journal = Journal::start(directory.path(), kept).unwrap();
        for number in 0..=LINES_MAX {
            let line = record(&number.to_string(), Written::Running);
            journal.add(line).blocking_recv().unwrap();
        }
        // The next line stands behind the new beginning.
        journal.add(record("next", failed())).blocking_recv().unwrap();
        let read = Journal::read(directory.path()).unwrap();
        let ids: Vec<_> = read.iter().map(|record| record.id.as_str()).collect();
        assert_eq!(ids, ["kept", "next"]);
    }
}
