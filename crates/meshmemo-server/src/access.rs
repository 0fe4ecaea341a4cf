//! Who may do what. Pure of HTTP: `http/guard.rs` asks here, and says no.
//!
//! An API key ([`Token`], shown once) is known by its hash in a file ([`key_file`]), which is read
//! again when it changes. Each key has a role, a namespace and quotas ([`KeyRecord`]); [`Access`]
//! knows the keys that hold now and turns a token into a [`Caller`].

mod caller;
mod key_file;
mod keyring;
mod record;
mod refusals;
mod role;
mod token;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Result;

pub use caller::{Caller, Who};
pub use key_file::{KeyFile, read as read_key_file};
pub use keyring::{ApiKey, RateLimit};
pub use record::{KeyRecord, NAME_FORM, is_name};
pub use refusals::{Refusal, Refusals};
pub use role::{Right, Role};
pub use token::Token;

use crate::watched_file::{Look, WatchedFile};
use keyring::Keyring;

/// Who needs a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Everybody, for everything but whether the server lives.
    All,
    /// Everybody, for everything but generations and their models.
    Admin,
    /// Nobody.
    None,
}

impl Auth {
    /// Returns the name as the configuration spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Admin => "admin",
            Self::None => "none",
        }
    }
}

impl std::str::FromStr for Auth {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        [Self::All, Self::Admin, Self::None].into_iter().find(|it| it.as_str() == name).ok_or(())
    }
}

/// The keys that hold now, and who needs one.
#[derive(Debug)]
pub struct Access {
    auth: Auth,
    file: Option<WatchedFile>,
    held: RwLock<Held>,
    /// What was refused, by why.
    pub refusals: Refusals,
}

#[derive(Debug, Default)]
struct Held {
    keyring: Arc<Keyring>,
    /// Why the file could not be read again; the keys that were read before hold.
    trouble: Option<String>,
}

impl Access {
    /// Reads the keys of a file, where there is one.
    ///
    /// # Errors
    /// The file can not be read, may be read by others, or is not what `meshmemo keys` writes.
    pub fn open(auth: Auth, path: Option<&Path>) -> Result<Self> {
        let file = path.map(|path| WatchedFile::new(path.to_path_buf()));
        let mut held = Held::default();
        if let Some(file) = &file {
            let look = file.look();
            held.keyring = Arc::new(Keyring::default().renewed(read_key_file(file.path())?));
            file.note_read(look);
        }
        Ok(Self { auth, file, held: RwLock::new(held), refusals: Refusals::default() })
    }

    /// Returns who needs a key.
    pub fn auth(&self) -> Auth {
        self.auth
    }

    /// Returns the key that a token is of, if it holds now. Takes as long for a token that is close to
    /// a key as for any other.
    pub fn key_of(&self, token: &str) -> Option<Arc<ApiKey>> {
        self.keyring().find(token)
    }

    /// Returns what each namespace may store, in bytes.
    pub fn shares(&self) -> HashMap<Arc<str>, u64> {
        self.keyring().shares()
    }

    /// Returns how many keys hold now.
    pub fn len(&self) -> usize {
        self.keyring().len()
    }

    /// Returns whether no key holds now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns why the keys that hold now may be out of date.
    pub fn trouble(&self) -> Option<String> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).trouble.clone()
    }

    /// Returns the file of the keys.
    pub fn path(&self) -> Option<PathBuf> {
        self.file.as_ref().map(|file| file.path().to_path_buf())
    }

    /// Reads the keys again if their file has changed by this wall time. The shares of the new keys are
    /// applied before any of them holds. Of a file that is not good nothing is taken: the keys that
    /// were read before go on to hold, and it is tried again.
    pub fn renew(&self, wall: Duration, apply: impl FnOnce(&HashMap<Arc<str>, u64>)) {
        self.renew_by(read_key_file, wall, apply);
    }

    fn renew_by(
        &self,
        read: impl FnOnce(&Path) -> Result<Vec<KeyRecord>>,
        wall: Duration,
        apply: impl FnOnce(&HashMap<Arc<str>, u64>),
    ) {
        let Some(file) = &self.file else { return };
        let look = file.look();
        if !file.is_unread(look.as_ref(), wall) {
            return;
        }
        match read(file.path()) {
            Ok(records) => self.take_over(records, look, apply),
            Err(error) => {
                let trouble = format!("the API keys can not be read again: {error:#}");
                if self.set_trouble(Some(trouble.clone())) {
                    tracing::error!("{trouble}; those that were read before hold");
                }
            }
        }
    }

    fn take_over(
        &self,
        records: Vec<KeyRecord>,
        look: Option<Look>,
        apply: impl FnOnce(&HashMap<Arc<str>, u64>),
    ) {
        let before = self.keyring();
        let keyring = Arc::new(before.renewed(records));
        apply(&keyring.shares());
        self.held.write().unwrap_or_else(PoisonError::into_inner).keyring = Arc::clone(&keyring);
        self.set_trouble(None);
        if let Some(file) = &self.file {
            file.note_read(look);
        }
        note_changes(&before, &keyring);
    }

    /// Returns whether the trouble is another one than before.
    fn set_trouble(&self, trouble: Option<String>) -> bool {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = held.trouble != trouble;
        held.trouble = trouble;
        is_new
    }

    fn keyring(&self) -> Arc<Keyring> {
        Arc::clone(&self.held.read().unwrap_or_else(PoisonError::into_inner).keyring)
    }
}

/// Tells which keys hold now that did not, and which do no more, or with other rights.
fn note_changes(before: &Keyring, after: &Keyring) {
    let note = |action: &str, record: &KeyRecord| {
        let KeyRecord { name, id, role, namespace, .. } = record;
        tracing::info!(target: "meshmemo::audit", action, name, id, %role, namespace, "audit");
    };
    for (id, key) in after.keys() {
        match before.record(id) {
            None => note("key added", &key.record),
            Some(record) if *record != key.record => note("key changed", &key.record),
            Some(_) => {}
        }
    }
    for (_, key) in before.keys().filter(|(id, _)| after.record(id).is_none()) {
        note("key revoked", &key.record);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::record::tests::record;

    /// Later than any file has changed.
    const LATER: Duration = Duration::from_secs(1 << 40);

    /// A read that had failed was not tried again until the file changed once more, and what had been
    /// revoked held.
    #[test]
    fn a_read_that_failed_is_tried_again_though_the_file_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.json");
        let (stays, goes) = (Token::draw().unwrap(), Token::draw().unwrap());
        let save = |names: &[(&str, &Token)]| {
            let mut file = KeyFile::take(&path).unwrap();
            file.records = names.iter().map(|(name, token)| record(name, token)).collect();
            file.save().unwrap();
        };
        save(&[("stays", &stays), ("goes", &goes)]);
        let access = Access::open(Auth::All, Some(&path)).unwrap();
        save(&[("stays", &stays)]);
        access.renew_by(|_| anyhow::bail!("too many open files"), LATER, |_| {});
        assert!(access.trouble().is_some() && access.key_of(goes.reveal()).is_some());
        access.renew(LATER, |_| {});
        assert!(access.trouble().is_none() && access.key_of(goes.reveal()).is_none());
        assert!(access.key_of(stays.reveal()).is_some());
    }

    #[test]
    fn shares_are_applied_before_their_keys_hold() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.json");
        let token = Token::draw().unwrap();
        KeyFile::take(&path).unwrap().save().unwrap();
        let access = Access::open(Auth::All, Some(&path)).unwrap();
        let mut file = KeyFile::take(&path).unwrap();
        file.records.push(KeyRecord { bytes: Some(7), ..record("cup", &token) });
        file.save().unwrap();
        let mut applied = None;
        access.renew(LATER, |shares| {
            applied = shares.get("cup").copied();
            assert!(access.key_of(token.reveal()).is_none());
        });
        assert_eq!(applied, Some(7));
        assert!(access.key_of(token.reveal()).is_some());
    }
}
