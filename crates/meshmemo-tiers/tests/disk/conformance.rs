//! The suite that every tier passes, on the disk at every durability.

use std::sync::{Arc, Mutex};

use meshmemo::testing::{ENTRY_MAX_BYTES, FaultyTier, MakeTier, conformance};
use meshmemo::{Clock, Tier};
use meshmemo_tiers::{Disk, DiskOptions, Durability};

/// What a footer takes beside an entry's bytes, at most.
const FOOTER_BYTES: u64 = 64 << 10;

async fn check(durability: Durability, wrap: fn(Disk) -> Arc<dyn Tier>) {
    let dirs = Mutex::new(Vec::new());
    let make: MakeTier<'_> = &|clock: Arc<dyn Clock>| {
        let dir = tempfile::tempdir().unwrap();
        let mut options = DiskOptions::new(dir.path(), ENTRY_MAX_BYTES + FOOTER_BYTES, clock);
        options.durability = durability;
        dirs.lock().unwrap().push(dir);
        wrap(Disk::open(options).unwrap())
    };
    conformance(make).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disk_conforms_without_durability() {
    check(Durability::None, |disk| Arc::new(disk)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disk_conforms_with_durable_data() {
    check(Durability::Data, |disk| Arc::new(disk)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disk_conforms_with_full_durability() {
    check(Durability::Full, |disk| Arc::new(disk)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disk_conforms_behind_another_tier() {
    check(Durability::Full, |disk| Arc::new(FaultyTier::new(Arc::new(disk)))).await;
}
