//! A removal: what it removed does not come back, not even after a power failure, once it answers.
//!
//! One entry, or those that a filter matches: out of the index, unlinked, their directories synced.
//! Everything: the epoch is raised and synced, and unlinking follows. Whoever is about to publish
//! is waited for, so that its file is either removed here or given up there. A removal unlinks and
//! syncs by itself and relies on nobody's having done so: files that have left for other reasons are
//! unlinked by whoever needs the room, and not synced.

use std::io;
use std::sync::Arc;

use meshmemo::{Gone, Key, Result, Selector};

use super::condition::failed;
use super::kept::Kept;
use super::name::directory;
use super::{Durability, Inner, blocking, directory_at, epoch};
use crate::limits::READY_WAIT;

impl Inner {
    pub(super) async fn remove(self: &Arc<Self>, selector: Selector) -> Result<Vec<Gone>> {
        self.wait_until_ready(READY_WAIT).await?;
        let permit = Arc::clone(&self.removers).acquire_owned().await;
        let permit = permit.expect("the removers' places are never closed");
        let inner = Arc::clone(self);
        blocking(move || {
            let _permit = permit;
            inner.remove_owned(&selector).map_err(|error| {
                tracing::error!(%error, "entries can not be removed, and may come back");
                failed("entries can not be removed", error)
            })
        })
        .await
    }

    fn remove_owned(&self, selector: &Selector) -> io::Result<Vec<Gone>> {
        let _owned = self.own()?;
        match selector {
            Selector::Key(key) => self.remove_key(*key).map(|gone| gone.into_iter().collect()),
            Selector::All => self.clear(),
            matching => self.remove_matching(matching),
        }
    }

    /// Removes one entry, with every file of its key: one that was replaced or evicted may still be
    /// there, or come back with a power failure.
    fn remove_key(&self, key: Key) -> io::Result<Option<Gone>> {
        let _turn = self.turns[usize::from(directory(&key))].lock();
        let removed = self.index.lock().remove(&Selector::Key(key)).pop();
        for name in self.names_of(&key)? {
            self.files.remove(&self.path(&name))?;
        }
        self.sync_removals(directory(&key))?;
        Ok(removed.as_ref().map(gone))
    }

    pub(super) fn remove_matching(&self, selector: &Selector) -> io::Result<Vec<Gone>> {
        if !self.unseen.lock().is_empty() {
            return Err(io::Error::other("some of them can not be read now"));
        }
        let removed = self.index.lock().remove(selector);
        self.turns.iter().for_each(|turn| drop(turn.lock()));
        // What can be removed is, whatever becomes of the rest.
        let mut result = Ok(());
        for kept in &removed {
            result = result.and(self.files.remove(&self.path(&kept.name)));
        }
        for directory in 0..=u8::MAX {
            result = result.and(self.sync_removals(directory));
        }
        self.bell.ring();
        result.map(|()| removed.iter().map(gone).collect())
    }

    fn clear(&self) -> io::Result<Vec<Gone>> {
        let _turn = self.clearing.lock();
        let (removed, epoch) = {
            let mut index = self.index.lock();
            let removed = index.remove(&Selector::All);
            let epoch = index.draw(self.clock.wall());
            index.raise_epoch(epoch);
            (removed, epoch)
        };
        epoch::raise(&self.files, &self.root, epoch)?;
        self.bell.ring();
        Ok(removed.iter().map(gone).collect())
    }

    /// Makes durable what was unlinked in a directory; one that is not there has nothing in it.
    fn sync_removals(&self, directory: u8) -> io::Result<()> {
        if self.durability == Durability::None {
            return Ok(());
        }
        match self.files.sync_dir(&directory_at(&self.root, directory)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            synced => synced,
        }
    }
}

fn gone(kept: &Kept) -> Gone {
    Gone { key: kept.name.key, size_bytes: kept.summary.size_bytes }
}
