//! A directory with a disk in it, and what tests do to its files.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use meshmemo::testing::{ManualClock, entry};
use meshmemo::{
    Address, Clock, Entry, Key, MissReason, Opened, Put, Selector, Stored, Ticket, Tier, Usage,
    read_entry,
};
use meshmemo_tiers::{Disk, DiskOptions, Durability, Faults};
use tempfile::TempDir;

/// How long something that must come may take.
const WAIT: Duration = Duration::from_mins(1);

/// A directory, and the disk that has it.
pub(crate) struct Room {
    pub(crate) dir: TempDir,
    pub(crate) clock: ManualClock,
    pub(crate) faults: Faults,
    pub(crate) max_bytes: u64,
    pub(crate) durability: Durability,
    disk: Option<Disk>,
}

impl Room {
    pub(crate) async fn new() -> Self {
        Self::with(1 << 30, Durability::Full).await
    }

    pub(crate) async fn with(max_bytes: u64, durability: Durability) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (clock, faults) = (ManualClock::new(), Faults::default());
        let mut room = Self { dir, clock, faults, max_bytes, durability, disk: None };
        room.open().await;
        room
    }

    pub(crate) fn options(&self) -> DiskOptions {
        let clock = Arc::new(self.clock.clone()) as Arc<dyn Clock>;
        let mut options = DiskOptions::new(self.root(), self.max_bytes, clock);
        options.durability = self.durability;
        options.faults = self.faults.clone();
        options
    }

    /// Opens the disk without waiting for the index.
    pub(crate) fn open_now(&mut self) {
        self.disk = None;
        self.disk = Some(Disk::open(self.options()).unwrap());
    }

    /// Opens the disk, and waits until it has found what is there.
    pub(crate) async fn open(&mut self) {
        self.open_now();
        assert!(self.disk().ready(WAIT).await, "{:?}", self.disk().status());
    }

    /// Ends the disk in order.
    pub(crate) fn close(&mut self) {
        self.disk = None;
    }

    pub(crate) fn disk(&self) -> &Disk {
        self.disk.as_ref().expect("the disk is open")
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn entry(&self, name: &str, body: impl Into<bytes::Bytes>) -> Entry {
        entry(name, body, &self.clock)
    }

    pub(crate) async fn put(&self, entry: &Entry) -> Put {
        self.try_put(entry).await.unwrap()
    }

    pub(crate) async fn try_put(&self, entry: &Entry) -> meshmemo::Result<Put> {
        self.disk().put(Arc::new(entry.clone()), Ticket::new()).await
    }

    /// Looks a key up and reads it whole; tells why where there is nothing.
    pub(crate) async fn get(&self, key: Key) -> Result<Entry, MissReason> {
        match self.disk().open(Address::Key(key)).await.unwrap() {
            Opened::Miss(reason) => Err(reason),
            Opened::Hit(stored) => read_entry(&*stored).await.map_err(|error| match error.kind() {
                meshmemo::ErrorKind::Corrupt => MissReason::Corrupt,
                _ => MissReason::Failed,
            }),
        }
    }

    pub(crate) async fn has(&self, entry: &Entry) -> bool {
        match self.get(entry.meta().key).await {
            Ok(found) => {
                assert_eq!(found.meta(), entry.meta());
                assert!(found.body() == entry.body());
                true
            }
            Err(_) => false,
        }
    }

    pub(crate) async fn remove(&self, selector: Selector) -> usize {
        self.disk().remove(selector).await.unwrap().len()
    }

    pub(crate) fn usage(&self) -> Usage {
        self.disk().status().usage.unwrap()
    }

    /// Waits until a condition holds that the housekeeper brings about.
    pub(crate) async fn until(&self, condition: impl Fn(&Self) -> bool + Send + Sync) {
        let waited = async {
            while !condition(self) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(WAIT, waited).await.expect("it comes in time");
    }

    /// Returns the files of entries, in the order of their names.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let directories = list(&self.root().join("obj"));
        directories.iter().flat_map(|directory| list(directory)).collect()
    }

    /// Returns the one file of an entry there is.
    pub(crate) fn file(&self) -> PathBuf {
        let files = self.files();
        assert_eq!(files.len(), 1, "{files:?}");
        files.into_iter().next().unwrap()
    }

    pub(crate) fn quarantined(&self) -> Vec<PathBuf> {
        list(&self.root().join("quarantine"))
    }

    pub(crate) fn tmp(&self) -> Vec<PathBuf> {
        list(&self.root().join("tmp"))
    }
}

/// A small file system of the test's own, where one may be mounted; elsewhere the test says that it
/// did not run.
pub(crate) struct Mount {
    path: PathBuf,
}

impl Mount {
    pub(crate) fn new(path: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir_all(&path).unwrap();
        let options = format!("size={size},mode=700");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&path);
        if mount.output().is_ok_and(|output| output.status.success()) {
            return Some(Self { path });
        }
        tell("a test of a small file system did not run: nothing can be mounted here");
        None
    }

    pub(crate) fn remount(&self, options: &str) {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,{options}")]).arg(&self.path);
        assert!(mount.status().unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _left_to_the_system = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

pub(crate) fn list(directory: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(directory).into_iter().flatten();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

/// Writes a line that the test runner does not keep to itself.
pub(crate) fn tell(line: &str) {
    writeln!(std::io::stderr().lock(), "{line}").unwrap();
}

/// Returns bytes that differ from those of other seeds.
pub(crate) fn body(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..length.div_ceil(8)).flat_map(|_| next()).take(length).collect()
}
