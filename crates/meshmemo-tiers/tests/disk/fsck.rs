//! The verification of a whole directory.

use std::fs;

use meshmemo_tiers::{FsckOptions, FsckReport, OpenError, fsck};

use crate::room::{Room, body};

fn check(room: &Room, repair: bool) -> FsckReport {
    let mut last = None;
    let options = FsckOptions { root: room.root(), repair };
    let report = fsck(&options, |progress| {
        assert!(last.is_none_or(|last| progress.bytes >= last), "progress goes forward");
        last = Some(progress.bytes);
        assert!(progress.bytes <= progress.total_bytes);
    });
    report.unwrap()
}

#[tokio::test]
async fn a_clean_directory_is_clean_and_a_corrupt_entry_is_found_and_put_aside() {
    let mut room = Room::new().await;
    for n in 0..20_u64 {
        room.put(&room.entry(&n.to_string(), body(300_000, n))).await;
    }
    room.put(&room.entry("large", body(20 << 20, 1))).await;
    room.close();
    let report = check(&room, false);
    assert!(report.is_clean());
    assert_eq!((report.entries, report.foreign, report.left_over), (21, 0, 0));

    let victim = room.files()[7].clone();
    let mut bytes = fs::read(&victim).unwrap();
    bytes[1000] ^= 4;
    fs::write(&victim, &bytes).unwrap();
    fs::write(room.root().join("tmp/5"), "half").unwrap();
    fs::write(room.root().join("obj/notes"), "a person's").unwrap();
    let report = check(&room, false);
    assert_eq!((report.entries, report.left_over, report.is_repaired), (20, 1, false));
    assert_eq!(report.corrupt.len(), 1);
    assert_eq!(report.corrupt[0].0, victim);
    assert!(victim.exists(), "nothing is changed without --repair");

    let report = check(&room, true);
    assert_eq!((report.corrupt.len(), report.is_repaired), (1, true));
    assert!(!victim.exists());
    assert_eq!(room.quarantined().len(), 1);
    assert!(check(&room, false).is_clean());
    room.open().await;
    assert_eq!(room.usage().entries, 20);
}

#[tokio::test]
async fn a_directory_in_use_or_without_entries_is_refused() {
    let room = Room::new().await;
    let options = FsckOptions { root: room.root(), repair: false };
    assert!(matches!(fsck(&options, |_| {}), Err(OpenError::Held { .. })));
    let options = FsckOptions { root: room.root().join("nothing"), repair: false };
    assert!(matches!(fsck(&options, |_| {}), Err(OpenError::Failed { .. })));
}
