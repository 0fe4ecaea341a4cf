//! Where entries lie besides memory: the trait that the disk and the shared tier implement.
//!
//! What a tier promises stands in the conformance suite, `testing/conformance.rs`: every tier runs
//! it. The engine guards each tier by a timeout and a circuit breaker, and takes any failure of a
//! read as a counted miss.

use std::fmt::Debug;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::cache::Removed;
use crate::entry::{Entry, Meta, Stored};
use crate::error::Result;
use crate::key::{Digest, Key};
use crate::ticket::Ticket;

/// A place that keeps entries.
pub trait Tier: Debug + Send + Sync {
    /// Returns the tier's name as outcomes, metrics and health show it.
    fn name(&self) -> &'static str;

    /// Opens an entry for reading. What is found is complete, living and its own.
    fn open(&self, address: Address) -> BoxFuture<'_, Result<Opened>>;

    /// Keeps an entry, replacing the one under its key; returns when it is as durable as the tier
    /// makes it.
    ///
    /// The ticket is checked under the lock of the tier's index, in the moment in which the entry
    /// becomes visible. If the future is dropped, the entry is either kept whole or not at all.
    fn put(&self, entry: Arc<Entry>, ticket: Ticket) -> BoxFuture<'_, Result<Put>>;

    /// Removes what `selector` selects; returns when the removal is as durable as the entries were.
    fn remove(&self, selector: Selector) -> BoxFuture<'_, Result<Removed>>;

    /// Lists entries page by page, in an order of the tier's own.
    fn list(&self, cursor: Option<Cursor>) -> BoxFuture<'_, Result<Page>>;

    /// Returns how the tier is; answers at once.
    fn health(&self) -> Health;
}

/// What an entry is looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    /// By its key.
    Key(Key),
    /// By the digest of its bytes; any entry with these bytes will do.
    Digest(Digest),
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
    /// The tier failed, or took too long.
    Failed,
    /// The tier's circuit breaker is open; it was not asked.
    BreakerOpen,
}

impl MissReason {
    /// Returns the reason's name as logs and metrics show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Expired => "expired",
            Self::Corrupt => "corrupt",
            Self::Unreadable => "unreadable",
            Self::Failed => "failed",
            Self::BreakerOpen => "breaker-open",
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
}

/// What a removal removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selector {
    /// One entry.
    Key(Key),
    /// Every entry.
    All,
}

/// Where a listing goes on; what it means is the tier's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

/// A part of a tier's listing.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Entries.
    pub entries: Vec<Meta>,
    /// Where the listing goes on; `None` at its end.
    pub next: Option<Cursor>,
}

/// How a tier is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// All is well.
    Ok,
    /// It serves, but not all that it should; with the reason.
    Degraded(String),
    /// It does not serve; with the reason.
    Down(String),
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
}

/// When the answer to a miss waits for a tier's write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writing {
    /// The answer waits for it, within a bound: this tier makes entries durable.
    Awaited,
    /// The write follows the answer.
    Behind,
}
