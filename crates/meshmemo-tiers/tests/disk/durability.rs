//! Writes: in which order they touch the disk, and what is left wherever they fail.

use std::sync::Arc;

use meshmemo::{Put, Selector, Stored, Ticket, Tier};
use meshmemo_tiers::Durability;
use meshmemo_tiers::Op::{
    self, Close, Create, CreateDir, Index, Remove, Rename, SyncData, SyncDir, Write,
};

use crate::room::{Room, body};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;

/// Takes the record of operations, without what the housekeeper does beside them.
fn ops(room: &Room) -> Vec<Op> {
    room.faults.take_ops()
}

#[tokio::test]
async fn a_write_is_synced_before_it_has_its_name_and_found_last() {
    let room = Room::new().await;
    room.put(&room.entry("warms the directory", "")).await;
    let first = room.entry("cup", "bytes");
    room.put(&first).await;
    ops(&room);
    room.put(&room.entry("cup", "other bytes")).await;
    let order = [Create, Write, Write, SyncData, Close, Rename, SyncDir, Index, Remove];
    assert_eq!(ops(&room), order, "what it replaces is removed at the end");
}

#[tokio::test]
async fn a_directory_that_is_made_anew_is_synced_before_the_names_in_it() {
    let room = Room::new().await;
    let cup = room.entry("cup", "bytes");
    let directory = room.root().join("obj").join(&cup.meta().key.to_string()[..2]);
    std::fs::remove_dir(directory).unwrap();
    ops(&room);
    room.put(&cup).await;
    let order =
        [Create, Write, Write, SyncData, Close, Rename, CreateDir, SyncDir, Rename, SyncDir, Index];
    assert_eq!(ops(&room), order);
}

#[tokio::test]
async fn less_durability_is_fewer_syncs_in_the_same_order() {
    for (durability, synced) in [(Durability::None, 0), (Durability::Data, 1)] {
        let room = Room::with(1 << 30, durability).await;
        ops(&room);
        room.put(&room.entry("cup", "bytes")).await;
        let ops = ops(&room);
        assert_eq!(ops.iter().filter(|op| **op == SyncData).count(), synced);
        assert!(!ops.contains(&SyncDir) && ops.last() == Some(&Index));
    }
}

#[tokio::test]
async fn a_removal_is_synced_before_it_answers() {
    let room = Room::new().await;
    let entry = room.entry("cup", "bytes");
    room.put(&entry).await;
    ops(&room);
    room.remove(Selector::Key(entry.meta().key)).await;
    assert_eq!(ops(&room), [Op::List, Remove, SyncDir]);
    room.put(&entry).await;
    ops(&room);
    room.remove(Selector::All).await;
    let ops = ops(&room);
    let at = |op| ops.iter().position(|other| *other == op).unwrap();
    assert!(at(SyncData) < at(Rename) && at(Rename) < at(SyncDir), "{ops:?}");
}

/// Fails every operation of a write in turn, in each way, and looks at what is left.
#[tokio::test]
async fn a_write_that_fails_anywhere_leaves_nothing_or_the_whole_entry() {
    for errno in [EIO, ENOSPC, EROFS] {
        for good in 0.. {
            let mut room = Room::new().await;
            let old = room.entry("cup", "the old bytes");
            room.put(&old).await;
            let new = room.entry("cup", body(100_000, 1));
            room.faults.set(good, errno);
            let put = room.try_put(&new).await;
            let has_failed = room.faults.clear();
            room.disk().validate();
            let found = room.get(new.meta().key).await;
            match &put {
                Ok(Put::Stored) => assert!(found.unwrap().body() == new.body()),
                Ok(other) => panic!("{other:?}"),
                // The old bytes are still there, and nothing else.
                Err(_) => assert!(found.unwrap().body() == old.body()),
            }
            room.until(|room| room.tmp().is_empty()).await;
            room.open().await;
            // A file that had its name already and could not be removed either may hold now.
            let found = room.get(new.meta().key).await.unwrap();
            let is_old = put.is_err() && found.body() == old.body();
            assert!(is_old || found.body() == new.body(), "whole ({good} good, {errno})");
            if !has_failed {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_removal_that_fails_says_so() {
    let room = Room::new().await;
    let entry = room.entry("cup", "bytes");
    for op in [Remove, SyncDir] {
        room.put(&entry).await;
        room.faults.set_only(&[op], EIO);
        let removed = room.disk().remove(Selector::Key(entry.meta().key)).await;
        assert!(removed.is_err(), "{op:?}");
        let again = room.disk().remove(Selector::Key(entry.meta().key)).await;
        assert!(again.is_err(), "{op:?}: the next one does not say that all is well");
        room.faults.clear();
        assert!(!room.has(&entry).await, "it is found no more");
        room.remove(Selector::Key(entry.meta().key)).await;
        assert!(room.files().is_empty());
    }
    room.faults.set_only(&[SyncData], EIO);
    assert!(room.disk().remove(Selector::All).await.is_err());
    room.faults.clear();
}

#[tokio::test]
async fn what_was_cleared_does_not_come_back_though_its_file_is_still_there() {
    let mut room = Room::new().await;
    let cup = room.entry("cup", "bytes");
    room.put(&cup).await;
    let (path, bytes) = (room.file(), std::fs::read(room.file()).unwrap());
    assert_eq!(room.remove(Selector::All).await, 1);
    room.until(|room| room.files().is_empty()).await;
    room.close();
    // As if the process had ended before it could unlink the file.
    std::fs::write(&path, bytes).unwrap();
    room.open_now();
    assert!(!room.has(&cup).await, "not while the directories are looked through");
    room.open().await;
    assert!(!room.has(&cup).await && room.files().is_empty());
    room.put(&cup).await;
    assert!(room.has(&cup).await, "and it may come in again");
}

/// A purge relied on whoever happened to unlink its files, and answered before they were gone.
#[tokio::test]
async fn what_was_removed_is_unlinked_and_synced_when_the_removal_answers() {
    let room = Room::new().await;
    for n in 0..20 {
        room.put(&room.entry(&format!("cup {n}"), "bytes")).await;
    }
    room.put(&room.entry("vase", "bytes")).await;
    ops(&room);
    let label_prefix = Some("cup".to_owned());
    let filter = meshmemo::Filter { label_prefix, ..meshmemo::Filter::default() };
    assert_eq!(room.remove(Selector::Matching(filter)).await, 20);
    assert_eq!(room.files().len(), 1);
    let ops = ops(&room);
    let mut unlinks = ops.iter().enumerate().filter(|(_, op)| **op == Remove);
    let (last_unlink, _) = unlinks.nth(19).unwrap();
    let syncs = ops[last_unlink..].iter().filter(|op| **op == SyncDir).count();
    assert!(syncs >= 20, "{syncs} directories were synced after the last file was gone");
}

/// An entry that was evicted and not synced came back with a power failure after its removal.
#[tokio::test]
async fn a_removal_of_what_is_not_there_syncs_too_and_takes_every_file_of_the_key() {
    let room = Room::new().await;
    let cup = room.entry("cup", "bytes");
    room.put(&cup).await;
    let (path, bytes) = (room.file(), std::fs::read(room.file()).unwrap());
    room.remove(Selector::Key(cup.meta().key)).await;
    // As if a file of an earlier generation were there still.
    std::fs::write(&path, bytes).unwrap();
    ops(&room);
    assert_eq!(room.remove(Selector::Key(cup.meta().key)).await, 0);
    assert!(room.files().is_empty());
    assert_eq!(ops(&room), [Op::List, Remove, SyncDir]);
}

#[tokio::test]
async fn a_put_whose_ticket_is_taken_away_leaves_no_file() {
    let room = Room::new().await;
    let entry = room.entry("cup", body(1_000, 1));
    let ticket = Ticket::new();
    ticket.invalidate();
    let put = room.disk().put(Arc::new(entry.clone()), ticket).await.unwrap();
    assert_eq!(put, Put::Invalidated);
    assert!(room.files().is_empty() && room.tmp().is_empty());
    room.disk().validate();
}
