//! Whatever happens to a file, nothing is served that is not what was written.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;

use futures_util::StreamExt;
use meshmemo::{Address, Entry, MissReason, Opened, Stored, Tier};
use meshmemo_tiers::Durability;
use meshmemo_tiers::envelope::{CHUNK_BYTES, TAIL_BYTES, footer_bytes};

use crate::room::{Room, body, tell};

const RANDOM_FLIPS: u64 = 1_000;

/// The regions of an entry's file, by name.
fn regions(file: &[u8], payload_bytes: usize) -> Vec<(&'static str, Range<usize>)> {
    let end = file.len();
    let footer = end - footer_bytes(&file[end - TAIL_BYTES..], end as u64).unwrap();
    assert_eq!(footer, payload_bytes);
    let sums = payload_bytes.div_ceil(CHUNK_BYTES as usize) * 8;
    let tail = end - TAIL_BYTES;
    let mut regions = vec![
        ("chunk size", footer..footer + 4),
        ("payload size", footer + 4..footer + 12),
        ("digest", footer + 12..footer + 44),
        ("key", footer + 44..footer + 76),
        ("fields", footer + 76..tail - sums),
        ("sums", tail - sums..tail),
        ("length of the fields", tail..tail + 4),
        ("length of the footer", tail + 4..tail + 8),
        ("version", tail + 8..tail + 12),
        ("sum of the footer", tail + 12..tail + 20),
        ("magic", tail + 20..end),
    ];
    for (name, chunk) in ["first chunk", "second chunk", "last chunk"].into_iter().zip(0..) {
        let start = chunk * CHUNK_BYTES as usize;
        regions.push((name, start..payload_bytes.min(start + CHUNK_BYTES as usize)));
    }
    regions
}

fn flip(path: &Path, file: &[u8], bit: usize) {
    let mut out = fs::OpenOptions::new().write(true).open(path).unwrap();
    out.seek(SeekFrom::Start((bit / 8) as u64)).unwrap();
    out.write_all(&[file[bit / 8] ^ (1 << (bit % 8))]).unwrap();
}

/// Puts an entry anew, flips a bit of its file, and returns why it is not served.
async fn miss_after_flip(room: &Room, entry: &Entry, bit: impl Fn(&[u8]) -> usize) -> MissReason {
    room.put(entry).await;
    let path = room.file();
    let file = fs::read(&path).unwrap();
    flip(&path, &file, bit(&file));
    let reason = room.get(entry.meta().key).await.expect_err("it is not what was written");
    room.disk().validate();
    let again = room.get(entry.meta().key).await.unwrap_err();
    assert!(matches!(again, MissReason::Absent), "and is found no more");
    room.files().iter().for_each(|file| fs::remove_file(file).unwrap());
    reason
}

#[tokio::test]
async fn a_flipped_bit_in_any_region_is_never_served() {
    let room = Room::with(1 << 30, Durability::None).await;
    let payload_bytes = 2 * CHUNK_BYTES as usize + 12_345;
    let entry = room.entry("cup", body(payload_bytes, 1));
    room.put(&entry).await;
    let file = fs::read(room.file()).unwrap();
    let mut flips = 0;
    for (region, range) in regions(&file, payload_bytes) {
        for at in [range.start, usize::midpoint(range.start, range.end), range.end - 1] {
            for bit in [0, 7] {
                let reason = miss_after_flip(&room, &entry, |_| at * 8 + bit).await;
                assert_eq!(reason, MissReason::Corrupt, "{region}");
                flips += 1;
            }
        }
    }
    tell(&format!("{flips} flips in every region of the format: 0 served"));
}

#[tokio::test]
async fn a_thousand_random_flips_serve_nothing() {
    let room = Room::with(1 << 30, Durability::None).await;
    let mut by_reason = std::collections::BTreeMap::new();
    for round in 0..RANDOM_FLIPS {
        let length = usize::try_from(round % 3 * 1_000).unwrap();
        let entry = room.entry("cup", body(length, round + 1));
        let random = u64::from_le_bytes(body(8, round + 7).try_into().unwrap());
        let bit = |file: &[u8]| usize::try_from(random % (file.len() as u64 * 8)).unwrap();
        *by_reason.entry(miss_after_flip(&room, &entry, bit).await.as_str()).or_insert(0) += 1;
    }
    tell(&format!("{RANDOM_FLIPS} random flips: 0 served; misses by reason: {by_reason:?}"));
    assert_eq!(by_reason.values().sum::<u64>(), RANDOM_FLIPS);
    let quarantined = room.quarantined().len();
    assert!((1..=64).contains(&quarantined), "the quarantine is bounded: {quarantined}");
}

#[tokio::test]
async fn a_file_that_was_cut_short_or_filled_with_zeros_goes_to_the_quarantine() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 6] = [
        ("empty", |path| fs::write(path, []).unwrap()),
        ("cut", |path| cut(path, 1)),
        ("cut to its payload", |path| cut(path, 10_000)),
        ("zeros", |path| fs::write(path, vec![0; length(path)]).unwrap()),
        ("longer", |path| fs::write(path, [fs::read(path).unwrap(), vec![0; 9]].concat()).unwrap()),
        ("one byte", |path| fs::write(path, [1]).unwrap()),
    ];
    for (name, damage) in damages {
        let room = Room::new().await;
        let entry = room.entry("cup", body(100_000, 1));
        room.put(&entry).await;
        damage(&room.file());
        let reason = room.get(entry.meta().key).await.unwrap_err();
        assert_eq!(reason, MissReason::Corrupt, "{name}");
        assert_eq!((room.files().len(), room.quarantined().len()), (0, 1), "{name}");
        assert_eq!(room.usage().quarantined, 1);
        room.put(&entry).await;
        assert!(room.has(&entry).await, "{name}: it is made again");
        room.disk().validate();
    }
}

fn length(path: &Path) -> usize {
    usize::try_from(fs::metadata(path).unwrap().len()).unwrap()
}

fn cut(path: &Path, bytes: usize) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len((length(path) - bytes) as u64).unwrap();
}

#[tokio::test]
async fn an_entry_under_the_name_of_another_is_not_served() {
    let mut room = Room::new().await;
    let (cup, vase) = (room.entry("cup", "the cup"), room.entry("vase", "another"));
    room.put(&cup).await;
    let cup_file = room.file();
    room.put(&vase).await;
    let vase_file = room.files().into_iter().find(|file| *file != cup_file).unwrap();
    fs::copy(&vase_file, &cup_file).unwrap();
    assert_eq!(room.get(cup.meta().key).await.unwrap_err(), MissReason::Corrupt);
    assert!(room.has(&vase).await);
    room.put(&cup).await;
    fs::copy(&vase_file, room.files().into_iter().find(|file| *file != vase_file).unwrap())
        .unwrap();
    fs::remove_file(room.root().join("recency")).ok();
    room.close();
    fs::remove_file(room.root().join("recency")).unwrap();
    room.open().await;
    assert_eq!(room.usage().entries, 1, "it is found at the start too");
    assert!(room.has(&vase).await);
}

#[tokio::test]
async fn a_reader_is_cut_off_where_a_large_entry_is_corrupt() {
    let room = Room::with(1 << 30, Durability::None).await;
    let bytes = body(20 << 20, 1);
    let entry = room.entry("cup", bytes.clone());
    room.put(&entry).await;
    let Opened::Hit(stored) = room.disk().open(Address::Key(entry.meta().key)).await.unwrap()
    else {
        panic!("it is there");
    };
    flip(&room.file(), &bytes, (15 << 20) * 8);
    let mut chunks = stored.read(0..20 << 20);
    let (mut read, mut error) = (0, None);
    while let Some(chunk) = chunks.next().await {
        match chunk {
            Ok(chunk) => {
                assert!(chunk == bytes[read..read + chunk.len()]);
                read += chunk.len();
            }
            Err(failed) => error = Some(failed),
        }
    }
    assert_eq!(error.unwrap().kind(), meshmemo::ErrorKind::Corrupt);
    assert!((12 << 20..15 << 20).contains(&read), "{read} bytes were verified before");
    assert_eq!(room.quarantined().len(), 1);
}

#[tokio::test]
async fn a_range_reads_and_verifies_only_the_chunks_that_it_touches() {
    let room = Room::with(1 << 30, Durability::None).await;
    let bytes = body(10 << 20, 1);
    let entry = room.entry("cup", bytes.clone());
    room.put(&entry).await;
    // The first chunk is corrupt: a range beyond it does not notice.
    flip(&room.file(), &bytes, 0);
    let read = async |range: Range<u64>| {
        let opened = room
            .disk()
            .open(Address::Digest(entry.meta().digest, meshmemo::Scope::All, Vec::new()))
            .await
            .unwrap();
        let Opened::Hit(stored) = opened else { panic!("it is there") };
        let chunks: Vec<_> = stored.read(range).collect().await;
        chunks.into_iter().collect::<Result<Vec<_>, _>>().map(|chunks| chunks.concat())
    };
    let range = (3 << 20) + 5..(5 << 20) + 7;
    let wanted = &bytes[(3 << 20) + 5..(5 << 20) + 7];
    assert!(read(range).await.unwrap() == wanted);
    assert!(read(0..1).await.is_err());
}
