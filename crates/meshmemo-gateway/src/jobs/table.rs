//! Which jobs are remembered: pure, under one lock.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use meshmemo::{Error, ErrorKind, Result, Stored};

use super::journal::Record;
use super::{Done, JOBS_MAX, Job, JobState};

/// What results may weigh together that no tier has, and that wait for their client.
const HELD_MAX_BYTES: u64 = 256 << 20;
/// How long somebody waits for a place among jobs that all run.
const RETRY_AFTER: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) jobs: HashMap<String, Job>,
    /// In the order in which they were taken.
    order: VecDeque<String>,
    pub(super) running: usize,
    /// Those that hold a result which no tier has, in the order in which they ended.
    held: VecDeque<String>,
}

impl Table {
    /// Lists what is remembered, in the order in which it was taken.
    pub(super) fn records(table: &Mutex<Self>) -> Vec<Record> {
        let table = table.lock().unwrap_or_else(PoisonError::into_inner);
        let jobs = table.order.iter().filter_map(|id| Some((id, table.jobs.get(id)?)));
        jobs.map(|(id, job)| Record::of(id, job)).collect()
    }

    /// Adds a job; the oldest ones that have ended make room. Returns them, to be dropped where nothing
    /// is locked.
    pub(super) fn add(&mut self, id: String, job: Job) -> Result<Vec<Job>> {
        let mut forgotten = Vec::new();
        if let Some(before) = self.jobs.get(&id) {
            if matches!(before.state, JobState::Running) {
                return Err(Error::new(ErrorKind::Invalid, format!("the job `{id}` is under way")));
            }
            self.order.retain(|other| *other != id);
            self.held.retain(|other| *other != id);
            forgotten.extend(self.jobs.remove(&id));
        }
        if self.running >= JOBS_MAX {
            let message = format!("{JOBS_MAX} jobs are running, and no more are taken");
            return Err(Error::new(ErrorKind::Busy { retry_after: RETRY_AFTER }, message));
        }
        while self.jobs.len() >= JOBS_MAX {
            let has_ended = |id: &String| {
                self.jobs.get(id).is_none_or(|job| !matches!(job.state, JobState::Running))
            };
            let Some(place) = self.order.iter().position(has_ended) else { break };
            let id = self.order.remove(place);
            forgotten.extend(id.and_then(|id| self.jobs.remove(&id)));
        }
        if matches!(job.state, JobState::Running) {
            self.running += 1;
        }
        self.order.push_back(id.clone());
        self.jobs.insert(id, job);
        Ok(forgotten)
    }

    /// Takes a job over from before the start: one that ran then has failed.
    pub(super) fn recall(&mut self, record: Record) {
        let Some((id, job)) = record.into_job() else { return };
        match self.jobs.get_mut(&id) {
            Some(known) => *known = job,
            None => drop(self.add(id, job)),
        }
    }

    /// Notes that a job has ended. Lets go of results that no tier has, those of the jobs that ended first,
    /// where there are too many, but never of the last one; returns them, to be dropped where nothing is
    /// locked.
    pub(super) fn note_end(&mut self, id: &str) -> Vec<Arc<dyn Stored>> {
        self.running -= 1;
        self.held.push_back(id.to_owned());
        let (mut held_bytes, mut dropped, mut kept) = (0, Vec::new(), VecDeque::new());
        for id in std::mem::take(&mut self.held).into_iter().rev() {
            let Some(Job { state: JobState::Done(Done { held, .. }), .. }) = self.jobs.get_mut(&id)
            else {
                continue;
            };
            let Some(stored) = held else { continue };
            held_bytes += stored.meta().size_bytes;
            if held_bytes > HELD_MAX_BYTES && !kept.is_empty() {
                dropped.extend(held.take());
            } else {
                kept.push_front(id);
            }
        }
        self.held = kept;
        dropped
    }
}

#[cfg(test)]
mod tests {
    use meshmemo::{Digest, Key};
    use tokio::sync::watch;

    use super::*;

    fn job(state: JobState) -> Job {
        Job {
            namespace: "default".to_owned(),
            key: Key::from_bytes([1; 32]),
            source_key: None,
            state,
            ending: None,
            created: Duration::ZERO,
            changes: watch::Sender::new(()),
            work: None,
        }
    }

    #[test]
    fn the_oldest_that_has_ended_makes_room_and_none_that_runs() {
        let mut table = Table::default();
        table.add("runs".to_owned(), job(JobState::Running)).unwrap();
        for number in 1..JOBS_MAX {
            table.add(number.to_string(), job(JobState::Failed(String::new()))).unwrap();
        }
        assert_eq!(table.add("one more".to_owned(), job(JobState::Running)).unwrap().len(), 1);
        assert!(table.jobs.contains_key("runs") && !table.jobs.contains_key("1"));
        assert_eq!((table.jobs.len(), table.running), (JOBS_MAX, 2));
        table.running = JOBS_MAX;
        let refused = table.add("too many".to_owned(), job(JobState::Running)).unwrap_err();
        assert!(matches!(refused.kind(), ErrorKind::Busy { .. }), "{refused}");
    }

    #[test]
    fn results_that_no_tier_has_are_let_go_oldest_first() {
        let entry = |bytes: u64| -> Arc<dyn Stored> {
            let bytes = vec![0; usize::try_from(bytes).unwrap()];
            let clock = meshmemo::testing::ManualClock::new();
            Arc::new(meshmemo::testing::entry_of("default", "cup", bytes, &clock))
        };
        let done = |held| {
            let (digest, variant) = (Digest::of(b"model"), "glb".to_owned());
            job(JobState::Done(Done { digest, variant, is_cached: false, held: Some(held) }))
        };
        let mut table = Table::default();
        let third = HELD_MAX_BYTES / 3;
        // They end in another order than they were taken.
        for name in ["d", "a", "b", "c"] {
            table.add(name.to_owned(), done(entry(third))).unwrap();
        }
        table.running = 4;
        let dropped = ["a", "b", "c", "d"].map(|name| table.note_end(name).len());
        assert_eq!(dropped, [0, 0, 0, 1]);
        let is_held = |name: &str| match &table.jobs[name].state {
            JobState::Done(done) => done.held.is_some(),
            _ => false,
        };
        assert_eq!(["a", "b", "c", "d"].map(is_held), [false, true, true, true]);
    }
}
