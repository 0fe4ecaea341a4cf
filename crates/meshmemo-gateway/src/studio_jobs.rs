//! Which jobs of studios make which models now, in a file: work that this process does not live to see
//! the end of is not lost, but gone on with by whoever asks for the same model after a restart.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use meshmemo::Key;
use serde::{Deserialize, Serialize};

/// Bytes of a file that is read at all.
const FILE_MAX_BYTES: u64 = 1 << 20;

/// A job of a studio.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StudioJob {
    /// The address of the studio.
    pub(crate) backend: String,
    /// The job's name there.
    pub(crate) job: String,
}

/// The jobs of studios that are under way.
#[derive(Debug, Default)]
pub struct StudioJobs {
    path: Option<PathBuf>,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// Those of the process before, by the key of what they make.
    left: HashMap<String, StudioJob>,
    /// Those of this one.
    current: BTreeMap<u64, (String, StudioJob)>,
    numbers: u64,
}

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    key: String,
    #[serde(flatten)]
    job: StudioJob,
}

/// A job that is in the file until it is said that it has ended: a process that ends before leaves it
/// there.
#[derive(Debug)]
pub(crate) struct NotedJob {
    jobs: Arc<StudioJobs>,
    number: u64,
}

impl StudioJobs {
    /// Reads what the process before has left; without a file, nothing survives a restart.
    pub fn open(path: Option<PathBuf>) -> Self {
        let read = path.as_deref().map_or_else(|| Ok(Vec::new()), read);
        let lines = read.unwrap_or_else(|error| {
            tracing::warn!(%error, "the jobs of studios can not be read");
            Vec::new()
        });
        let left = lines.into_iter().map(|line| (line.key, line.job)).collect();
        Self { path, table: Mutex::new(Table { left, ..Table::default() }) }
    }

    /// Takes over the job that the process before had begun for a key.
    pub(crate) fn take_left(&self, key: &Key) -> Option<StudioJob> {
        self.lock().left.remove(&key.to_string())
    }

    /// Notes the job that makes what a key stands for. Blocks: a file is written.
    pub(crate) fn note(self: &Arc<Self>, key: &Key, job: StudioJob) -> NotedJob {
        let mut table = self.lock();
        table.numbers += 1;
        let number = table.numbers;
        table.current.insert(number, (key.to_string(), job));
        self.write(&table);
        NotedJob { jobs: Arc::clone(self), number }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the file anew. It has a line for each generation that runs: few, and they change seldom.
    fn write(&self, table: &Table) {
        let Some(path) = &self.path else { return };
        let current = table.current.values().map(|(key, job)| (key, job));
        let line = |(key, job): (&String, &StudioJob)| Line { key: key.clone(), job: job.clone() };
        let lines: Vec<_> = table.left.iter().chain(current).map(line).collect();
        let part = path.with_extension("part");
        let text = serde_json::to_vec(&lines).unwrap_or_default();
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        let written = made.and_then(|()| fs::write(&part, text));
        let written = written.and_then(|()| fs::rename(&part, path));
        if let Err(error) = written {
            tracing::warn!(%error, "a studio's job will not survive a restart");
        }
    }
}

impl NotedJob {
    /// Says that the job has ended, one way or another. Blocks: a file is written.
    pub(crate) fn ended(self) {
        let mut table = self.jobs.lock();
        table.current.remove(&self.number);
        self.jobs.write(&table);
    }
}

fn read(path: &Path) -> io::Result<Vec<Line>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
        Ok(meta) if meta.len() > FILE_MAX_BYTES => Err(io::Error::other("it is too large")),
        Ok(_) => Ok(serde_json::from_slice(&fs::read(path)?)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_not_ended_is_there_for_the_next_process_once() {
        let directory = tempfile::tempdir().unwrap();
        let open = || Arc::new(StudioJobs::open(Some(directory.path().join("studio"))));
        let (one, other) = (Key::from_bytes([1; 32]), Key::from_bytes([2; 32]));
        let job = |job: &str| StudioJob { backend: "http://a".to_owned(), job: job.to_owned() };
        let jobs = open();
        let (first, second) = (jobs.note(&one, job("1")), jobs.note(&other, job("2")));
        assert_eq!(jobs.take_left(&one), None, "what is under way here is nobody else's");
        second.ended();
        drop(first);
        let jobs = open();
        assert_eq!(jobs.take_left(&other), None);
        assert_eq!(jobs.take_left(&one), Some(job("1")));
        assert_eq!(jobs.take_left(&one), None);
        fs::write(directory.path().join("studio"), "no JSON").unwrap();
        assert_eq!(open().take_left(&one), None);
    }
}
