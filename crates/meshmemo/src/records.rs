//! Small records that all machines of a cache can read: the trait behind which shared jobs stand.

use std::fmt::Debug;

use futures_util::future::BoxFuture;

use crate::error::Result;

/// Keeps small records where all machines of a cache can read them, for a time.
pub trait Records: Debug + Send + Sync {
    /// Keeps a record in the place of the one of its name. It is on its way when this returns, behind those
    /// before it; the future waits until it is kept, or can not be.
    fn keep(&self, name: &str, text: String) -> BoxFuture<'static, ()>;

    /// Returns the record of a name.
    ///
    /// # Errors
    /// Any: whether there is one is not known.
    fn read(&self, name: &str) -> BoxFuture<'_, Result<Option<SharedRecord>>>;
}

/// A record, and whether the machine lives that kept it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedRecord {
    /// What was kept.
    pub text: String,
    /// Whether the machine that kept it lives.
    pub is_keeper_alive: bool,
}
