//! A disk that fails: it says so, serves what it can, and recovers by itself.

use std::fs;

use meshmemo::{Address, Health, MissReason, Put, Stored, Tier};
use meshmemo_tiers::{Disk, Durability, Op, OpenError};

use crate::room::{Mount, Room, body};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;

fn reason(room: &Room) -> Option<&'static str> {
    room.disk().status().health.trouble().map(|trouble| trouble.reason)
}

#[tokio::test]
async fn a_disk_that_can_not_be_written_serves_on_says_why_and_recovers() {
    for (errno, named) in [(ENOSPC, "full"), (EROFS, "read-only"), (EIO, "io")] {
        let room = Room::new().await;
        let cup = room.entry("cup", "bytes");
        room.put(&cup).await;
        room.faults.set_only(&[Op::Create, Op::Write], errno);
        assert!(room.try_put(&room.entry("vase", "bytes")).await.is_err());
        assert_eq!(reason(&room), Some(named));
        assert!(matches!(room.disk().status().health, Health::Degraded(_)));
        assert!(room.has(&cup).await, "{named}: what is there is served");
        room.faults.clear();
        room.clock.advance(std::time::Duration::from_mins(1));
        room.until(|room| room.disk().status().health == Health::Ok).await;
        assert_eq!(room.put(&room.entry("vase", "bytes")).await, Put::Stored);
    }
}

#[tokio::test]
async fn an_entry_that_can_not_be_read_is_an_error_and_stays() {
    let room = Room::new().await;
    let cup = room.entry("cup", "bytes");
    room.put(&cup).await;
    for op in [Op::Open, Op::Read] {
        room.faults.set_only(&[op], EIO);
        let opened = room.disk().open(Address::Key(cup.meta().key)).await;
        assert!(opened.is_err(), "{op:?}");
        assert_eq!(reason(&room), Some("io"));
        room.faults.clear();
        assert!(room.has(&cup).await, "{op:?}: it is not lost");
        assert_eq!(room.disk().status().health, Health::Ok);
    }
}

#[tokio::test]
async fn a_file_that_was_removed_behind_its_back_is_a_miss() {
    let room = Room::new().await;
    let cup = room.entry("cup", "bytes");
    room.put(&cup).await;
    fs::remove_file(room.file()).unwrap();
    assert_eq!(room.get(cup.meta().key).await.unwrap_err(), MissReason::Absent);
    assert_eq!(room.usage().entries, 0);
    room.put(&cup).await;
    assert!(room.has(&cup).await);
    room.disk().validate();
}

#[tokio::test]
async fn a_directory_that_was_removed_is_made_and_taken_again() {
    let room = Room::new().await;
    let cup = room.entry("cup", "bytes");
    room.put(&cup).await;
    fs::remove_dir_all(room.root()).unwrap();
    assert!(room.get(cup.meta().key).await.is_err());
    room.until(|room| room.root().join("LOCK").exists()).await;
    room.until(|room| room.disk().status().health == Health::Ok).await;
    assert!(room.disk().ready(std::time::Duration::from_mins(1)).await);
    assert_eq!(room.put(&cup).await, Put::Stored);
    assert!(room.has(&cup).await);
    assert!(matches!(Disk::open(room.options()), Err(OpenError::Held { .. })), "it is held again");
    room.disk().validate();
}

#[tokio::test]
async fn a_directory_that_can_not_be_made_is_waited_for() {
    let mut room = Room::new().await;
    room.close();
    fs::remove_dir_all(room.root()).unwrap();
    fs::write(room.root(), "a file is in its way").unwrap();
    room.open_now();
    assert!(matches!(room.disk().status().health, Health::Down(_)));
    let cup = room.entry("cup", "bytes");
    assert!(room.try_put(&cup).await.is_err());
    assert!(room.disk().open(Address::Key(cup.meta().key)).await.is_err());
    fs::remove_file(room.root()).unwrap();
    room.until(|room| room.disk().status().health == Health::Ok).await;
    assert_eq!(room.put(&cup).await, Put::Stored);
}

#[tokio::test]
async fn a_file_system_that_is_full_or_read_only_recovers_by_itself() {
    let mut room = Room::with(1 << 30, Durability::Full).await;
    room.close();
    let Some(mount) = Mount::new(room.root(), "4m") else { return };
    room.open().await;
    let cup = room.entry("cup", body(1 << 20, 1));
    assert_eq!(room.put(&cup).await, Put::Stored);
    let large = room.entry("large", body(5 << 20, 1));
    assert!(room.try_put(&large).await.is_err());
    assert_eq!(reason(&room), Some("full"));
    assert!(room.tmp().is_empty() && room.has(&cup).await);
    mount.remount("size=20m");
    room.clock.advance(std::time::Duration::from_mins(1));
    room.until(|room| room.disk().status().health == Health::Ok).await;
    assert_eq!(room.put(&large).await, Put::Stored);

    room.close();
    mount.remount("ro");
    room.open().await;
    assert_eq!(reason(&room), Some("read-only"), "it is told before anybody writes");
    assert!(room.has(&cup).await && room.has(&large).await);
    assert!(room.try_put(&room.entry("vase", "bytes")).await.is_err());
    mount.remount("rw");
    room.clock.advance(std::time::Duration::from_mins(1));
    room.until(|room| room.disk().status().health == Health::Ok).await;
    assert_eq!(room.put(&room.entry("vase", "bytes")).await, Put::Stored);
    room.close();
}
