//! The named bounds of the server: whatever waits, queues or grows here stops at one of these.

use std::time::Duration;

/// How many connections are served at a time, where so many files may be open; the next one waits to
/// be accepted.
pub(crate) const CONNECTIONS_MAX: usize = 1024;

/// How many files are left to all but connections: to the disk, the log, the keys.
pub(crate) const FILES_BESIDE_CONNECTIONS: usize = 256;

/// How long a client may take to send its request's head, the pause before it included.
pub(crate) const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a client may take to agree upon TLS.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How many connections from addresses that may not come are told so at a time; more are only closed.
pub(crate) const SENT_AWAY_MAX: usize = 32;

/// How long it may take to tell them.
pub(crate) const SENT_AWAY_TIMEOUT: Duration = Duration::from_secs(2);

/// How often the files of keys and certificates are looked at for changes.
pub(crate) const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// How often the log tells of wrong keys, however many there are.
pub(crate) const WRONG_KEYS_INTERVAL: Duration = Duration::from_mins(1);

/// How long browsers remember that a page of another origin may read here.
pub(crate) const PREFLIGHT_MAX_AGE: Duration = Duration::from_mins(10);

/// How long a client may pause while it sends a body.
pub(crate) const BODY_PAUSE_MAX: Duration = Duration::from_secs(30);

/// How long a client may take no bytes while it is sent a body.
pub(crate) const SEND_PAUSE_MAX: Duration = Duration::from_mins(1);

/// How long a tier may take to deliver the next piece of an entry that is being sent.
pub(crate) const PIECE_MAX: Duration = Duration::from_mins(1);

/// How often a model that could not be read where it was found is looked for again.
pub(crate) const FINDS_MAX: usize = 3;

/// How long a client may take to send a body.
pub(crate) const BODY_MAX: Duration = Duration::from_mins(10);

/// Bytes that photos may take together, from their first byte until they are made into models;
/// beyond it the answer is 503.
pub(crate) const UPLOADS_MAX_BYTES: u64 = 1 << 30;

/// Bytes that models on their way out may take together; beyond it the answer is 503.
pub(crate) const SENDS_MAX_BYTES: u64 = 1 << 30;

/// Bytes of a refused body that are read and thrown away, so that its sender reads the refusal.
pub(crate) const LINGER_MAX_BYTES: u64 = 64 << 20;

/// How long a refused body is read for.
pub(crate) const LINGER_MAX: Duration = Duration::from_secs(5);

/// How long a connection without a request may take to end when the server stops.
pub(crate) const IDLE_END_MAX: Duration = Duration::from_secs(1);

/// How long an answer for want of room in memory or for want of a place tells to wait.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Bytes that are reserved at once for a body on the word of its `Content-Length`.
pub(crate) const BODY_CAPACITY_MAX: u64 = 4 << 20;

/// How often it is looked at whether the backends can be reached.
pub(crate) const BACKEND_WATCH_INTERVAL: Duration = Duration::from_secs(5);

/// How long it is remembered whether the backends can be reached.
pub(crate) const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// How many photos one batch may have.
pub(crate) const BATCH_MAX: usize = 256;

/// How many photos of one batch are asked for at a time, so that it does not fill the queue.
pub(crate) const BATCH_AT_ONCE: usize = 4;

/// How often who watches a job is told how far it has got, at most.
pub(crate) const JOB_EVENTS_INTERVAL: Duration = Duration::from_millis(250);

/// How often it is looked how far a job has got that another gateway has taken.
pub(crate) const JOB_ELSEWHERE_INTERVAL: Duration = Duration::from_secs(1);

/// How long the answer to a job waits for a result that the cache has.
pub(crate) const JOB_HIT_MAX: Duration = Duration::from_secs(10);

/// How long a backend may be silent in the middle of an answer that goes through.
pub(crate) const THROUGH_PAUSE_MAX: Duration = Duration::from_hours(1);

/// How long who watches a job hears nothing, while there is nothing to tell.
pub(crate) const JOB_SILENCE_MAX: Duration = Duration::from_secs(15);

/// How many clients may watch jobs at a time.
pub(crate) const JOB_WATCHERS_MAX: usize = 256;

/// Bytes that a form field other than the image may have.
pub(crate) const FIELD_MAX_BYTES: usize = 4096;

/// How many fields a form may have.
pub(crate) const FIELDS_MAX: usize = 32;

/// Characters that a label keeps; the rest is cut off.
pub(crate) const LABEL_MAX_CHARS: usize = 200;

/// Bytes that the body of a management call may have.
pub(crate) const MANAGEMENT_BODY_MAX_BYTES: usize = 64 << 10;

/// How many keys one call may bring into memory.
pub(crate) const WARM_KEYS_MAX: usize = 900;

/// How many entries one page of a listing holds, unless asked for fewer or more, and at most.
pub(crate) const PAGE_ENTRIES: usize = 100;
/// See [`PAGE_ENTRIES`].
pub(crate) const PAGE_ENTRIES_MAX: usize = 1000;

/// How many ranges one request may ask for; one that asks for more gets the whole.
pub(crate) const RANGES_MAX: usize = 16;
