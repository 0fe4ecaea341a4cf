//! A look-up: from the index to a file that is what it says, or to the reason why there is none.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use meshmemo::{Address, Key, MissReason, Opened, Result};

use super::condition::failed;
use super::name::{Name, directory};
use super::reading::Reading;
use super::sealed::{Sealed, Unsealed};
use super::{Inner, Phase, blocking};
use crate::limits::{DIGEST_WAIT, LOOKS_MAX, PIECE_BYTES};

const UNREADABLE: &str = "an entry can not be read";

/// What is read of an entry in the same step in which it is opened.
#[derive(Debug, Clone, Copy)]
enum Ahead {
    Nothing,
    FirstPiece,
}

impl Ahead {
    /// What is looked up by its key is read from the beginning; by its digest, ranges are asked for.
    fn of(address: &Address) -> Self {
        match address {
            Address::Key(_) => Self::FirstPiece,
            Address::Digest(..) => Self::Nothing,
        }
    }
}

impl Inner {
    pub(super) async fn open(self: &Arc<Self>, address: Address) -> Result<Opened> {
        if let Address::Digest(..) = address
            && self.phase() == Phase::Scanning
            && !self.ready(DIGEST_WAIT).await
        {
            return Ok(Opened::Miss(MissReason::NotReady));
        }
        match self.phase() {
            Phase::Closed => {
                self.wait_until_ready(DIGEST_WAIT).await?;
                Ok(Opened::Miss(MissReason::NotReady))
            }
            Phase::Scanning => match address {
                Address::Key(key) => self.on_pool(move |inner| inner.look_up_early(&key)).await,
                Address::Digest(..) => Ok(Opened::Miss(MissReason::NotReady)),
            },
            Phase::Ready => match self.find(&address) {
                Some(name) => self.on_pool(move |inner| inner.look_up(&address, name)).await,
                None => Ok(Opened::Miss(MissReason::Absent)),
            },
        }
    }

    fn find(&self, address: &Address) -> Option<Name> {
        let wall = self.clock.wall();
        let mut index = self.index.lock();
        match address {
            Address::Key(key) => index.use_key(key, wall),
            Address::Digest(digest, scope, but) => index.use_digest(digest, scope, but, wall),
        }
    }

    async fn on_pool(
        self: &Arc<Self>,
        look_up: impl FnOnce(&Arc<Self>) -> Result<Opened> + Send + 'static,
    ) -> Result<Opened> {
        let permit = Arc::clone(&self.readers).acquire_owned().await;
        let permit = permit.expect("the readers' places are never closed");
        let inner = Arc::clone(self);
        blocking(move || {
            let _permit = permit;
            look_up(&inner)
        })
        .await
    }

    /// Opens the file that the index names; if it is not to be had, and the index names another one
    /// by now, that one.
    fn look_up(self: &Arc<Self>, address: &Address, first: Name) -> Result<Opened> {
        let mut name = first;
        let mut opened = self.open_named(&name, Ahead::of(address))?;
        for _ in 1..LOOKS_MAX {
            let Opened::Miss(_) = opened else { break };
            let Some(other) = self.find(address).filter(|other| *other != name) else { break };
            name = other;
            opened = self.open_named(&name, Ahead::of(address))?;
        }
        Ok(opened)
    }

    fn open_named(self: &Arc<Self>, name: &Name, ahead: Ahead) -> Result<Opened> {
        match self.unseal(name, ahead) {
            Ok((sealed, beginning)) => {
                self.condition.lock().read = None;
                Ok(self.hit(*name, sealed, beginning))
            }
            Err(Unsealed::Missing) => {
                self.index.lock().forget(name);
                self.bell.ring();
                Ok(Opened::Miss(MissReason::Absent))
            }
            Err(Unsealed::Newer) => {
                self.index.lock().let_be(name);
                Ok(Opened::Miss(MissReason::Unreadable))
            }
            Err(Unsealed::Corrupt(what)) => {
                self.set_aside(name, &what);
                Ok(Opened::Miss(MissReason::Corrupt))
            }
            Err(Unsealed::Failed(error)) => {
                self.condition.lock().note_read(UNREADABLE, &error);
                Err(failed(UNREADABLE, error))
            }
        }
    }

    /// Looks for a key in its directory, before the index is there. Nothing is changed by it: what
    /// is corrupt or over is dealt with when the index is.
    fn look_up_early(self: &Arc<Self>, key: &Key) -> Result<Opened> {
        let names = self.names_of(key).map_err(|error| failed(UNREADABLE, error))?;
        let epoch = self.index.lock().epoch();
        let mut reason = MissReason::Absent;
        for name in names.into_iter().filter(|name| name.generation >= epoch) {
            match self.unseal(&name, Ahead::FirstPiece) {
                Ok((sealed, beginning)) => {
                    let wall = self.clock.wall();
                    self.index.lock().use_early(*key, wall);
                    return Ok(self.hit(name, sealed, beginning));
                }
                Err(Unsealed::Missing) => {}
                Err(Unsealed::Newer) => reason = MissReason::Unreadable,
                Err(Unsealed::Corrupt(_)) => reason = MissReason::Corrupt,
                Err(Unsealed::Failed(error)) => return Err(failed(UNREADABLE, error)),
            }
        }
        Ok(Opened::Miss(reason))
    }

    /// Lists the files of a key, the highest generation first.
    pub(super) fn names_of(&self, key: &Key) -> io::Result<Vec<Name>> {
        let mut names = Vec::new();
        for entry in self.files.list(&self.directory(key))?.into_iter().flatten() {
            let entry = entry?;
            let name = entry.file_name().to_str().and_then(|name| name.parse::<Name>().ok());
            if let Some(name) = name.filter(|name| name.key == *key)
                && entry.file_type()?.is_file()
            {
                names.push(name);
            }
        }
        names.sort_by_key(|name| std::cmp::Reverse(name.generation));
        Ok(names)
    }

    /// Opens a file, and reads and verifies as much of it as is wanted at once.
    fn unseal(&self, name: &Name, ahead: Ahead) -> std::result::Result<(Sealed, Bytes), Unsealed> {
        let sealed = Sealed::open(&self.files, &self.path(name), name)?;
        let beginning = match ahead {
            Ahead::Nothing => Bytes::new(),
            Ahead::FirstPiece => {
                let first_piece = 0..sealed.footer.meta.size_bytes.min(PIECE_BYTES);
                let chunks = sealed.footer.verifiable(&first_piece);
                sealed.read_chunks(&self.files, &chunks)?.into()
            }
        };
        Ok((sealed, beginning))
    }

    fn hit(self: &Arc<Self>, name: Name, sealed: Sealed, beginning: Bytes) -> Opened {
        if sealed.footer.meta.is_expired(self.clock.wall()) {
            return Opened::Miss(MissReason::Expired);
        }
        Opened::Hit(Arc::new(Reading::new(self, name, sealed, beginning)))
    }

    /// Puts a file aside that is not what was written, unless another one has its place already.
    pub(super) fn set_aside(&self, name: &Name, what: &str) {
        let Ok(_owned) = self.own() else { return };
        let _turn = self.turns[usize::from(directory(&name.key))].lock();
        if !self.index.lock().is_current(name) {
            return;
        }
        tracing::error!(key = %name.key, "an entry is corrupt and goes to the quarantine: {what}");
        let aside = self.root.join("quarantine").join(name.to_string());
        match self.files.rename(&self.path(name), &aside) {
            Ok(()) => self.index.lock().set_aside(name),
            Err(error) => {
                tracing::error!(%error, "the corrupt entry stays where it is");
                self.index.lock().let_be(name);
            }
        }
        // What the quarantine has no room for any more is unlinked.
        self.bell.ring();
    }
}
