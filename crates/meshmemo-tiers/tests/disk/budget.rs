//! The budget: never exceeded, by the oldest first, and counted in what files take on the disk.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use meshmemo::{Cause, MissReason, Put, Tier};
use meshmemo_tiers::Durability;

use crate::room::{Mount, Room, body};

const MIB: usize = 1 << 20;
/// How long a write may wait for others.
const WAIT: Duration = Duration::from_secs(15);

/// Adds up what the files below a directory take on the disk.
fn allocated(directory: &Path) -> u64 {
    let mut bytes = 0;
    for file in fs::read_dir(directory).into_iter().flatten() {
        let Ok(file) = file else { continue };
        let Ok(metadata) = file.metadata() else { continue };
        bytes += if metadata.is_dir() { allocated(&file.path()) } else { metadata.blocks() * 512 };
    }
    bytes
}

/// The file system itself judges: it is as large as the budget, and a byte more than that would be
/// one that it does not have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_budget_holds_at_every_moment_of_concurrent_writes() {
    let mut room = Room::with(10 << 20, Durability::None).await;
    room.close();
    // Beside the budget: the lock and the order of use.
    let size = (10 << 20) + (64 << 10);
    let Some(_mount) = Mount::new(room.root(), &size.to_string()) else { return };
    room.open().await;
    for round in 0..60 {
        let entries: Vec<_> =
            (0..6).map(|n| room.entry(&format!("{round} {n}"), body(n * MIB / 2 + 1, 1))).collect();
        let puts = entries.iter().map(|entry| room.put(entry));
        let puts = futures_util::future::join_all(puts).await;
        assert!(puts.iter().all(|put| *put == Put::Stored), "{puts:?}");
        assert!(room.usage().bytes <= 10 << 20);
        room.disk().validate();
    }
    assert!(allocated(&room.root().join("obj")) <= 10 << 20);
    assert!(room.usage().removals.of(Cause::SizeBytes) > 100);
    room.close();
}

#[tokio::test]
async fn the_least_recently_used_leaves_first_and_a_use_in_memory_counts() {
    let room = Room::with(4 << 20, Durability::None).await;
    let entries: Vec<_> =
        ["a", "b", "c"].iter().map(|name| room.entry(name, body(MIB, 1))).collect();
    for entry in &entries {
        room.put(entry).await;
        room.clock.advance(Duration::from_secs(1));
    }
    room.disk().touch(entries[0].meta_key());
    assert!(room.has(&entries[1]).await);
    room.put(&room.entry("d", body(MIB, 1))).await;
    assert!(!room.has(&entries[2]).await, "the oldest use");
    assert!(room.has(&entries[0]).await && room.has(&entries[1]).await);
}

#[tokio::test]
async fn what_is_larger_than_the_budget_is_refused_and_evicts_nothing() {
    let room = Room::with(2 << 20, Durability::None).await;
    let small = room.entry("small", body(MIB, 1));
    room.put(&small).await;
    assert_eq!(room.put(&room.entry("large", body(2 * MIB, 1))).await, Put::TooLarge);
    assert!(room.has(&small).await);
    assert!(room.tmp().is_empty());
    room.disk().validate();
}

#[tokio::test]
async fn a_lower_budget_evicts_before_it_returns() {
    let room = Room::with(10 << 20, Durability::None).await;
    for n in 0..6_u64 {
        room.put(&room.entry(&n.to_string(), body(MIB, n))).await;
    }
    room.disk().set_max_bytes(3 << 20).await;
    assert!(allocated(&room.root()) <= 3 << 20);
    assert_eq!(room.usage().entries, 2);
    room.disk().validate();
}

/// Who waited for room slept through the end of the write that held it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_do_not_fit_beside_one_another_wait_for_one_another() {
    let room = Room::with(5 << 20, Durability::None).await;
    for round in 0..20 {
        let entries: Vec<_> =
            (0..4_u64).map(|n| room.entry(&format!("{round} {n}"), body(3 * MIB, n))).collect();
        let puts = entries.iter().map(|entry| room.put(entry));
        let puts = tokio::time::timeout(WAIT, futures_util::future::join_all(puts)).await;
        assert!(puts.expect("nobody sleeps on").iter().all(|put| *put == Put::Stored));
        room.disk().validate();
    }
}

/// One file that could not be unlinked made every write fail.
#[tokio::test]
async fn a_file_that_can_not_be_unlinked_keeps_no_other_from_its_place() {
    let room = Room::with(4 << 20, Durability::None).await;
    for n in 0..3_u64 {
        room.put(&room.entry(&n.to_string(), body(MIB, n))).await;
    }
    // A directory in the place of the file that is to leave first: nobody can unlink that.
    let oldest = room.files().into_iter().min_by_key(|file| generation(file)).unwrap();
    fs::remove_file(&oldest).unwrap();
    fs::create_dir(&oldest).unwrap();
    let _fails_or_not = room.try_put(&room.entry("cup", body(MIB, 7))).await;
    for n in 10..15_u64 {
        assert_eq!(room.put(&room.entry(&n.to_string(), body(MIB, n))).await, Put::Stored);
        assert!(room.usage().bytes <= 4 << 20);
    }
}

fn generation(file: &Path) -> u64 {
    file.extension().unwrap().to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_lower_budget_at_the_next_start_evicts_down_and_starts() {
    let mut room = Room::with(10 << 20, Durability::None).await;
    let entries: Vec<_> = (0..6_u64).map(|n| room.entry(&n.to_string(), body(MIB, n))).collect();
    for entry in &entries {
        room.put(entry).await;
    }
    assert!(room.has(&entries[0]).await);
    room.max_bytes = 3 << 20;
    room.open().await;
    assert_eq!(room.usage().entries, 2);
    assert!(room.has(&entries[0]).await && room.has(&entries[5]).await, "the last uses");
    room.until(|room| room.files().len() == 2).await;
    room.disk().validate();
    // Lower than any entry.
    room.max_bytes = 4096;
    room.open().await;
    assert_eq!(room.usage().entries, 0);
    assert_eq!(room.put(&room.entry("tiny", "")).await, Put::Stored);
}

#[tokio::test]
async fn what_is_over_leaves_by_itself() {
    let room = Room::new().await;
    let mut entry = room.entry("cup", "bytes");
    let expires = meshmemo::Clock::wall(&room.clock) + Duration::from_secs(5);
    let meta = meshmemo::Meta { expires: Some(expires), ..entry_meta(&entry) };
    entry = meshmemo::Entry::whole(meta, entry.body().clone()).unwrap();
    room.put(&entry).await;
    room.clock.advance(Duration::from_secs(5));
    room.until(|room| room.files().is_empty()).await;
    assert_eq!(room.usage().removals.of(Cause::Expired), 1);
    assert_eq!(room.get(entry.meta_key()).await.unwrap_err(), MissReason::Absent);
}

fn entry_meta(entry: &meshmemo::Entry) -> meshmemo::Meta {
    meshmemo::Stored::meta(entry).clone()
}

trait MetaKey {
    fn meta_key(&self) -> meshmemo::Key;
}

impl MetaKey for meshmemo::Entry {
    fn meta_key(&self) -> meshmemo::Key {
        meshmemo::Stored::meta(self).key
    }
}
