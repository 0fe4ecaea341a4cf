//! An entry on the disk, as the index knows it.

use std::sync::Arc;
use std::time::Duration;

use meshmemo::{Key, Listed, Summary};

use super::budget::{Waste, WasteFile};
use super::name::Name;

/// An entry on the disk.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) name: Name,
    pub(super) summary: Arc<Summary>,
    /// Bytes that its file takes on the disk.
    pub(super) allocated: u64,
    pub(super) hits: u64,
    /// When it was last used, since the Unix epoch.
    pub(super) last_used: Duration,
}

impl Kept {
    /// Returns its file as one that is to be unlinked.
    pub(super) fn waste(&self) -> Waste {
        Waste { file: WasteFile::Entry(self.name), allocated: self.allocated }
    }

    /// Returns it as listings show it.
    pub(super) fn listed(&self) -> Listed {
        Listed { summary: Arc::clone(&self.summary), hits: self.hits, last_used: self.last_used }
    }
}

/// Keys are digests: any eight of their bytes are as good as a hash.
pub(super) fn hash(key: &Key) -> u64 {
    let bytes = key.as_bytes();
    u64::from_le_bytes(bytes[8..16].try_into().expect("eight bytes are eight bytes"))
}
