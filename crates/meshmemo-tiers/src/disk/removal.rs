//! A removal: what it removed does not come back, not even after a power failure, once it answers.
//!
//! One entry, or those that a filter matches: out of the index, unlinked, their directories synced.
//! Everything: the epoch is raised and synced, and unlinking follows. Whoever is about to publish
//! is waited for, so that its file is either removed here or given up there.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use meshmemo::{Gone, Key, Result, Selector};

use super::condition::failed;
use super::name::directory;
use super::{Durability, Inner, blocking, directory_at, epoch};
use crate::limits::READY_WAIT;

impl Inner {
    pub(super) async fn remove(self: &Arc<Self>, selector: Selector) -> Result<Vec<Gone>> {
        self.wait_until_ready(READY_WAIT).await?;
        let inner = Arc::clone(self);
        blocking(move || {
            inner
                .remove_owned(&selector)
                .map_err(|error| failed("entries can not be removed", error))
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

    /// Removes one entry.
    pub(super) fn remove_key(&self, key: Key) -> io::Result<Option<Gone>> {
        let _turn = self.turns[usize::from(directory(&key))].lock();
        let gone = self.index.lock().remove(&Selector::Key(key)).pop();
        // Also what a write gave up before its turn was over, and could not unlink.
        self.unlink_waste()?;
        if gone.is_some() {
            self.sync_removals(&BTreeSet::from([directory(&key)]))?;
        }
        Ok(gone)
    }

    fn remove_matching(&self, selector: &Selector) -> io::Result<Vec<Gone>> {
        let gone = self.index.lock().remove(selector);
        self.turns.iter().for_each(|turn| drop(turn.lock()));
        self.unlink_waste()?;
        self.sync_removals(&gone.iter().map(|gone| directory(&gone.key)).collect())?;
        Ok(gone)
    }

    fn clear(&self) -> io::Result<Vec<Gone>> {
        let _turn = self.clearing.lock();
        let (gone, epoch) = {
            let mut index = self.index.lock();
            let gone = index.remove(&Selector::All);
            let epoch = index.draw(self.clock.wall());
            index.raise_epoch(epoch);
            (gone, epoch)
        };
        epoch::raise(&self.files, &self.root, epoch)?;
        self.bell.ring();
        Ok(gone)
    }

    fn sync_removals(&self, directories: &BTreeSet<u8>) -> io::Result<()> {
        if self.durability == Durability::None {
            return Ok(());
        }
        for directory in directories {
            self.files.sync_dir(&directory_at(&self.root, *directory))?;
        }
        Ok(())
    }

    /// Removes every entry whose time is over.
    pub(super) fn expire(&self, wall: Duration) {
        self.index.lock().expire(wall);
    }
}
