//! Jobs: work whose client comes back for it. They survive a restart in a bounded journal; one that was
//! under way then has failed, and none is under way for ever. Where records are shared, a client may ask any
//! machine after its job.

mod journal;
mod table;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join;
use meshmemo::{Clock, Digest, Key, Records, Result, Scope, Stored};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::job_id::Secret;
use journal::{Journal, Record};
use table::Table;

/// How many jobs are remembered.
const JOBS_MAX: usize = 10_000;
/// How long an answer waits for the journal.
const JOURNAL_WAIT_MAX: Duration = Duration::from_secs(2);

/// All jobs that are remembered; clones share them.
#[derive(Debug, Clone)]
pub struct Jobs {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    table: Arc<Mutex<Table>>,
    journal: Option<Journal>,
    records: Option<Arc<dyn Records>>,
    secret: Secret,
    clock: Arc<dyn Clock>,
    /// Those that ran when the process before ended.
    interrupted: Mutex<Vec<String>>,
}

#[derive(Debug)]
struct Job {
    namespace: String,
    key: Key,
    /// The key of what the model is derived from, where it is.
    source_key: Option<Key>,
    state: JobState,
    /// How it ends, while the journal is told: nothing else ends it then.
    ending: Option<JobState>,
    created: Duration,
    changes: watch::Sender<()>,
    work: Option<AbortHandle>,
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
    /// Whose its model is.
    pub namespace: String,
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
    Job(Box<JobView>),
    /// There was one, but it is forgotten.
    Forgotten,
    /// Another machine may know it; that can not be asked now.
    Unsure,
    /// Nobody has ever heard of it.
    Unknown,
}

/// A job that runs. Unless it is ended, it has failed when this is dropped.
#[derive(Debug)]
pub struct RunningJob {
    shared: Arc<Shared>,
    id: String,
    /// Tells it from others that have had its name.
    changes: watch::Sender<()>,
}

impl Jobs {
    /// Opens the jobs, with the journal of a directory that belongs to this process, if there is one, and
    /// the records that machines share, if they do.
    pub fn open(
        directory: Option<&Path>,
        records: Option<Arc<dyn Records>>,
        secret: Secret,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let mut table = Table::default();
        let lines = directory.map_or_else(|| Ok(Vec::new()), Journal::read);
        let lines = lines.unwrap_or_else(|error| {
            tracing::warn!(%error, "the journal of jobs can not be read");
            Vec::new()
        });
        let mut interrupted = Vec::new();
        for record in lines {
            record.note_interruption(&mut interrupted);
            table.recall(record);
        }
        let table = Arc::new(Mutex::new(table));
        let remembered = Arc::clone(&table);
        let journal = directory.and_then(|directory| {
            Journal::start(directory, move || Table::records(&remembered))
                .inspect_err(|error| tracing::warn!(%error, "jobs will not survive a restart"))
                .ok()
        });
        let interrupted = Mutex::new(interrupted);
        let shared = Shared { table, journal, records, secret, clock, interrupted };
        Self { shared: Arc::new(shared) }
    }

    /// Returns the names of the jobs that ran when the process before ended, once. They have failed, unless
    /// somebody goes on with them.
    pub fn take_interrupted(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.interrupted.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes the name of a job of 8 random bytes.
    pub fn name(&self, random: [u8; 8]) -> String {
        self.shared.secret.name(random)
    }

    /// Takes a job of a namespace for the model of a key, in the place of one of this name that has
    /// ended.
    ///
    /// # Errors
    /// `Busy` if as many run as are remembered at all, `Invalid` if one of this name runs.
    pub async fn take(
        &self,
        namespace: &str,
        key: Key,
        source_key: Option<Key>,
        id: String,
    ) -> Result<RunningJob> {
        let shared = &self.shared;
        let job = Job {
            namespace: namespace.to_owned(),
            key,
            source_key,
            state: JobState::Running,
            ending: None,
            created: shared.clock.wall(),
            changes: watch::Sender::new(()),
            work: None,
        };
        let (record, changes) = (Record::of(&id, &job), job.changes.clone());
        let forgotten = shared.lock().add(id.clone(), job)?;
        drop(forgotten);
        // From here on, it ends when this is dropped.
        let running = RunningJob { shared: Arc::clone(shared), id, changes };
        shared.note(record).await;
        Ok(running)
    }

    /// Says what ends the work of a job early.
    pub fn attach(&self, id: &str, work: AbortHandle) {
        match self.shared.lock().jobs.get_mut(id) {
            Some(job) if matches!(job.state, JobState::Running) => job.work = Some(work),
            // It was left meanwhile.
            _ => work.abort(),
        }
    }

    /// Looks a job up within a scope. Its name is all it takes there: what a client showed the backend
    /// when it asked for it may be another thing now.
    pub fn find(&self, id: &str, scope: &Scope) -> FoundJob {
        let table = self.shared.lock();
        match table.jobs.get(id).filter(|job| scope.covers(&job.namespace)) {
            Some(job) => FoundJob::Job(Box::new(job.view(id))),
            None if !table.jobs.contains_key(id) && self.shared.secret.is_own(id) => {
                FoundJob::Forgotten
            }
            None => FoundJob::Unknown,
        }
    }

    /// Looks a job up within a scope, wherever it was taken.
    pub async fn find_anywhere(&self, id: &str, scope: &Scope) -> FoundJob {
        match (self.find(id, scope), &self.shared.records) {
            (FoundJob::Job(job), _) => FoundJob::Job(job),
            (here, Some(records)) => {
                let read = tokio::time::timeout(JOURNAL_WAIT_MAX, records.read(id)).await;
                let Ok(Ok(found)) = read else { return FoundJob::Unsure };
                let elsewhere = found.and_then(|record| Record::view_shared(id, &record));
                match elsewhere.filter(|job| scope.covers(&job.namespace)) {
                    Some(job) => FoundJob::Job(Box::new(job)),
                    None => here,
                }
            }
            (here, None) => here,
        }
    }

    /// Returns what tells of changes of a job that was taken here.
    pub fn watch(&self, id: &str) -> Option<watch::Receiver<()>> {
        self.shared.lock().jobs.get(id).map(|job| job.changes.subscribe())
    }

    /// Ends the wait for a job that runs; what has begun goes on without it.
    pub fn cancel(&self, id: &str) {
        let work = self.shared.lock().jobs.get_mut(id).and_then(|job| job.work.take());
        self.shared.end(id, JobState::Failed("it was cancelled".to_owned()));
        if let Some(work) = work {
            work.abort();
        }
    }

    /// Finds a result that no tier has, and that waits for its client.
    pub fn held(&self, digest: Digest, scope: &Scope) -> Option<Arc<dyn Stored>> {
        let table = self.shared.lock();
        let is_own = |job: &&Job| scope.covers(&job.namespace);
        let mut held = table.jobs.values().filter(is_own).filter_map(|job| match &job.state {
            JobState::Done(done) if done.digest == digest => done.held.clone(),
            _ => None,
        });
        held.next()
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

    /// Ends the job well; that is in the journal before anybody sees it.
    pub async fn done(self, done: Done) {
        self.shared.end_written(&self, JobState::Done(done)).await;
    }

    /// Ends the job with these words; that is in the journal before anybody sees it.
    pub async fn failed(self, message: impl Into<String> + Send) {
        self.shared.end_written(&self, JobState::Failed(message.into())).await;
    }
}

impl Drop for RunningJob {
    fn drop(&mut self) {
        // To the journal it still runs: if the process ends, the next one may go on with it.
        let given_up = JobState::Failed("the work was given up".to_owned());
        if let Some(record) = self.shared.begin_end(&self.id, Some(&self.changes), given_up) {
            drop(self.shared.tell(&record));
            self.shared.finish_end(&self.id);
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a job, unless it has ended or is ending; nobody waits for the journal.
    fn end(&self, id: &str, state: JobState) {
        if let Some(record) = self.begin_end(id, None, state) {
            drop(self.note(record));
            self.finish_end(id);
        }
    }

    /// Ends a job, unless it has ended or is ending, after the journal says so.
    async fn end_written(&self, job: &RunningJob, state: JobState) {
        if let Some(record) = self.begin_end(&job.id, Some(&job.changes), state) {
            self.note(record).await;
            self.finish_end(&job.id);
        }
    }

    /// Decides how a job ends, and returns what the journal is to say of that. Another one that has its
    /// name now is left alone.
    fn begin_end(
        &self,
        id: &str,
        only: Option<&watch::Sender<()>>,
        state: JobState,
    ) -> Option<Record> {
        let mut table = self.lock();
        let job = table.jobs.get_mut(id)?;
        if only.is_some_and(|only| !only.same_channel(&job.changes)) {
            return None;
        }
        if !matches!(job.state, JobState::Running) || job.ending.is_some() {
            return None;
        }
        job.ending = Some(state);
        Some(Record::of(id, job))
    }

    /// Lets everybody see that a job has ended.
    fn finish_end(&self, id: &str) {
        let mut table = self.lock();
        let Some(job) = table.jobs.get_mut(id) else { return };
        let Some(state) = job.ending.take() else { return };
        job.state = state;
        job.work = None;
        let changes = job.changes.clone();
        let dropped = table.note_end(id);
        drop(table);
        drop(dropped);
        changes.send_replace(());
    }

    /// Writes a line into the journal, and tells other machines; the future waits for that, but not for a
    /// disk that hangs.
    fn note(&self, record: Record) -> impl Future<Output = ()> + use<> {
        let told = self.tell(&record);
        let written = self.journal.as_ref().map(|journal| journal.add(record));
        let noted = async move {
            if let Some(written) = written {
                // A line that was not written is told of by who should have.
                let _written = written.await;
            }
        };
        async move {
            if tokio::time::timeout(JOURNAL_WAIT_MAX, join(noted, told)).await.is_err() {
                tracing::warn!("noting a job takes too long: it may not survive a restart");
            }
        }
    }

    /// Tells other machines how a job stands; the future waits until they can know.
    fn tell(&self, record: &Record) -> impl Future<Output = ()> + use<> {
        let told = self.records.as_ref().and_then(|it| Some(it.keep(record.id(), record.text()?)));
        async move {
            if let Some(told) = told {
                told.await;
            }
        }
    }
}

impl Job {
    fn view(&self, id: &str) -> JobView {
        let (key, source_key, created) = (self.key, self.source_key, self.created);
        let (namespace, state) = (self.namespace.clone(), self.state.clone());
        JobView { id: id.to_owned(), namespace, key, source_key, created, state }
    }
}
