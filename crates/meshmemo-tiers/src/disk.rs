//! [`Disk`]: one self-describing file per entry, below one directory that one process owns.
//!
//! ```text
//! LOCK            who owns the directory (`owner.rs`)
//! tmp/            files on their way; emptied at the start
//! obj/ab/<name>   the entries; the name alone says what is found by it (`name.rs`)
//! quarantine/     files that were not what was written: a bounded number, for people to look at
//! epoch           when everything was last cleared (`epoch.rs`)
//! recency         the order of use, a hint (`recency.rs`)
//! ```
//!
//! - A look-up (`look_up.rs`) goes from the index to the file, and trusts neither.
//! - A write (`write.rs`) reserves room, writes, syncs, closes, renames, syncs the directory, and
//!   only then enters the index (`index.rs`): what is found is whole, and what is `Stored` stays.
//! - A removal (`removal.rs`) is durable when it answers.
//! - The housekeeper (`housekeeper.rs`), a thread, looks through the directories at the start
//!   (`scan.rs`) while look-ups are answered already, unlinks what has left, saves the order of use,
//!   and takes the directory again if it was removed.
//!
//! Locks: `ownership` before the turn of a directory (`turns`) before the index; nothing is called under the index's
//! lock, and no file is touched under it.

mod budget;
mod condition;
mod epoch;
#[cfg(feature = "testing")]
mod faults;
mod fs;
mod fsck;
mod housekeeper;
mod index;
mod kept;
mod look_up;
mod name;
mod options;
mod owner;
mod reading;
mod recency;
mod removal;
mod scan;
mod sealed;
mod write;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use meshmemo::{
    Address, Clock, Cursor, Entry, Error, ErrorKind, Gone, Holding, Key, Listed, Opened, Page, Put,
    Result, Scope, Selector, Ticket, Tier, TierStatus, Trouble,
};
use parking_lot::{Condvar, Mutex, RwLock, RwLockReadGuard};
use tokio::sync::{Semaphore, watch};

use crate::limits::{READERS_MAX, READY_WAIT, REMOVERS_MAX, WRITERS_MAX};
use budget::{Waste, WasteFile};
use condition::Condition;
#[cfg(feature = "testing")]
pub use faults::Faults;
use fs::Files;
#[cfg(feature = "testing")]
pub use fs::Op;
pub use fsck::{FsckOptions, FsckProgress, FsckReport, fsck};
use housekeeper::Bell;
use index::Index;
use name::{Name, directory};
pub use options::{DiskOptions, Durability, OpenError};
pub use owner::{Holder, holder};
use owner::{Owner, TakeError};

/// The disk tier. Entries outlive the process.
pub struct Disk {
    inner: Arc<Inner>,
    housekeeper: Mutex<Option<JoinHandle<()>>>,
}

pub(in crate::disk) struct Inner {
    root: PathBuf,
    durability: Durability,
    files: Files,
    clock: Arc<dyn Clock>,
    index: Mutex<Index>,
    /// Rung when bytes of the budget come free.
    room: Condvar,
    /// One for each directory of entries: whoever holds it changes which names are there.
    turns: Vec<Mutex<()>>,
    /// Whoever holds it writes the epoch.
    clearing: Mutex<()>,
    owner: Mutex<Option<Owner>>,
    /// Read by whoever changes what is in the directory, written by whoever lets it go.
    ownership: RwLock<()>,
    holder: Mutex<Holder>,
    condition: Mutex<Condition>,
    /// Directories that could not be read yet.
    unseen: Mutex<Vec<u8>>,
    phase: watch::Sender<Phase>,
    writers: Arc<Semaphore>,
    readers: Arc<Semaphore>,
    removers: Arc<Semaphore>,
    bell: Bell,
}

/// How far the disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The directory is not to be had; it is tried again and again.
    Closed,
    /// The directories are looked through: look-ups by key go to the files.
    Scanning,
    /// The index has everything.
    Ready,
}

impl Disk {
    /// Takes a directory and starts to look through it; look-ups are answered from now on.
    ///
    /// A directory that can not be had now is no error: the tier is down, with the reason, until it
    /// can.
    ///
    /// # Errors
    /// Another process owns the directory.
    pub fn open(options: DiskOptions) -> Result<Self, OpenError> {
        let inner = Arc::new(Inner::new(options));
        if let Err(TakeError::Held(holder)) = inner.take() {
            return Err(OpenError::Held { root: inner.root.clone(), holder });
        }
        let housekeeper = Mutex::new(housekeeper::start(&inner));
        Ok(Self { inner, housekeeper })
    }

    /// Says where this process can be asked instead, to those who find the directory taken.
    pub fn announce(&self, url: String) {
        let mut holder = self.inner.holder.lock();
        holder.url = Some(url);
        if let Some(owner) = &*self.inner.owner.lock() {
            owner.announce(&holder);
        }
    }

    /// Saves the order of use and lets the directory go. Later calls fail, as those of a disk that is
    /// not there do. Blocks for as long as that takes; a drop does the same.
    pub fn close(&self) {
        self.inner.bell.stop();
        let housekeeper = self.housekeeper.lock().take();
        if housekeeper.is_some_and(|housekeeper| housekeeper.join().is_err()) {
            tracing::error!("the disk's housekeeper ended in a panic");
        }
        let closed = Trouble { reason: "closed", detail: "the disk is closed".to_owned() };
        self.inner.condition.lock().closed = Some(closed);
        self.inner.let_go();
    }

    /// Waits until everything that is there has been found; returns whether it was, in time.
    pub async fn ready(&self, limit: Duration) -> bool {
        self.inner.ready(limit).await
    }

    /// Sets the budget, and evicts before it returns what no longer fits. A file that can not be
    /// unlinked stays counted, and is tried again.
    pub async fn set_max_bytes(&self, max_bytes: u64) {
        self.inner.index.lock().set_max_bytes(max_bytes);
        let inner = Arc::clone(&self.inner);
        let unlinked = blocking(move || {
            inner.unlink_waste().map_err(|error| condition::failed("a file stays", error))
        });
        if let Err(error) = unlinked.await {
            tracing::warn!(%error, "the disk takes more than its budget for now");
        }
    }

    /// Sets what each namespace may take, in bytes of files, and evicts before it returns what is
    /// more; its files are unlinked soon after. A namespace that is not named may take everything.
    pub fn set_shares(&self, shares: &HashMap<Arc<str>, u64>) {
        self.inner.index.lock().set_shares(shares);
        self.inner.bell.ring();
    }

    /// Returns what a namespace has, in bytes of files.
    pub fn holding(&self, namespace: &str) -> Holding {
        self.inner.index.lock().holding(namespace)
    }

    /// Lists the namespaces that have entries or a share, with what they have in bytes of files.
    pub fn namespaces(&self) -> Vec<(Arc<str>, Holding)> {
        self.inner.index.lock().namespaces()
    }

    /// Recounts everything; panics where two books disagree or a reservation was forgotten.
    #[cfg(feature = "testing")]
    pub fn validate(&self) {
        let index = self.inner.index.lock();
        index.validate();
        assert_eq!(index.budget.reserved(), 0, "no write is under way");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk")
            .field("root", &self.inner.root)
            .field("durability", &self.inner.durability)
            .finish_non_exhaustive()
    }
}

impl Tier for Disk {
    fn open(&self, address: Address) -> BoxFuture<'_, Result<Opened>> {
        self.inner.open(address).boxed()
    }

    fn put(&self, entry: Arc<Entry>, ticket: Ticket) -> BoxFuture<'_, Result<Put>> {
        self.inner.put(entry, ticket).boxed()
    }

    fn remove(&self, selector: Selector) -> BoxFuture<'_, Result<Vec<Gone>>> {
        self.inner.remove(selector).boxed()
    }

    fn list(&self, scope: Scope, cursor: Option<Cursor>) -> BoxFuture<'_, Result<Page>> {
        async move {
            let after = cursor.map(|cursor| cursor.0.parse::<Key>()).transpose()?;
            self.inner.wait_until_ready(READY_WAIT).await?;
            let (entries, has_more) = self.inner.index.lock().page(&scope, after);
            let last = entries.last().filter(|_| has_more);
            let next = last.map(|listed: &Listed| Cursor(listed.summary.key.to_string()));
            Ok(Page { entries, next })
        }
        .boxed()
    }

    fn touch(&self, key: Key) {
        let wall = self.inner.clock.wall();
        let mut index = self.inner.index.lock();
        match self.inner.phase() {
            Phase::Ready => drop(index.use_key(&key, wall)),
            Phase::Scanning => index.use_early(key, wall),
            Phase::Closed => {}
        }
    }

    fn status(&self) -> TierStatus {
        let health = self.inner.condition.lock().health();
        TierStatus { health, usage: Some(self.inner.index.lock().usage()) }
    }
}

impl Inner {
    fn new(options: DiskOptions) -> Self {
        #[cfg(feature = "testing")]
        let files = Files::with_faults(options.faults);
        #[cfg(not(feature = "testing"))]
        let files = Files::default();
        Self {
            root: options.root,
            durability: options.durability,
            files,
            clock: options.clock,
            index: Mutex::new(Index::new(options.max_bytes)),
            room: Condvar::new(),
            turns: (0..=u8::MAX).map(|_| Mutex::new(())).collect(),
            clearing: Mutex::new(()),
            owner: Mutex::new(None),
            ownership: RwLock::new(()),
            holder: Mutex::new(Holder::this(options.role, None)),
            condition: Mutex::default(),
            unseen: Mutex::default(),
            phase: watch::Sender::new(Phase::Closed),
            writers: Arc::new(Semaphore::new(WRITERS_MAX)),
            readers: Arc::new(Semaphore::new(READERS_MAX)),
            removers: Arc::new(Semaphore::new(REMOVERS_MAX)),
            bell: Bell::default(),
        }
    }

    fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Waits until the index has everything; returns whether it has, in time.
    async fn ready(&self, limit: Duration) -> bool {
        let mut phase = self.phase.subscribe();
        let ready = phase.wait_for(|phase| *phase != Phase::Scanning);
        let reached = tokio::time::timeout(limit, ready).await;
        matches!(reached, Ok(Ok(phase)) if *phase == Phase::Ready)
    }

    /// Waits until the index has everything.
    ///
    /// # Errors
    /// `Storage` if the directory is not to be had, or takes longer to look through.
    async fn wait_until_ready(&self, limit: Duration) -> Result<()> {
        if self.ready(limit).await {
            return Ok(());
        }
        let closed = self.condition.lock().closed.as_ref().map(|trouble| trouble.detail.clone());
        let message = closed.unwrap_or_else(|| "the disk is still being looked through".to_owned());
        Err(Error::new(ErrorKind::Storage, message))
    }

    /// Keeps the directory owned for as long as the guard lives.
    ///
    /// # Errors
    /// `NotFound` if it is not.
    fn own(&self) -> io::Result<RwLockReadGuard<'_, ()>> {
        let guard = self.ownership.read();
        match self.phase() {
            Phase::Ready => Ok(guard),
            _ => Err(io::Error::new(io::ErrorKind::NotFound, "the data directory is not open")),
        }
    }

    /// Lets the directory go, after all who change it have ended.
    fn let_go(&self) {
        self.phase.send_replace(Phase::Closed);
        let _nobody_changes_it = self.ownership.write();
        *self.owner.lock() = None;
    }

    fn directory(&self, key: &Key) -> PathBuf {
        directory_at(&self.root, directory(key))
    }

    fn path(&self, name: &Name) -> PathBuf {
        self.directory(&name.key).join(name.to_string())
    }

    fn draft_path(&self, number: u64) -> PathBuf {
        self.root.join("tmp").join(number.to_string())
    }

    /// Unlinks everything that has left.
    fn unlink_waste(&self) -> io::Result<()> {
        let waste = self.index.lock().budget.take_waste();
        self.unlink(waste)
    }

    /// Unlinks files; what can not be unlinked stays counted, and is tried again by the housekeeper.
    fn unlink(&self, waste: Vec<Waste>) -> io::Result<()> {
        let mut result = Ok(());
        for waste in waste {
            let path = match &waste.file {
                WasteFile::Entry(name) => self.path(name),
                WasteFile::Draft(number) => self.draft_path(*number),
                WasteFile::Quarantined(file) => self.root.join("quarantine").join(file),
            };
            let removed = self.files.remove(&path);
            let mut index = self.index.lock();
            match removed {
                Ok(()) => index.budget.unlinked(&waste),
                Err(error) => {
                    index.budget.not_unlinked(waste);
                    result = Err(error);
                }
            }
            drop(index);
            self.room.notify_all();
        }
        result
    }
}

fn directory_at(root: &Path, directory: u8) -> PathBuf {
    root.join("obj").join(format!("{directory:02x}"))
}

/// Runs what touches files on the blocking pool; it runs to its end whoever stops waiting for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|panic| {
        Err(Error::with_source(ErrorKind::Storage, "the disk's work ended in a panic", panic))
    })
}
