//! The named bounds of the tiers: whatever waits, queues or grows here stops at one of these.

use std::time::Duration;

/// Bytes that a payload is read in at a time: one step of the blocking pool, and what each reader
/// holds.
pub(crate) const PIECE_BYTES: u64 = 4 << 20;

/// Bytes that a footer may have: with chunks of 1 MiB, enough for a payload of 1 TiB.
pub(crate) const FOOTER_MAX_BYTES: u32 = 16 << 20;

/// How many entries are written at a time; the next one waits.
pub(crate) const WRITERS_MAX: usize = 4;

/// How many files are opened or read at a time; the next one waits.
pub(crate) const READERS_MAX: usize = 64;

/// How many threads look through the directories at the start. On a cold disk they wait more than
/// they work, so that they are more than the processor has cores.
pub(crate) const SCANNERS: usize = 16;

/// How long a write waits for the bytes that others have reserved.
pub(crate) const ROOM_WAIT: Duration = Duration::from_secs(20);

/// How often a write that waits for room looks again, unless it is called.
pub(crate) const ROOM_PAUSE: Duration = Duration::from_millis(200);

/// How many removals touch files at a time; the next one waits.
pub(crate) const REMOVERS_MAX: usize = 4;

/// How often a look-up whose file has just been replaced looks again.
pub(crate) const LOOKS_MAX: usize = 4;

/// How often a directory is asked for again that another process seems to hold: somebody may only
/// have looked who holds it.
pub(crate) const TAKES_MAX: usize = 5;

/// How long is waited in between.
pub(crate) const TAKE_PAUSE: Duration = Duration::from_millis(20);

/// How long a call that needs the whole index waits for it at the start.
pub(crate) const READY_WAIT: Duration = Duration::from_secs(50);

/// How long a look-up by digest, which needs the whole index, waits for it at the start.
pub(crate) const DIGEST_WAIT: Duration = Duration::from_secs(4);

/// How many files the quarantine keeps; the oldest leaves for the next one.
pub(crate) const QUARANTINE_FILES_MAX: usize = 64;

/// Which part of the budget the quarantine may take.
pub(crate) const QUARANTINE_SHARE: u64 = 16;

/// How many entries one page of a listing holds.
pub(crate) const PAGE_ENTRIES: usize = 4096;

/// How often the housekeeper looks around, unless it is called.
pub(crate) const ROUND: Duration = Duration::from_secs(1);

/// How long the order of use may go without being saved.
pub(crate) const RECENCY_PAUSE: Duration = Duration::from_mins(1);

/// How long a directory that could not be read rests before it is tried again.
pub(crate) const RESCAN_PAUSE: Duration = Duration::from_secs(10);

/// How many files the housekeeper unlinks before it looks whether it is to end.
pub(crate) const UNLINKS_AT_A_TIME: usize = 256;

/// How long a disk that could not be written rests before it is tried again.
pub(crate) const PROBE_PAUSE: Duration = Duration::from_secs(2);

/// Bytes that a saved order of use may have; a larger one is not read.
pub(crate) const RECENCY_MAX_BYTES: u64 = 1 << 30;
