//! Which entries in memory have which bytes, for the URL by which a model is fetched again.
//!
//! A hint: whoever follows it looks whether the entry still has these bytes.

use std::collections::HashMap;

use crate::key::{Digest, Key};
use crate::sync::Mutex;

#[derive(Debug, Default)]
pub(crate) struct DigestIndex {
    /// A key stands once for each time it came in and has not left.
    keys: Mutex<HashMap<Digest, Vec<Key>>>,
}

impl DigestIndex {
    /// Notes an entry; to be called before it comes in, so that no departure overtakes it.
    pub(crate) fn add(&self, digest: Digest, key: Key) {
        self.keys.lock().entry(digest).or_default().push(key);
    }

    /// Forgets an entry that has left, or was not let in.
    pub(crate) fn remove(&self, digest: Digest, key: Key) {
        let mut all = self.keys.lock();
        let Some(keys) = all.get_mut(&digest) else { return };
        if let Some(place) = keys.iter().position(|other| *other == key) {
            keys.swap_remove(place);
        }
        if keys.is_empty() {
            all.remove(&digest);
        }
    }

    /// Lists the keys of entries with these bytes.
    pub(crate) fn keys(&self, digest: Digest) -> Vec<Key> {
        self.keys.lock().get(&digest).cloned().unwrap_or_default()
    }
}
