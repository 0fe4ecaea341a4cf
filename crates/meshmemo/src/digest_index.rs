//! Which entries have which bytes, for the URL by which a model is fetched again.
//!
//! Each namespace has an index of its own: bytes that only others have are looked for exactly as
//! bytes that nobody has. Pure data, and a hint: whoever follows it looks whether the entry still has
//! these bytes.

use std::collections::HashMap;
use std::sync::Arc;

use crate::key::{Digest, Key};
use crate::scope::Scope;

/// Which entries have which bytes.
#[derive(Debug, Default)]
pub struct DigestIndex {
    /// A key stands once for each time it came in and has not left.
    namespaces: HashMap<Arc<str>, HashMap<Digest, Vec<Key>>>,
}

impl DigestIndex {
    /// Notes an entry; to be called before it comes in, so that no departure overtakes it.
    pub fn add(&mut self, namespace: &Arc<str>, digest: Digest, key: Key) {
        let digests = self.namespaces.entry(Arc::clone(namespace)).or_default();
        digests.entry(digest).or_default().push(key);
    }

    /// Forgets an entry that has left, or was not let in.
    pub fn remove(&mut self, namespace: &str, digest: &Digest, key: &Key) {
        let Some(digests) = self.namespaces.get_mut(namespace) else { return };
        let Some(keys) = digests.get_mut(digest) else { return };
        if let Some(place) = keys.iter().position(|other| other == key) {
            keys.swap_remove(place);
        }
        if keys.is_empty() {
            digests.remove(digest);
        }
        if digests.is_empty() {
            self.namespaces.remove(namespace);
        }
    }

    /// Lists the keys of entries with these bytes.
    pub fn keys(&self, digest: &Digest, scope: &Scope) -> Vec<Key> {
        let of = |digests: &HashMap<Digest, Vec<Key>>| {
            digests.get(digest).map(Vec::as_slice).unwrap_or_default().to_vec()
        };
        match scope {
            Scope::All => self.namespaces.values().flat_map(of).collect(),
            Scope::Namespace(name) => self.namespaces.get(name).map(of).unwrap_or_default(),
        }
    }

    /// Returns one of the keys of entries with these bytes, but none of these.
    pub fn first(&self, digest: &Digest, scope: &Scope, but: &[Key]) -> Option<Key> {
        let of = |digests: &HashMap<Digest, Vec<Key>>| {
            digests.get(digest)?.iter().find(|key| !but.contains(key)).copied()
        };
        match scope {
            Scope::All => self.namespaces.values().find_map(of),
            Scope::Namespace(name) => self.namespaces.get(name).and_then(of),
        }
    }

    /// Forgets every entry.
    pub fn clear(&mut self) {
        self.namespaces.clear();
    }

    /// Returns how often entries came in that have not left.
    pub fn count(&self) -> usize {
        self.namespaces.values().flat_map(HashMap::values).map(Vec::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_namespace_finds_the_bytes_of_another() {
        let (own, other): (Arc<str>, Arc<str>) = ("own".into(), "other".into());
        let (digest, key) = (Digest::of(b"cup"), Key::from_bytes([1; 32]));
        let mut index = DigestIndex::default();
        index.add(&own, digest, key);
        assert_eq!(index.keys(&digest, &Scope::Namespace(Arc::clone(&own))), [key]);
        assert_eq!(index.keys(&digest, &Scope::All), [key]);
        assert_eq!(index.keys(&digest, &Scope::Namespace(Arc::clone(&other))), []);
        assert_eq!(index.first(&digest, &Scope::All, &[]), Some(key));
        assert_eq!(index.first(&digest, &Scope::All, &[key]), None);
        assert_eq!(index.first(&digest, &Scope::Namespace(other), &[]), None);
        index.remove("other", &digest, &key);
        assert_eq!(index.count(), 1, "and forgets none of them");
        index.remove("own", &digest, &key);
        assert!(index.namespaces.is_empty());
    }
}
