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

/// How many connections carry the bytes of entries to Redis and back.
pub(crate) const REDIS_BULK_LINKS: usize = 4;

/// Bytes of a chunk in Redis: with what Redis adds to it, just what its allocator has for a mebibyte. One of a
/// whole mebibyte would take a quarter more.
pub(crate) const REDIS_CHUNK_BYTES: u32 = (1 << 20) - 64;

/// How many chunks of entries are on their way at a time; the next one waits.
pub(crate) const REDIS_TRANSFERS_MAX: usize = 64;

/// How many chunks of one entry are on their way at a time.
pub(crate) const REDIS_CHUNKS_AHEAD: usize = 4;

/// How long it may take to connect to Redis.
pub(crate) const REDIS_CONNECT_MAX: Duration = Duration::from_secs(1);

/// How long it may take to connect to a Cluster, and to each of its nodes.
pub(crate) const REDIS_CLUSTER_CONNECT_MAX: Duration = Duration::from_secs(4);
pub(crate) const REDIS_NODE_CONNECT_MAX: Duration = Duration::from_millis(300);

/// How long a node of a Cluster may take to answer, also when it is looked whether it does: one that hangs is
/// waited for so long while the others are connected to.
pub(crate) const REDIS_NODE_MAX: Duration = Duration::from_secs(2);

/// How many failures in how long a time end the connection to a Cluster.
pub(crate) const REDIS_STRIKES_MAX: u32 = 3;
pub(crate) const REDIS_STRIKES_COUNT_FOR: Duration = Duration::from_secs(10);

/// How long Redis may take for what is small.
pub(crate) const REDIS_CONTROL_MAX: Duration = Duration::from_secs(1);

/// How long Redis may take for a chunk: 1 MiB, behind others on the same connection.
pub(crate) const REDIS_CHUNK_MAX: Duration = Duration::from_secs(10);

/// How long is waited before Redis is connected to again that could not be: it doubles.
pub(crate) const REDIS_REST_MIN: Duration = Duration::from_millis(100);
pub(crate) const REDIS_REST_MAX: Duration = Duration::from_secs(2);

/// How often an entry is written again that a full Redis has evicted while it was written.
pub(crate) const REDIS_ATTEMPTS_MAX: usize = 4;

/// How long the chunks of an entry last that is not published yet.
pub(crate) const REDIS_UPLOAD_MAX: Duration = Duration::from_mins(5);

/// How long the chunks of an entry last that was replaced or removed: readers are still at it.
pub(crate) const REDIS_LINGER: Duration = Duration::from_mins(1);

/// How long it is known of an entry that it is too large to be shared.
pub(crate) const REDIS_MARKER_TTL: Duration = Duration::from_hours(24);

/// How long it is known of a key that its entry was removed.
pub(crate) const REDIS_TOMBSTONE_TTL: Duration = Duration::from_hours(7 * 24);

/// How many names a step of a scan of Redis looks at.
pub(crate) const REDIS_SCAN_COUNT: usize = 1000;

/// How many manifests are looked at, or taken away, at a time.
pub(crate) const REDIS_LOOKS_AHEAD: usize = 64;
pub(crate) const REDIS_REMOVALS_AHEAD: usize = 64;

/// How long it is known at least which entries have some bytes, if they do not end by themselves.
pub(crate) const REDIS_SAME_BYTES_TTL: Duration = Duration::from_hours(30 * 24);

/// How long the removals of others may be out of sight before health says so.
pub(crate) const REDIS_UNSEEN_MAX: Duration = Duration::from_secs(5);

/// How often a line of the log is read again that is not what was written.
pub(crate) const REDIS_STRANGE_MAX: u32 = 3;

/// How long a file may take in which it is noted how far removals were seen.
pub(crate) const REDIS_FILE_MAX: Duration = Duration::from_secs(5);

/// How many entries in Redis with the same bytes are looked at for one that is meant.
pub(crate) const REDIS_SAME_BYTES_MAX: usize = 64;

/// How often who waits for others looks, where it would be told, and where it would not.
pub(crate) const REDIS_LOOK: Duration = Duration::from_secs(1);
pub(crate) const REDIS_LOOK_DEAF: Duration = Duration::from_millis(250);

/// How soon it looks again at the earliest.
pub(crate) const REDIS_LOOK_LEAST: Duration = Duration::from_millis(20);

/// How many removals the log keeps for gateways that were away.
pub(crate) const REDIS_LOG_MAX: usize = 10_000;

/// How many shapes of removals are known by until when they reach.
pub(crate) const REDIS_SHAPES_MAX: usize = 4096;

/// How many removals wait for a Redis that does not take them; the oldest are lost, and told of.
pub(crate) const REDIS_NOTICES_WAITING_MAX: usize = 1000;

/// How many removals are read from the log at once.
pub(crate) const REDIS_NOTICES_AT_A_TIME: usize = 256;

/// How long one look into the log waits for something new.
pub(crate) const REDIS_FOLLOW_WAIT: Duration = Duration::from_secs(1);

/// How long a write waits until removals hold that came before it.
pub(crate) const REDIS_CATCH_UP_MAX: Duration = Duration::from_secs(3);

/// How far the clocks of gateways may be apart.
pub(crate) const REDIS_CLOCKS_APART_MAX: Duration = Duration::from_secs(5);

/// How long health shows that removals may have been lost.
pub(crate) const REDIS_LOST_SHOWN: Duration = Duration::from_hours(1);

/// How often a gateway says that it lives, and how long it counts as living after that.
pub(crate) const REDIS_PULSE: Duration = Duration::from_secs(2);
pub(crate) const REDIS_PULSE_TTL: Duration = Duration::from_secs(15);

/// How long who waits for a slot stays in the line unseen.
pub(crate) const REDIS_SLOT_UNSEEN_MAX: Duration = Duration::from_secs(4);

/// How long a record lasts.
pub(crate) const REDIS_RECORD_TTL: Duration = Duration::from_hours(24);

/// How many records wait to be written; what comes on top is not, and is told of.
pub(crate) const REDIS_RECORDS_WAITING_MAX: usize = 4096;

/// How many messages of other gateways wait to be heard by who is slow; the oldest are missed.
pub(crate) const REDIS_HEARD_MAX: usize = 1024;
