//! A start: what was there is there again, and what is not this version's stays where it is.

use std::fs;
use std::process::Command;
use std::time::Duration;

use futures_util::poll;
use meshmemo::{Address, Health, MissReason, Opened, Selector, Stored, Tier};
use meshmemo_tiers::{Disk, Durability, Holder, Op, OpenError, holder};

use crate::room::{Room, body};

const EIO: i32 = 5;

#[tokio::test]
async fn entries_and_their_order_of_use_survive_a_restart() {
    let mut room = Room::with(1 << 30, Durability::None).await;
    let entries: Vec<_> =
        (0..5_u64).map(|n| room.entry(&n.to_string(), body(1 << 20, n))).collect();
    for entry in &entries {
        room.put(entry).await;
        room.clock.advance(Duration::from_secs(1));
    }
    assert!(room.has(&entries[1]).await);
    room.max_bytes = 3 << 20;
    room.open().await;
    assert!(room.has(&entries[1]).await && room.has(&entries[4]).await);
    assert_eq!(room.usage().entries, 2, "the others were used longer ago");
    let listed = room.disk().list(meshmemo::Scope::All, None).await.unwrap().entries;
    assert!(listed.iter().any(|listed| listed.hits == 2), "{listed:?}");
    room.until(|room| room.files().len() == 2).await;
    room.disk().validate();
}

#[tokio::test]
async fn the_files_are_the_truth_and_the_order_of_use_is_a_hint() {
    for damage in ["removed", "cut", "changed"] {
        let mut room = Room::new().await;
        let (cup, vase) = (room.entry("cup", "the cup"), room.entry("vase", "the vase"));
        room.put(&cup).await;
        room.put(&vase).await;
        room.close();
        let recency = room.root().join("recency");
        let mut bytes = fs::read(&recency).unwrap();
        match damage {
            "removed" => fs::remove_file(&recency).unwrap(),
            "cut" => fs::write(&recency, &bytes[..bytes.len() / 2]).unwrap(),
            _ => {
                bytes[40] ^= 1;
                fs::write(&recency, &bytes).unwrap();
            }
        }
        room.open().await;
        assert!(room.has(&cup).await && room.has(&vase).await, "{damage}");
        room.disk().validate();
    }
}

/// Holds the start back until it is released: what was half written can not be removed.
fn open_held(room: &mut Room) {
    room.close();
    fs::write(room.root().join("tmp/17"), "half").unwrap();
    room.faults.hold(Op::Remove);
    room.open_now();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn look_ups_are_answered_while_the_directories_are_looked_through() {
    let mut room = Room::with(1 << 30, Durability::None).await;
    let entries: Vec<_> = (0..200_u64).map(|n| room.entry(&n.to_string(), body(10, n))).collect();
    for entry in &entries {
        room.put(entry).await;
    }
    open_held(&mut room);
    for entry in &entries {
        assert!(room.has(entry).await, "look-ups by key do not wait");
    }
    let digest = Address::Digest(entries[0].meta().digest, meshmemo::Scope::All, Vec::new());
    let mut by_digest = room.disk().open(digest);
    assert!(poll!(&mut by_digest).is_pending(), "a look-up by digest does");
    assert!(!room.disk().ready(Duration::ZERO).await);
    room.faults.release();
    assert!(matches!(by_digest.await.unwrap(), Opened::Hit(_)));
    assert!(room.disk().ready(Duration::from_mins(1)).await);
    assert_eq!(room.usage().entries, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removals_and_writes_at_the_start_wait_until_everything_is_found() {
    let mut room = Room::with(1 << 30, Durability::None).await;
    for n in 0..50_u64 {
        room.put(&room.entry(&n.to_string(), body(10, n))).await;
    }
    open_held(&mut room);
    let mut removal = room.disk().remove(Selector::All);
    assert!(poll!(&mut removal).is_pending());
    let cup = std::sync::Arc::new(room.entry("cup", "bytes"));
    let mut write = room.disk().put(cup, meshmemo::Ticket::new());
    assert!(poll!(&mut write).is_pending());
    room.faults.release();
    // The write is not looked after before the removal has ended, so that it comes second.
    assert_eq!(removal.await.unwrap().len(), 50);
    assert_eq!(write.await.unwrap(), meshmemo::Put::Stored);
    room.until(|room| room.files().len() == 1).await;
}

#[tokio::test]
async fn foreign_files_and_those_of_a_newer_version_stay_and_are_counted() {
    let mut room = Room::new().await;
    let cup = room.entry("cup", "bytes");
    room.put(&cup).await;
    let file = room.file();
    let foreign = file.with_file_name("notes.txt");
    fs::write(&foreign, "of a person").unwrap();
    let mut newer = fs::read(&file).unwrap();
    let version = newer.len() - 20;
    newer[version] = 2;
    // Its sum is another one: the version alone would be a changed byte.
    newer[version + 4] ^= 0xff;
    fs::write(&file, &newer).unwrap();
    assert_eq!(room.get(cup.meta().key).await.unwrap_err(), MissReason::Unreadable);
    assert_eq!(fs::read(&file).unwrap(), newer, "it stays where it is");
    room.open().await;
    assert_eq!(room.usage().entries, 0);
    assert_eq!(room.usage().bytes, 2 * 4096, "their bytes count");
    let trouble = room.disk().status().health;
    assert!(
        matches!(&trouble, Health::Degraded(it) if it.reason == "foreign-files"),
        "{trouble:?}"
    );
    assert_eq!(room.get(cup.meta().key).await.unwrap_err(), MissReason::Absent);
    // What is made anew stands beside it.
    room.put(&cup).await;
    assert!(room.has(&cup).await);
    room.open().await;
    assert!(room.has(&cup).await);
    assert_eq!(fs::read(&file).unwrap(), newer);
    assert_eq!(fs::read_to_string(&foreign).unwrap(), "of a person");
    // A purge goes by what is known of an entry, and leaves what is not known.
    let filter = meshmemo::Filter { created_before: Some(Duration::MAX), ..Default::default() };
    assert_eq!(room.remove(Selector::Matching(filter)).await, 1);
    assert_eq!(room.files().len(), 2);
    room.open().await;
    assert_eq!(fs::read(&file).unwrap(), newer);
    room.disk().validate();
}

#[tokio::test]
async fn what_was_on_its_way_is_removed_and_of_two_generations_the_higher_one_holds() {
    let mut room = Room::new().await;
    let (old, new) = (room.entry("cup", "old"), room.entry("cup", "newer"));
    room.put(&old).await;
    let (old_file, old_bytes) = (room.file(), fs::read(room.file()).unwrap());
    room.put(&new).await;
    room.close();
    // As if the process had ended before the old file was unlinked, with another one half written.
    fs::write(&old_file, old_bytes).unwrap();
    fs::write(room.root().join("tmp/17"), "half").unwrap();
    room.open().await;
    assert!(room.has(&new).await);
    assert_eq!((room.files().len(), room.tmp().len()), (1, 0));
    room.disk().validate();
}

/// What could not be read at the start was forgotten until the next one.
#[tokio::test]
async fn a_directory_that_can_not_be_read_at_the_start_is_told_and_found_later() {
    let mut room = Room::new().await;
    let cup = room.entry("cup", "bytes");
    room.put(&cup).await;
    room.close();
    for op in [Op::List, Op::Open] {
        let _no_hint = fs::remove_file(room.root().join("recency"));
        room.faults.set_only(&[op], EIO);
        room.open().await;
        assert_eq!(room.usage().entries, 0, "{op:?}");
        let trouble = room.disk().status().health;
        assert!(matches!(&trouble, Health::Degraded(it) if it.reason == "io"), "{trouble:?}");
        room.faults.clear();
        room.clock.advance(Duration::from_mins(1));
        room.until(|room| room.usage().entries == 1).await;
        room.until(|room| room.disk().status().health == Health::Ok).await;
        assert!(room.has(&cup).await, "{op:?}");
        room.disk().validate();
        room.close();
    }
}

/// A pipe under the name of an entry let the start wait for ever.
#[tokio::test]
async fn what_is_no_file_hangs_nothing() {
    let mut room = Room::new().await;
    let cup = room.entry("cup", "bytes");
    room.put(&cup).await;
    let file = room.file();
    room.close();
    for path in [file.clone(), room.root().join("recency"), room.root().join("epoch")] {
        let _not_there = fs::remove_file(&path);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    }
    room.open_now();
    assert!(!room.has(&cup).await);
    assert!(room.disk().ready(Duration::from_mins(1)).await);
    assert!(!room.has(&cup).await && file.exists());
    room.put(&cup).await;
    assert!(room.has(&cup).await);
}

/// The epoch of one directory made the entries of another one, put in its place, be unlinked.
#[tokio::test]
async fn a_directory_that_takes_the_place_of_another_keeps_its_entries() {
    let mut room = Room::new().await;
    let cup = room.entry("cup", "bytes");
    room.put(&cup).await;
    room.close();
    let aside = room.dir.path().join("aside");
    fs::rename(room.root(), &aside).unwrap();
    room.open().await;
    room.put(&room.entry("vase", "bytes")).await;
    room.remove(Selector::All).await;
    fs::rename(room.root(), room.dir.path().join("old")).unwrap();
    fs::rename(&aside, room.root()).unwrap();
    room.until(|room| room.usage().entries == 1).await;
    assert!(room.has(&cup).await);
}

#[tokio::test]
async fn a_directory_has_one_owner_who_says_who_it_is() {
    let room = Room::new().await;
    room.disk().announce("http://127.0.0.1:1234".to_owned());
    let wanted = Holder::this("serve", Some("http://127.0.0.1:1234".to_owned()));
    assert_eq!(holder(&room.root()), Some(wanted.clone()));
    match Disk::open(room.options()) {
        Err(error @ OpenError::Held { .. }) => {
            let said = error.to_string();
            assert!(said.contains("meshmemo serve") && said.contains(":1234"), "{said}");
            assert!(said.contains(&std::process::id().to_string()), "{said}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_entry_that_is_over_at_the_start_is_not_found() {
    let mut room = Room::new().await;
    let cup = room.entry("cup", "bytes");
    let expires = meshmemo::Clock::wall(&room.clock) + Duration::from_secs(5);
    let meta = meshmemo::Meta { expires: Some(expires), ..cup.meta().clone() };
    let cup = meshmemo::Entry::whole(meta, cup.body().clone()).unwrap();
    room.put(&cup).await;
    room.open().await;
    assert!(room.has(&cup).await, "the time to live is the same after a restart");
    room.close();
    room.clock.advance(Duration::from_secs(5));
    room.open_now();
    assert!(!room.has(&cup).await);
    room.until(|room| room.files().is_empty()).await;
}
