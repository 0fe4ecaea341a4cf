//! Jobs: work whose client comes back for it. They survive a restart in a bounded journal; one that was
//! under way then has failed, and none is under way for ever.

mod journal;

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use meshmemo::{Clock, Digest, Error, ErrorKind, Key, Result, Stored};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::job_id::Secret;
use journal::{Journal, Record};

/// How many jobs are remembered.
const JOBS_MAX: usize = 10_000;
/// What results may weigh together that no tier has, and that wait for their client.
const HELD_MAX_BYTES: u64 = 256 << 20;
/// How long somebody waits for a place among jobs that all run.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// All jobs that are remembered; clones share them.
#[derive(Debug, Clone)]
pub struct Jobs {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    table: Mutex<Table>,
    journal: Option<Journal>,
    secret: Secret,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct Table {
    jobs: HashMap<String, Job>,
    /// In the order in which they were taken.
    order: VecDeque<String>,
    running: usize,
}

#[derive(Debug)]
struct Job {
    namespace: String,
    key: Key,
    /// The key of what the model is derived from, where it is.
    source_key: Option<Key>,
    state: State,
    created: Duration,
    changes: watch::Sender<()>,
    work: Option<AbortHandle>,
}

#[derive(Debug, Clone)]
enum State {
    Running,
    Done(Done),
    Failed(String),
}

/// What a job came to.
#[derive(Debug, Clone)]
pub struct Done {
    /// The digest of the model.
    pub digest: Digest,
    /// Its variant.
    pub variant: String,
    /// Whether no generation was needed.
    pub is_cached: bool,
    /// The model, where no tier has it.
    pub held: Option<Arc<dyn Stored>>,
}

/// How a job stands.
#[derive(Debug, Clone)]
pub enum JobState {
    /// It has not ended.
    Running,
    /// It has ended well.
    Done(Done),
    /// It has not.
    Failed(String),
}

/// What is known of a job.
#[derive(Debug, Clone)]
pub struct JobView {
    /// Its name.
    pub id: String,
    /// The key of the model.
    pub key: Key,
    /// The key of what the model is derived from, where it is.
    pub source_key: Option<Key>,
    /// When it was taken, since the Unix epoch.
    pub created: Duration,
    /// How it stands.
    pub state: JobState,
}

/// What somebody who asks after a job learns.
#[derive(Debug, Clone)]
pub enum FoundJob {
    /// It is there.
    Job(JobView),
    /// There was one, but it is forgotten.
    Forgotten,
    /// Nobody has ever heard of it.
    Unknown,
}

/// A job that runs. Unless it is ended, it has failed when this is dropped.
#[derive(Debug)]
pub struct RunningJob {
    shared: Arc<Shared>,
    id: String,
}

impl Jobs {
    /// Opens the jobs, with the journal of a directory that belongs to this process, if there is one.
    pub fn open(directory: Option<&Path>, secret: Secret, clock: Arc<dyn Clock>) -> Self {
        let (journal, records) = match directory.map(Journal::open) {
            Some(Ok((journal, records))) => (Some(journal), records),
            Some(Err(error)) => {
                tracing::warn!(%error, "jobs will not survive a restart");
                (None, Vec::new())
            }
            None => (None, Vec::new()),
        };
        let mut table = Table::default();
        for record in records {
            table.recall(record);
        }
        let jobs =
            Self { shared: Arc::new(Shared { table: Mutex::new(table), journal, secret, clock }) };
        jobs.shared.rewrite();
        jobs
    }

    /// Takes a job of a namespace for the model of a key.
    ///
    /// # Errors
    /// `Busy` if as many run as are remembered at all.
    pub fn take(
        &self,
        namespace: &str,
        key: Key,
        source_key: Option<Key>,
        random: [u8; 8],
    ) -> Result<RunningJob> {
        let shared = &self.shared;
        let id = shared.secret.name(random);
        let job = Job {
            namespace: namespace.to_owned(),
            key,
            source_key,
            state: State::Running,
            created: shared.clock.wall(),
            changes: watch::Sender::new(()),
            work: None,
        };
        let record = Record::of(&id, &job);
        shared.lock().add(id.clone(), job)?;
        shared.note(&record);
        Ok(RunningJob { shared: Arc::clone(shared), id })
    }

    /// Says what ends the work of a job early.
    pub fn attach(&self, id: &str, work: AbortHandle) {
        if let Some(job) = self.shared.lock().jobs.get_mut(id) {
            job.work = Some(work);
        }
    }

    /// Looks a job of a namespace up.
    pub fn find(&self, id: &str, namespace: &str) -> FoundJob {
        let table = self.shared.lock();
        match table.jobs.get(id).filter(|job| job.namespace == namespace) {
            Some(job) => FoundJob::Job(job.view(id)),
            None if !table.jobs.contains_key(id) && self.shared.secret.is_own(id) => {
                FoundJob::Forgotten
            }
            None => FoundJob::Unknown,
        }
    }

    /// Looks a job up, whosever it is.
    pub fn find_any(&self, id: &str) -> FoundJob {
        let namespace = self.shared.lock().jobs.get(id).map(|job| job.namespace.clone());
        self.find(id, namespace.as_deref().unwrap_or_default())
    }

    /// Returns what tells of changes of a job.
    pub fn watch(&self, id: &str) -> Option<watch::Receiver<()>> {
        self.shared.lock().jobs.get(id).map(|job| job.changes.subscribe())
    }

    /// Ends the wait for a job that runs; what has begun goes on without it.
    pub fn cancel(&self, id: &str) {
        let work = self.shared.lock().jobs.get_mut(id).and_then(|job| job.work.take());
        if let Some(work) = work {
            work.abort();
        }
        self.shared.end(id, State::Failed("it was cancelled".to_owned()));
    }

    /// Returns how many jobs run.
    pub fn running(&self) -> usize {
        self.shared.lock().running
    }
}

impl RunningJob {
    /// Returns the job's name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Ends the job well.
    pub fn done(self, done: Done) {
        self.shared.end(&self.id, State::Done(done));
    }

    /// Ends the job with these words.
    pub fn failed(self, message: impl Into<String>) {
        self.shared.end(&self.id, State::Failed(message.into()));
    }
}

impl Drop for RunningJob {
    fn drop(&mut self) {
        self.shared.end(&self.id, State::Failed("the work was given up".to_owned()));
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a job, unless it has ended.
    fn end(&self, id: &str, state: State) {
        let mut table = self.lock();
        let Some(job) = table.jobs.get_mut(id) else { return };
        if !matches!(job.state, State::Running) {
            return;
        }
        job.state = state;
        job.work = None;
        let (record, changes) = (Record::of(id, job), job.changes.clone());
        table.running -= 1;
        let dropped = table.drop_held();
        drop(table);
        drop(dropped);
        self.note(&record);
        changes.send_replace(());
    }

    fn note(&self, record: &Record) {
        let Some(journal) = &self.journal else { return };
        match journal.append(record) {
            Ok(lines) if lines > 4 * JOBS_MAX => self.rewrite(),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "a job will not survive a restart"),
        }
    }

    /// Writes the journal anew, with what is remembered and no more.
    fn rewrite(&self) {
        let Some(journal) = &self.journal else { return };
        let written = journal.rewrite(|| {
            let table = self.lock();
            let jobs = table.order.iter().filter_map(|id| Some((id, table.jobs.get(id)?)));
            jobs.map(|(id, job)| Record::of(id, job)).collect()
        });
        if let Err(error) = written {
            tracing::warn!(%error, "the journal of jobs can not be written");
        }
    }
}

impl Table {
    /// Adds a job; the oldest one that has ended makes room.
    fn add(&mut self, id: String, job: Job) -> Result<()> {
        if self.running >= JOBS_MAX {
            let message = format!("{JOBS_MAX} jobs are running, and no more are taken");
            return Err(Error::new(ErrorKind::Busy { retry_after: RETRY_AFTER }, message));
        }
        while self.jobs.len() >= JOBS_MAX {
            let has_ended = |id: &String| {
                self.jobs.get(id).is_none_or(|job| !matches!(job.state, State::Running))
            };
            let Some(place) = self.order.iter().position(has_ended) else { break };
            if let Some(id) = self.order.remove(place) {
                self.jobs.remove(&id);
            }
        }
        if matches!(job.state, State::Running) {
            self.running += 1;
        }
        self.order.push_back(id.clone());
        self.jobs.insert(id, job);
        Ok(())
    }

    /// Takes a job over from before the start: one that ran then has failed.
    fn recall(&mut self, record: Record) {
        let Some((id, job)) = record.into_job() else { return };
        match self.jobs.get_mut(&id) {
            Some(known) => known.state = job.state,
            None => drop(self.add(id, job)),
        }
    }

    /// Lets go of the oldest results that no tier has, where there are too many; returns them, to be
    /// dropped where nothing is locked.
    fn drop_held(&mut self) -> Vec<Arc<dyn Stored>> {
        let mut held_bytes = 0;
        let mut dropped = Vec::new();
        for id in self.order.iter().rev() {
            let Some(Job { state, .. }) = self.jobs.get_mut(id) else { continue };
            let State::Done(Done { held, .. }) = state else { continue };
            let Some(stored) = held else { continue };
            held_bytes += stored.meta().size_bytes;
            if held_bytes > HELD_MAX_BYTES {
                dropped.extend(held.take());
            }
        }
        dropped
    }
}

impl Job {
    fn view(&self, id: &str) -> JobView {
        let state = match &self.state {
            State::Running => JobState::Running,
            State::Done(done) => JobState::Done(done.clone()),
            State::Failed(message) => JobState::Failed(message.clone()),
        };
        let (key, source_key, created) = (self.key, self.source_key, self.created);
        JobView { id: id.to_owned(), key, source_key, created, state }
    }
}
