//! The start: what is in the directories becomes the index.
//!
//! Files that the saved order of use knows are taken by their names; the footers of the others are
//! read. Of two files of a key the one with the higher generation holds. What is no entry, and what
//! a newer version wrote, stays where it is and is counted.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use meshmemo::{Key, Summary};
use parking_lot::Mutex;

use super::budget::{Waste, WasteFile};
use super::condition::trouble;
use super::fs::{Files, allocated, taken};
use super::kept::Kept;
use super::name::{Name, directory};
use super::recency::{self, Recency};
use super::sealed::{Sealed, Unsealed};
use super::{Inner, Phase, directory_at};
use crate::limits::SCANNERS;

const UNSEEN: &str = "not all of the data directory can be read";

/// What was found in the directories.
#[derive(Debug, Default)]
struct Found {
    /// Entries with their places in the saved order of use; `None` for those it does not know.
    entries: Vec<(Option<usize>, Kept)>,
    waste: Vec<Waste>,
    corrupt: Vec<(Name, u64, String)>,
    /// What is no entry, or not this version's: how many files, and their bytes.
    foreign_count: u64,
    foreign: u64,
    /// Directories that could not be listed to their end.
    unseen: Vec<u8>,
    failure: Option<io::Error>,
}

impl Inner {
    /// Looks through the directories, and lets the index have what is there.
    pub(super) fn scan(&self) {
        let started_at = self.clock.now();
        let recency = recency::read(&self.root);
        let found = self.look_through(&recency);
        let count = found.entries.len();
        self.empty_tmp();
        let aside = self.list_quarantine();
        self.take_in(&recency, found, aside);
        if let Err(error) = self.try_to_write() {
            self.condition.lock().note_write("the data directory can not be written", &error, 0);
        }
        if self.bell.is_stopping() {
            return;
        }
        self.phase.send_replace(Phase::Ready);
        let took = self.clock.now().saturating_sub(started_at);
        tracing::info!(entries = count, ?took, "the data directory is looked through");
    }

    fn look_through(&self, recency: &Recency) -> Found {
        let next = AtomicUsize::new(0);
        let all = Mutex::new(Found::default());
        thread::scope(|scope| {
            for _ in 0..SCANNERS {
                scope.spawn(|| {
                    let mut found = Found::default();
                    while let Ok(directory) = u8::try_from(next.fetch_add(1, Ordering::Relaxed)) {
                        if self.bell.is_stopping() {
                            break;
                        }
                        found.merge(self.look_into(directory, recency));
                    }
                    all.lock().merge(found);
                });
            }
        });
        all.into_inner().with_the_highest_generations()
    }

    /// Looks into one directory. What can not be read whole is not taken at all, and is tried again
    /// later.
    fn look_into(&self, directory: u8, recency: &Recency) -> Found {
        self.try_look_into(directory, recency).unwrap_or_else(|error| Found {
            unseen: vec![directory],
            failure: Some(error),
            ..Found::default()
        })
    }

    fn try_look_into(&self, directory: u8, recency: &Recency) -> io::Result<Found> {
        let mut found = Found::default();
        let path = directory_at(&self.root, directory);
        for file in self.files.list(&path)?.into_iter().flatten() {
            let file = file?;
            let metadata = match file.metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                metadata => metadata?,
            };
            match entry_name(&file.file_name(), directory).filter(|_| metadata.is_file()) {
                Some(name) => self.judge(name, &metadata, recency, &mut found)?,
                None => found.leave(taken(&metadata)),
            }
        }
        Ok(found)
    }

    /// Decides what a file is by its name, and if need be by its footer.
    fn judge(
        &self,
        name: Name,
        metadata: &Metadata,
        recency: &Recency,
        found: &mut Found,
    ) -> io::Result<()> {
        let waste = Waste { file: WasteFile::Entry(name), allocated: allocated(metadata.len()) };
        if name.generation < self.index.lock().epoch() {
            found.waste.push(waste);
            return Ok(());
        }
        if let Some((place, kept)) = recency.rows.get(&name)
            && kept.allocated == waste.allocated
        {
            found.entries.push((Some(*place), kept.clone()));
            return Ok(());
        }
        match Sealed::open(&self.files, &self.path(&name), &name) {
            Ok(sealed) => {
                let summary = Arc::new(Summary::from(&sealed.footer.meta));
                let last_used = summary.created;
                let allocated = waste.allocated;
                found.entries.push((None, Kept { name, summary, allocated, hits: 0, last_used }));
            }
            Err(Unsealed::Missing) => {}
            Err(Unsealed::Newer) => found.leave(taken(metadata)),
            Err(Unsealed::Corrupt(what)) => found.corrupt.push((name, waste.allocated, what)),
            Err(Unsealed::Failed(error)) => return Err(error),
        }
        Ok(())
    }

    /// Looks once more into the directories that could not be read.
    pub(super) fn look_into_unseen(&self) {
        // They count as unseen until all of them is in the index.
        let unseen = self.unseen.lock().clone();
        if unseen.is_empty() {
            return;
        }
        let mut found = Found::default();
        for directory in unseen {
            found.merge(self.look_into(directory, &Recency::default()));
        }
        self.take_in(&Recency::default(), found.with_the_highest_generations(), Vec::new());
    }

    fn take_in(&self, recency: &Recency, mut found: Found, aside: Vec<(String, u64)>) {
        // Those that the saved order does not know came after it was saved, in the order in which
        // they were written.
        let order = |(place, kept): &(Option<usize>, Kept)| {
            (place.unwrap_or(usize::MAX), kept.name.generation)
        };
        found.entries.sort_by_key(order);
        let corrupt = std::mem::take(&mut found.corrupt);
        let corrupt = self.move_aside(corrupt, &mut found);
        let (count, foreign) = (found.foreign_count, found.foreign);
        {
            let mut index = self.index.lock();
            index.see(recency.sequence);
            index.budget.leave(foreign);
            for waste in found.waste {
                index.budget.discard(waste);
            }
            for (file, allocated) in aside.into_iter().chain(corrupt) {
                index.budget.quarantine(file, allocated);
            }
            let entries = found.entries.into_iter().map(|(_, kept)| kept).collect();
            index.adopt(entries, self.clock.wall());
        }
        let mut condition = self.condition.lock();
        condition.scan = found.failure.as_ref().map(|error| trouble(UNSEEN, error));
        if count > 0 {
            let detail = format!(
                "{count} files below `obj` are no entries of this version: they stay, and take \
                 {foreign} bytes of the budget"
            );
            condition.room = Some(meshmemo::Trouble { reason: "foreign-files", detail });
        }
        *self.unseen.lock() = found.unseen;
    }

    /// Moves files to the quarantine; returns those that went there.
    fn move_aside(
        &self,
        corrupt: Vec<(Name, u64, String)>,
        found: &mut Found,
    ) -> Vec<(String, u64)> {
        let mut aside = Vec::new();
        for (name, allocated, what) in corrupt {
            tracing::error!(key = %name.key, "an entry is corrupt and goes to the quarantine: {what}");
            let to = self.root.join("quarantine").join(name.to_string());
            match self.files.rename(&self.path(&name), &to) {
                Ok(()) => aside.push((name.to_string(), allocated)),
                Err(error) => {
                    tracing::error!(%error, "the corrupt entry stays where it is");
                    found.leave(allocated);
                }
            }
            self.index.lock().count_quarantined();
        }
        aside
    }

    /// Lists the quarantine, the oldest first.
    fn list_quarantine(&self) -> Vec<(String, u64)> {
        let mut aside = Vec::new();
        let files = self.files.list(&self.root.join("quarantine")).ok().flatten();
        for file in files.into_iter().flatten().flatten() {
            if let (Ok(metadata), Ok(name)) = (file.metadata(), file.file_name().into_string())
                && metadata.is_file()
            {
                aside.push((metadata.modified().ok(), name, allocated(metadata.len())));
            }
        }
        aside.sort();
        aside.into_iter().map(|(_, name, allocated)| (name, allocated)).collect()
    }

    /// Removes what was on its way when the last owner ended.
    fn empty_tmp(&self) {
        let files = self.files.list(&self.root.join("tmp")).ok().flatten();
        for file in files.into_iter().flatten().flatten() {
            if let Err(error) = self.files.remove(&file.path()) {
                tracing::warn!(%error, path = %file.path().display(), "a left-over file stays");
            }
        }
    }
}

impl Found {
    fn merge(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.waste.extend(other.waste);
        self.corrupt.extend(other.corrupt);
        self.foreign_count += other.foreign_count;
        self.foreign = self.foreign.saturating_add(other.foreign);
        self.unseen.extend(other.unseen);
        self.failure = self.failure.take().or(other.failure);
    }

    fn leave(&mut self, allocated: u64) {
        self.foreign_count += 1;
        self.foreign = self.foreign.saturating_add(allocated);
    }

    /// Lets of several files of a key only the one with the highest generation hold: a process that
    /// ended between a replacement and the removal of what it replaced has left both.
    fn with_the_highest_generations(mut self) -> Self {
        let mut highest: HashMap<Key, u64> = HashMap::new();
        for (_, kept) in &self.entries {
            let generation = highest.entry(kept.name.key).or_default();
            *generation = kept.name.generation.max(*generation);
        }
        let is_highest = |kept: &Kept| highest[&kept.name.key] == kept.name.generation;
        let (entries, replaced) = self.entries.into_iter().partition(|(_, kept)| is_highest(kept));
        let replaced: Vec<(Option<usize>, Kept)> = replaced;
        self.entries = entries;
        self.waste.extend(replaced.into_iter().map(|(_, kept)| Waste {
            file: WasteFile::Entry(kept.name),
            allocated: kept.allocated,
        }));
        self
    }
}

/// Returns the name of an entry that is where it belongs.
pub(super) fn entry_name(file: &OsStr, in_directory: u8) -> Option<Name> {
    let name: Name = file.to_str()?.parse().ok()?;
    (directory(&name.key) == in_directory).then_some(name)
}

/// Makes the directories that must be there, durably, so that a write has to sync its own alone.
pub(super) fn make_directories(files: &Files, root: &Path) -> io::Result<()> {
    std::fs::create_dir_all(root)?;
    for name in ["tmp", "obj", "quarantine"] {
        files.create_dir(&root.join(name))?;
    }
    for directory in 0..=u8::MAX {
        files.create_dir(&directory_at(root, directory))?;
    }
    let parent = root.parent().filter(|parent| !parent.as_os_str().is_empty());
    for directory in [Some(&*root.join("obj")), Some(root), parent].into_iter().flatten() {
        files.sync_dir(directory)?;
    }
    Ok(())
}
