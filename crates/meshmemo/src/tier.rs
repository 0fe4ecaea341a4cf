//! Where entries lie besides memory: the trait that the disk and the shared tier implement.
//!
//! What a tier promises stands in the conformance suite, `testing/conformance.rs`: every tier runs
//! it. The engine guards each tier by a timeout and a circuit breaker, and takes any failure of a
//! read as a counted miss.

use std::fmt::Debug;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::entry::{Entry, Stored};
use crate::error::Result;
use crate::key::{Digest, Key};
use crate::scope::Scope;
use crate::selector::Selector;
use crate::stats::Removals;
use crate::summary::Listed;
use crate::ticket::Ticket;

/// A place that keeps entries. Whoever puts a cache together gives it its name.
pub trait Tier: Debug + Send + Sync {
    /// Opens an entry for reading, which is a use of it. What is found is complete, living and its
    /// own.
    fn open(&self, address: Address) -> BoxFuture<'_, Result<Opened>>;

    /// Keeps an entry, replacing the one under its key; returns when it is as durable as the tier
    /// makes it.
    ///
    /// The ticket is checked under the lock of the tier's index, in the moment in which the entry
    /// becomes visible. If the future is dropped, the entry is either kept whole or not at all.
    fn put(&self, entry: Arc<Entry>, ticket: Ticket) -> BoxFuture<'_, Result<Put>>;

    /// Removes what `selector` selects, and lists it; returns when the removal is as durable as the
    /// entries were.
    fn remove(&self, selector: Selector) -> BoxFuture<'_, Result<Vec<Gone>>>;

    /// Lists the entries of a scope page by page, in an order of the tier's own.
    fn list(&self, scope: Scope, cursor: Option<Cursor>) -> BoxFuture<'_, Result<Page>>;

    /// Notes that a nearer tier has answered for an entry: that is a use of it here too. Answers at
    /// once, and does nothing where the order of use is not the tier's matter.
    fn touch(&self, key: Key);

    /// Returns how the tier is and what it holds; answers at once.
    fn status(&self) -> TierStatus;
}

/// What an entry is looked up by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// By its key.
    Key(Key),
    /// By the digest of its bytes; any entry of the scope with these bytes will do, but those with these
    /// keys.
    Digest(Digest, Scope, Vec<Key>),
}

/// What a look-up found.
#[derive(Debug)]
pub enum Opened {
    /// The entry.
    Hit(Arc<dyn Stored>),
    /// Nothing.
    Miss(MissReason),
}

/// Why a look-up found nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissReason {
    /// There is no such entry.
    Absent,
    /// There was one, and its time is over.
    Expired,
    /// There was one, and its bytes are not what they were.
    Corrupt,
    /// There is one in a format that this version does not read.
    Unreadable,
    /// The tier has not found out yet what it holds.
    NotReady,
    /// The tier failed, or took too long.
    Failed,
    /// The tier's circuit breaker is open; it was not asked.
    BreakerOpen,
    /// The tier's mode keeps look-ups away.
    NotRead,
}

impl MissReason {
    /// Returns the reason's name as logs and metrics show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Expired => "expired",
            Self::Corrupt => "corrupt",
            Self::Unreadable => "unreadable",
            Self::NotReady => "not-ready",
            Self::Failed => "failed",
            Self::BreakerOpen => "breaker-open",
            Self::NotRead => "not-read",
        }
    }
}

/// What became of an entry that was to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Put {
    /// It is kept.
    Stored,
    /// It is larger than the tier may be.
    TooLarge,
    /// It was removed while it was on its way.
    Invalidated,
    /// It was over before it was kept.
    Expired,
    /// The tier has not found out yet what it holds, and takes nothing until it has.
    NotReady,
}

/// An entry that a removal removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone {
    /// Its key.
    pub key: Key,
    /// How many bytes it had.
    pub size_bytes: u64,
}

/// Where a listing goes on; what it means is the tier's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

/// A part of a tier's listing.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Entries.
    pub entries: Vec<Listed>,
    /// Where the listing goes on; `None` at its end.
    pub next: Option<Cursor>,
}

/// How a tier is and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierStatus {
    /// How it is.
    pub health: Health,
    /// What it holds; `None` where the tier can not tell at once.
    pub usage: Option<Usage>,
}

/// What a tier holds, and what has left it since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Entries there are.
    pub entries: u64,
    /// Bytes of the budget that are taken, by entries and by whatever else draws on it.
    pub bytes: u64,
    /// The budget.
    pub max_bytes: u64,
    /// Entries that left, by cause.
    pub removals: Removals,
    /// Entries that were found corrupt and put aside.
    pub quarantined: u64,
}

/// How a tier is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// All is well.
    Ok,
    /// It serves, but not all that it should.
    Degraded(Trouble),
    /// It does not serve.
    Down(Trouble),
}

/// What is wrong with a tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// One word of a small set, for metrics: `full`, `read-only`, …
    pub reason: &'static str,
    /// A sentence for people.
    pub detail: String,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.reason, self.detail)
    }
}

impl Health {
    /// Returns the state's name as health shows it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded(_) => "degraded",
            Self::Down(_) => "down",
        }
    }

    /// Returns what is wrong, if anything is.
    pub fn trouble(&self) -> Option<&Trouble> {
        match self {
            Self::Ok => None,
            Self::Degraded(trouble) | Self::Down(trouble) => Some(trouble),
        }
    }
}

/// What a tier is used for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Everything.
    #[default]
    ReadWrite,
    /// Look-ups alone: what it has stays as it is.
    ReadOnly,
    /// It is written, and nothing is looked up in it.
    WriteOnly,
}

impl Mode {
    /// Returns the mode's name as settings and statistics show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadWrite => "read-write",
            Self::ReadOnly => "read-only",
            Self::WriteOnly => "write-only",
        }
    }
}

/// How the flow uses a tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TierOptions {
    /// When answers wait for its writes.
    pub writing: Writing,
    /// What it is used for.
    pub mode: Mode,
}

impl From<Writing> for TierOptions {
    fn from(writing: Writing) -> Self {
        Self { writing, mode: Mode::default() }
    }
}

/// When the answer to a miss waits for a tier's write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writing {
    /// The answer waits for it, within a bound: this tier makes entries durable.
    Awaited,
    /// The write follows the answer.
    Behind,
}
