//! A write: reserve, write, sync, close, rename, sync the directory, and only then be found.
//!
//! An entry that counts as stored has gone through all of it; one that fails on the way leaves
//! nothing behind. The moment in which it becomes visible is decided under the lock of the index,
//! where its ticket is asked.

use std::io;
use std::sync::Arc;

use meshmemo::{Entry, Put, Result, Stored, Summary, Ticket};

use super::budget::{Waste, WasteFile};
use super::condition::{failed, trouble};
use super::fs::{Op, allocated};
use super::index::{Kept, Room};
use super::name::{Name, directory};
use super::{Durability, Inner, Phase, blocking};
use crate::envelope::seal;
use crate::limits::{READY_WAIT, ROOM_WAIT};

const UNWRITABLE: &str = "an entry can not be written";

impl Inner {
    pub(super) async fn put(self: &Arc<Self>, entry: Arc<Entry>, ticket: Ticket) -> Result<Put> {
        if !self.ready(READY_WAIT).await && self.phase() == Phase::Scanning {
            return Ok(Put::NotReady);
        }
        self.wait_until_ready(READY_WAIT).await?;
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
                self.condition.lock().write = Some(trouble(UNWRITABLE, &error));
                // The directory may be gone: the housekeeper looks.
                self.bell.ring();
                Err(failed(UNWRITABLE, error))
            }
        }
    }

    fn try_write(&self, entry: &Entry, ticket: &Ticket) -> io::Result<Put> {
        let _owned = self.own()?;
        let footer = seal(entry.meta(), entry.body());
        let bytes = allocated((entry.body().len() + footer.len()) as u64);
        let Some(reservation) = self.reserve(bytes)? else {
            // What it was to replace is out of date all the same.
            self.remove_key(entry.meta().key)?;
            return Ok(Put::TooLarge);
        };
        let draft = Draft::write(reservation, entry.body(), &footer)?;
        let put = self.publish(draft, entry, ticket)?;
        // What it replaced leaves; if that fails, the housekeeper tries again.
        let _tried_again = self.unlink_waste();
        Ok(put)
    }

    /// Reserves room for a file; nothing, if there can never be as much.
    fn reserve(&self, bytes: u64) -> io::Result<Option<Reservation<'_>>> {
        loop {
            let mut index = self.index.lock();
            match index.reserve(bytes) {
                Room::Reserved => {
                    return Ok(Some(Reservation { disk: self, bytes, is_taken: false }));
                }
                Room::TooLarge => return Ok(None),
                Room::Unlink(waste) => {
                    drop(index);
                    self.unlink(waste)?;
                }
                Room::Wait => {
                    if self.room.wait_for(&mut index, ROOM_WAIT).timed_out() {
                        let message = "others hold the room that it needs";
                        return Err(io::Error::new(io::ErrorKind::StorageFull, message));
                    }
                }
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
            allocated: draft.reservation.bytes,
            hits: 0,
            last_used: wall,
        };
        match self.index.lock().commit(kept, ticket, wall) {
            Ok(()) => draft.keep(),
            Err(_) => return Ok(Put::Invalidated),
        }
        Ok(Put::Stored)
    }
}

/// Room on the disk that is kept free for one file.
struct Reservation<'a> {
    disk: &'a Inner,
    bytes: u64,
    is_taken: bool,
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if !self.is_taken {
            self.disk.index.lock().budget.give_back(self.bytes);
            self.disk.room.notify_all();
        }
    }
}

/// A file on its way, on the room reserved for it; it is removed unless it is kept in the end.
struct Draft<'a> {
    number: u64,
    /// The name under which it is found, once it has one.
    name: Option<Name>,
    is_kept: bool,
    reservation: Reservation<'a>,
}

impl<'a> Draft<'a> {
    /// Writes a file below `tmp/`, as durable as configured.
    fn write(reservation: Reservation<'a>, payload: &[u8], footer: &[u8]) -> io::Result<Self> {
        let disk = reservation.disk;
        let number = disk.index.lock().draw(disk.clock.wall());
        let file = disk.files.create(&disk.draft_path(number))?;
        // From here on it is removed, whatever fails.
        let draft = Self { number, name: None, is_kept: false, reservation };
        let written = disk
            .files
            .write(&file, payload)
            .and_then(|()| disk.files.write(&file, footer))
            .and_then(|()| match disk.durability {
                Durability::None => Ok(()),
                Durability::Data | Durability::Full => disk.files.sync_data(&file),
            });
        written.and(disk.files.close(file))?;
        Ok(draft)
    }

    /// Gives the file the name under which it is found, durably if configured.
    fn name(&mut self, name: Name) -> io::Result<()> {
        let disk = self.reservation.disk;
        let (directory, path) = (disk.directory(&name.key), disk.path(&name));
        let draft_path = disk.draft_path(self.number);
        match disk.files.rename(&draft_path, &path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !directory.is_dir() => {
                disk.files.create_dir(&directory)?;
                if disk.durability == Durability::Full {
                    disk.files.sync_dir(&disk.root.join("obj"))?;
                }
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
        self.reservation.is_taken = true;
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        let disk = self.reservation.disk;
        if self.is_kept {
            return;
        }
        let removed = match self.name {
            None => disk.files.remove(&disk.draft_path(self.number)),
            Some(name) => disk.files.remove(&disk.path(&name)).and_then(|()| {
                // Its name may be durable already.
                match disk.durability {
                    Durability::Full => disk.files.sync_dir(&disk.directory(&name.key)),
                    Durability::None | Durability::Data => Ok(()),
                }
            }),
        };
        if let Err(error) = removed {
            tracing::warn!(%error, "a file that was given up stays for now");
            // The housekeeper tries again; until then its bytes are counted.
            let file = self.name.map_or(WasteFile::Draft(self.number), WasteFile::Entry);
            let allocated = std::mem::take(&mut self.reservation.bytes);
            let mut index = disk.index.lock();
            index.budget.give_back(allocated);
            index.budget.discard(Waste { file, allocated });
        }
    }
}
