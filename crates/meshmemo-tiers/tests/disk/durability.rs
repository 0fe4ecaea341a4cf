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
async fn a_new_directory_is_synced_before_the_names_in_it() {
    let room = Room::new().await;
    ops(&room);
    room.put(&room.entry("cup", "bytes")).await;
    let order =
        [Create, Write, Write, SyncData, Close, Rename, CreateDir, SyncDir, Rename, SyncDir, Index];
    assert_eq!(ops(&room), order);
}

#[tokio::test]
async fn less_durability_is_fewer_syncs_in_the_same_order() {
    for (durability, synced) in [(Durability::None, 0), (Durability::Data, 1)] {
        let room = Room::with(1 << 30, durability).await;
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
    assert_eq!(ops(&room), [Remove, SyncDir]);
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
        room.faults.clear();
        assert!(!room.has(&entry).await, "it is found no more");
        room.until(|room| room.files().is_empty()).await;
    }
    room.faults.set_only(&[SyncData], EIO);
    assert!(room.disk().remove(Selector::All).await.is_err());
    room.faults.clear();
}

#[tokio::test]
async fn what_was_cleared_does_not_come_back_though_its_file_is_still_there() {
    let mut room = Room::new().await;
    let entry = room.entry("cup", "bytes");
    room.put(&entry).await;
    room.faults.set_only(&[Remove], EIO);
    // The epoch is written beside its old self, which is not there: nothing must be removed.
    let removed = room.disk().remove(Selector::All).await;
    assert!(removed.is_err() || removed.unwrap().len() == 1);
    room.faults.clear();
    room.remove(Selector::All).await;
    let file = room.root().join("obj");
    let saved = room.entry("cup", "bytes");
    room.put(&saved).await;
    let path = room.file();
    let bytes = std::fs::read(&path).unwrap();
    room.remove(Selector::All).await;
    room.until(|room| room.files().is_empty()).await;
    room.close();
    // As if the process had ended before it could unlink the file.
    std::fs::write(&path, bytes).unwrap();
    room.open_now();
    assert!(!room.has(&saved).await, "not while the directories are looked through");
    room.open().await;
    assert!(!room.has(&saved).await && room.files().is_empty(), "{}", file.display());
    room.put(&saved).await;
    assert!(room.has(&saved).await);
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
