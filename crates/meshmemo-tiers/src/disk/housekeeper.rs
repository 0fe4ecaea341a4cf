//! The disk's own thread: it opens the directory and keeps it in order, until the disk is dropped.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::condition::trouble;
use super::fs::available;
use super::owner::{Owner, TakeError};
use super::{Inner, Phase, epoch, recency, scan};
use crate::limits::{PROBE_PAUSE, RECENCY_PAUSE, RESCAN_PAUSE, ROUND, UNLINKS_AT_A_TIME};

/// Calls the housekeeper, or ends it.
#[derive(Debug, Default)]
pub(super) struct Bell {
    state: Mutex<Call>,
    rung: Condvar,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Call {
    #[default]
    None,
    Look,
    Stop,
}

impl Bell {
    pub(super) fn ring(&self) {
        self.call(Call::Look);
    }

    pub(super) fn stop(&self) {
        self.call(Call::Stop);
    }

    /// Returns whether the housekeeper is to end.
    pub(super) fn is_stopping(&self) -> bool {
        *self.state.lock() == Call::Stop
    }

    fn call(&self, call: Call) {
        let mut state = self.state.lock();
        if *state != Call::Stop {
            *state = call;
        }
        self.rung.notify_all();
    }

    /// Waits for a call, and takes it; without one, for as long as a round.
    fn wait(&self) -> Call {
        let mut state = self.state.lock();
        if *state == Call::None {
            self.rung.wait_for(&mut state, ROUND);
        }
        let call = *state;
        if call == Call::Look {
            *state = Call::None;
        }
        call
    }
}

/// When the housekeeper did what it does now and then, in monotonic time.
#[derive(Debug)]
struct Rounds {
    saved: Duration,
    probed: Duration,
    looked: Duration,
}

/// Starts the housekeeper. Without a thread the disk stays closed, and says so.
pub(super) fn start(inner: &Arc<Inner>) -> Option<JoinHandle<()>> {
    let disk = Arc::clone(inner);
    let started = thread::Builder::new().name("disk".to_owned()).spawn(move || run(&disk));
    match started {
        Ok(handle) => Some(handle),
        Err(error) => {
            let trouble = trouble("the disk's thread can not be started", &error);
            inner.condition.lock().closed = Some(trouble);
            inner.let_go();
            None
        }
    }
}

fn run(disk: &Inner) {
    let now = disk.clock.now();
    let mut rounds = Rounds { saved: now, probed: now, looked: now };
    loop {
        disk.keep_house(&mut rounds);
        if disk.bell.wait() == Call::Stop {
            break;
        }
    }
    if disk.phase() == Phase::Ready {
        disk.save_recency();
    }
}

impl Inner {
    /// Takes the directory, so that it can be looked through.
    pub(super) fn take(&self) -> Result<(), TakeError> {
        let taken = scan::make_directories(&self.files, &self.root)
            .map_err(TakeError::Failed)
            .or_else(|error| self.accept_read_only(error))
            .and_then(|()| {
                // Held until the owner is there: an announcement in between would be lost.
                let holder = self.holder.lock();
                let owner = Owner::take(&self.root, &holder)?;
                let epoch = self.read_epoch().map_err(TakeError::Failed)?;
                *self.owner.lock() = Some(owner);
                Ok(epoch)
            });
        match taken {
            Ok(epoch) => {
                self.index.lock().raise_epoch(epoch);
                self.condition.lock().closed = None;
                self.phase.send_replace(Phase::Scanning);
                Ok(())
            }
            Err(error) => {
                let what = "the data directory can not be used";
                self.condition.lock().closed = Some(match &error {
                    TakeError::Failed(error) => trouble(what, error),
                    TakeError::Held(holder) => meshmemo::Trouble {
                        reason: "held",
                        detail: format!("the data directory is held by {holder}"),
                    },
                });
                Err(error)
            }
        }
    }

    /// What is there can be served, even if nothing can be added.
    fn accept_read_only(&self, error: TakeError) -> Result<(), TakeError> {
        match &error {
            TakeError::Failed(cause)
                if cause.kind() == io::ErrorKind::ReadOnlyFilesystem
                    && self.root.join("obj").is_dir() =>
            {
                Ok(())
            }
            _ => Err(error),
        }
    }

    /// Reads the epoch. Where it is not what was written, nothing is lost for it: what was cleared
    /// was unlinked, unless the process ended in that very moment.
    fn read_epoch(&self) -> io::Result<u64> {
        match epoch::read(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                tracing::error!(%error, "when the cache was last cleared is not known");
                Ok(0)
            }
            epoch => epoch,
        }
    }

    fn keep_house(&self, rounds: &mut Rounds) {
        if self.phase() == Phase::Ready && !self.is_there() {
            self.close();
        }
        if self.phase() == Phase::Closed && self.take().is_err() {
            return;
        }
        if self.phase() == Phase::Scanning {
            self.scan();
        }
        {
            let mut index = self.index.lock();
            index.expire(self.clock.wall());
            index.budget.try_stuck_again();
        }
        self.unlink_in_batches();
        let now = self.clock.now();
        if now.saturating_sub(rounds.probed) >= PROBE_PAUSE {
            rounds.probed = now;
            self.probe();
        }
        if now.saturating_sub(rounds.looked) >= RESCAN_PAUSE {
            rounds.looked = now;
            self.look_into_unseen();
        }
        if now.saturating_sub(rounds.saved) >= RECENCY_PAUSE {
            rounds.saved = now;
            self.save_recency();
        }
    }

    /// Unlinks what has left, a part at a time, so that the end is not held up by it.
    fn unlink_in_batches(&self) {
        while !self.bell.is_stopping() {
            let waste = self.index.lock().budget.take_some_waste(UNLINKS_AT_A_TIME);
            if waste.is_empty() {
                break;
            }
            if let Err(error) = self.unlink(waste) {
                tracing::debug!(%error, "files that have left can not be unlinked yet");
            }
        }
    }

    /// Returns whether the directory is still the one that was taken.
    fn is_there(&self) -> bool {
        self.owner.lock().as_ref().is_some_and(Owner::is_intact)
            && ["tmp", "obj", "quarantine"].iter().all(|name| self.root.join(name).is_dir())
    }

    /// Gives up a directory that was removed; nothing of it is there any more.
    fn close(&self) {
        tracing::error!(root = %self.root.display(), "the data directory was removed");
        self.let_go();
        self.index.lock().lose();
    }

    /// Tries whether a disk that could not be written can be written again.
    fn probe(&self) {
        if !self.is_worth_a_probe() {
            return;
        }
        match self.try_to_write() {
            Ok(()) => {
                tracing::info!("the data directory can be written again");
                self.condition.lock().write = None;
            }
            Err(error) => tracing::debug!(%error, "the data directory can not be written yet"),
        }
    }

    /// Writes a small file, and removes it.
    pub(super) fn try_to_write(&self) -> io::Result<()> {
        let path = self.root.join("tmp").join("probe");
        self.files.remove(&path)?;
        let file = self.files.create(&path)?;
        let written = self.files.write(&file, &[0; 4096]);
        let synced = written.and_then(|()| self.files.sync_data(&file));
        let closed = synced.and(self.files.close(file));
        closed.and(self.files.remove(&path))
    }

    /// Returns whether a small write can tell that an entry could be written now. About rights of a
    /// directory and limits on files, only an entry can.
    fn is_worth_a_probe(&self) -> bool {
        let (reason, needed) = match &self.condition.lock().write {
            None => return false,
            Some((trouble, needed)) => (trouble.reason, *needed),
        };
        match reason {
            "full" => available(&self.root).is_ok_and(|bytes| bytes > needed),
            "file-too-large" | "permission" | "busy" => false,
            _ => true,
        }
    }

    /// Saves the order of use, if it has changed.
    fn save_recency(&self) {
        let (sequence, entries) = {
            let mut index = self.index.lock();
            if !std::mem::replace(&mut index.is_dirty, false) {
                return;
            }
            let sequence = index.draw(self.clock.wall());
            (sequence, index.in_order())
        };
        if let Err(error) = recency::write(&self.files, &self.root, sequence, &entries) {
            tracing::warn!(%error, "the order of use can not be saved");
            self.index.lock().is_dirty = true;
        }
    }
}
