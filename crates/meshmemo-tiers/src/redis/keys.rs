//! How everything is named in Redis: under one prefix, and with all that belongs to one entry under one
//! hash tag, so that a Cluster keeps it together.

use meshmemo::{Digest, Key};

/// The names of a cache.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into() }
    }

    /// An entry, or its marker.
    pub(super) fn entry(&self, key: &Key) -> String {
        format!("{}:{{{key}}}:entry", self.prefix)
    }

    /// An entry on its way.
    pub(super) fn upload(&self, key: &Key, upload: &str) -> String {
        format!("{}:{{{key}}}:upload:{upload}", self.prefix)
    }

    /// What the names of entries begin with that were replaced or removed; the upload follows.
    pub(super) fn retired(&self, key: &Key) -> String {
        format!("{}:{{{key}}}:retired:", self.prefix)
    }

    /// The right to generate an entry.
    pub(super) fn lease(&self, key: &Key) -> String {
        format!("{}:{{{key}}}:lease", self.prefix)
    }

    /// When an entry was last removed by its key.
    pub(super) fn tombstone(&self, key: &Key) -> String {
        format!("{}:{{{key}}}:removed", self.prefix)
    }

    /// The keys of the entries that have the same bytes.
    pub(super) fn same_bytes(&self, digest: &Digest) -> String {
        format!("{}:{{{digest}}}:keys", self.prefix)
    }

    /// What all entries match, as `SCAN` takes it.
    pub(super) fn all_entries(&self) -> String {
        format!("{}:{{*}}:entry", self.prefix)
    }

    /// Returns whose entry a name is.
    pub(super) fn key_of(&self, entry: &str) -> Option<Key> {
        let rest = entry.strip_prefix(&self.prefix)?.strip_prefix(":{")?;
        rest.strip_suffix("}:entry")?.parse().ok()
    }

    /// Something that all removals share: `log`, `sequence`, `identity` or `epochs`.
    pub(super) fn removals(&self, what: &str) -> String {
        format!("{}:{{removals}}:{what}", self.prefix)
    }

    /// A record of a kind.
    pub(super) fn record(&self, kind: &str, name: &str) -> String {
        format!("{}:{kind}:{name}", self.prefix)
    }

    /// Something that all who want a slot at a backend share: `line`, `seen`, `wants` or `numbers`.
    pub(super) fn slots(&self, what: &str) -> String {
        format!("{}:{{slots}}:{what}", self.prefix)
    }

    /// What the names of the slots that are held begin with; the backend follows.
    pub(super) fn held_slots(&self) -> String {
        self.slots("held:")
    }

    /// The channel on which gateways wake one another.
    pub(super) fn wakes(&self) -> String {
        format!("{}:wakes", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_tells_whose_it_is_and_nothing_else_does() {
        let (keys, key) = (Keys::new("mesh:memo"), Key::from_bytes([7; 32]));
        assert_eq!(keys.key_of(&keys.entry(&key)), Some(key));
        for other in [keys.lease(&key), Keys::new("mesh").entry(&key), "x".to_owned()] {
            assert_eq!(keys.key_of(&other), None, "{other}");
        }
    }
}
