//! A write: reserve, write, sync, close, rename, sync the directory, and only then be found.
//!
//! An entry that counts as stored has gone through all of it; one that fails on the way leaves
//! nothing behind. The moment in which it becomes visible is decided under the lock of the index,
//! where its ticket is asked.

use std::fs::File;
use std::io;
use std::sync::Arc;

use meshmemo::{Entry, Filter, Put, Result, Selector, Stored, Summary, Ticket};

use super::budget::{Waste, WasteFile};
use super::condition::failed;
use super::fs::{Op, allocated};
use super::index::Room;
use super::kept::Kept;
use super::name::{Name, directory};
use super::{Durability, Inner, Phase, blocking};
use crate::envelope::seal;
use crate::limits::{FOOTER_MAX_BYTES, READY_WAIT, ROOM_PAUSE, ROOM_WAIT};

const UNWRITABLE: &str = "an entry can not be written";

impl Inner {
    pub(super) async fn put(self: &Arc<Self>, entry: Arc<Entry>, ticket: Ticket) -> Result<Put> {
        match self.wait_until_ready(READY_WAIT).await {
            Err(_) if self.phase() == Phase::Scanning => return Ok(Put::NotReady),
            ready => ready?,
        }
        let permit = Arc::clone(&self.writers).acquire_owned().await;
        let permit = permit.expect("the writers' places are never closed");
        let inner = Arc::clone(self);
        blocking(move || {
            let _permit = permit;
            inner.write(&entry, &ticket)
        })
        .await
    }

    fn write(&self, entry: &Entry, ticket: &Ticket) -> Result<Put> {
        if !ticket.is_valid() {
            return Ok(Put::Invalidated);
        }
        if entry.meta().is_expired(self.clock.wall()) {
            return Ok(Put::Expired);
        }
        match self.try_write(entry, ticket) {
            Ok(put) => {
                if put == Put::Stored {
                    self.condition.lock().write = None;
                }
                Ok(put)
            }
            Err(error) => {
                let bytes = entry.meta().size_bytes;
                self.condition.lock().note_write(UNWRITABLE, &error, bytes);
                // The directory may be gone: the housekeeper looks.
                self.bell.ring();
                Err(failed(UNWRITABLE, error))
            }
        }
    }

    fn try_write(&self, entry: &Entry, ticket: &Ticket) -> io::Result<Put> {
        let _owned = self.own()?;
        let footer = seal(entry.meta(), entry.body());
        // What could not be read back is not written.
        if footer.len() as u64 > u64::from(FOOTER_MAX_BYTES) {
            return Ok(Put::TooLarge);
        }
        let bytes = allocated((entry.body().len() + footer.len()) as u64);
        let namespace = entry.meta().identity.namespace.as_str();
        // Made first: a directory that can not be written costs no entry its place.
        let mut draft = Draft::new(self, namespace)?;
        if !self.reserve(bytes, &mut draft)? {
            // What it was to replace is out of date all the same.
            let is_there = self.index.lock().contains(&entry.meta().key);
            if is_there {
                let replaced = Filter::replaced_by(entry.meta());
                self.remove_matching(&Selector::Matching(replaced))?;
            }
            return Ok(Put::TooLarge);
        }
        draft.write(entry.body(), &footer)?;
        self.publish(draft, entry, ticket)
    }

    /// Reserves room for a draft; returns whether there can be as much.
    fn reserve(&self, bytes: u64, draft: &mut Draft<'_>) -> io::Result<bool> {
        let give_up_at = self.clock.now() + ROOM_WAIT;
        let mut index = self.index.lock();
        loop {
            match index.reserve(&draft.namespace, bytes) {
                Room::Reserved => {
                    draft.reserved = bytes;
                    if index.budget.wasted() > 0 {
                        self.bell.ring();
                    }
                    return Ok(true);
                }
                Room::TooLarge => return Ok(false),
                Room::Unlink(waste) => {
                    drop(index);
                    self.unlink(waste)?;
                    index = self.index.lock();
                }
                Room::Wait if self.clock.now() >= give_up_at => {
                    let message = "other writes hold the room that it needs";
                    return Err(io::Error::new(io::ErrorKind::ResourceBusy, message));
                }
                Room::Wait => drop(self.room.wait_for(&mut index, ROOM_PAUSE)),
            }
        }
    }

    /// Gives a file its name and lets it be found, unless its entry was removed on its way.
    fn publish(&self, draft: Draft<'_>, entry: &Entry, ticket: &Ticket) -> io::Result<Put> {
        let meta = entry.meta();
        let wall = self.clock.wall();
        // A removal waits for its turn, and so for this to be decided one way or the other.
        let _turn = self.turns[usize::from(directory(&meta.key))].lock();
        // Declared after the turn, so that a file that is given up is gone before it ends.
        let mut draft = draft;
        if !ticket.is_valid() {
            return Ok(Put::Invalidated);
        }
        let name = Name {
            key: meta.key,
            digest: meta.digest,
            payload_bytes: meta.size_bytes,
            generation: self.index.lock().draw(wall),
        };
        draft.name(name)?;
        self.files.before(Op::Index)?;
        let kept = Kept {
            name,
            summary: Arc::new(Summary::from(meta)),
            allocated: draft.reserved,
            hits: 0,
            last_used: wall,
        };
        let committed = self.index.lock().commit(kept, ticket, wall);
        let replaced = match committed {
            Ok(replaced) => replaced,
            Err(put) => return Ok(put),
        };
        draft.keep();
        self.room.notify_all();
        // Still in its turn, or a removal could answer before it is gone. If it can not be
        // unlinked, the housekeeper tries again.
        let _tried_again = self.unlink(replaced.into_iter().collect());
        Ok(Put::Stored)
    }
}

/// A file on its way, on the room reserved for it; it is removed unless it is kept in the end.
struct Draft<'a> {
    disk: &'a Inner,
    number: u64,
    /// Whose room is reserved for it.
    namespace: Arc<str>,
    file: Option<File>,
    /// The name under which it is found, once it has one.
    name: Option<Name>,
    reserved: u64,
    is_kept: bool,
}

impl<'a> Draft<'a> {
    /// Makes an empty file below `tmp/`.
    fn new(disk: &'a Inner, namespace: &str) -> io::Result<Self> {
        let number = disk.index.lock().draw(disk.clock.wall());
        let file = Some(disk.files.create(&disk.draft_path(number))?);
        let namespace = namespace.into();
        Ok(Self { disk, number, namespace, file, name: None, reserved: 0, is_kept: false })
    }

    /// Writes and closes the file, as durable as configured.
    fn write(&mut self, payload: &[u8], footer: &[u8]) -> io::Result<()> {
        let Some(file) = self.file.take() else { return Ok(()) };
        let files = &self.disk.files;
        let written = files
            .write(&file, payload)
            .and_then(|()| files.write(&file, footer))
            .and_then(|()| match self.disk.durability {
                Durability::None => Ok(()),
                Durability::Data | Durability::Full => files.sync_data(&file),
            });
        written.and(files.close(file))
    }

    /// Gives the file the name under which it is found, durably if configured.
    fn name(&mut self, name: Name) -> io::Result<()> {
        let disk = self.disk;
        let (directory, path) = (disk.directory(&name.key), disk.path(&name));
        let draft_path = disk.draft_path(self.number);
        match disk.files.rename(&draft_path, &path) {
            // Made at the start, and removed since.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !directory.is_dir() => {
                disk.files.create_dir(&directory)?;
                disk.files.sync_dir(&disk.root.join("obj"))?;
                disk.files.rename(&draft_path, &path)?;
            }
            renamed => renamed?,
        }
        self.name = Some(name);
        match disk.durability {
            Durability::Full => disk.files.sync_dir(&directory),
            Durability::None | Durability::Data => Ok(()),
        }
    }

    fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        let (disk, allocated) = (self.disk, self.reserved);
        let removed = match self.name {
            None => disk.files.remove(&disk.draft_path(self.number)),
            Some(name) => disk.files.remove(&disk.path(&name)).and_then(|()| {
                // Its name may be durable already.
                disk.files.sync_dir(&disk.directory(&name.key))
            }),
        };
        let mut index = disk.index.lock();
        if allocated > 0 {
            index.budget.give_back(&self.namespace, allocated);
        }
        if let Err(error) = removed {
            tracing::warn!(%error, "a file that was given up stays for now");
            // The housekeeper tries again; until then its bytes are counted.
            let file = self.name.map_or(WasteFile::Draft(self.number), WasteFile::Entry);
            index.budget.discard(Waste { file, allocated });
        }
        drop(index);
        disk.room.notify_all();
    }
}
