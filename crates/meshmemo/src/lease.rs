//! One generation per key across machines: the trait behind which the shared tier's leases stand.

use std::fmt::Debug;

use futures_util::future::BoxFuture;

use crate::error::Result;
use crate::key::Key;

/// Grants, for one key at a time, the right to generate among all who share the leases.
pub trait Lease: Debug + Send + Sync {
    /// Waits until the key's lease is held here or its holder elsewhere has published.
    ///
    /// # Errors
    /// Any; the caller goes on without a lease, so that a failing coordinator costs at most a
    /// second generation.
    fn acquire(&self, key: Key) -> BoxFuture<'_, Result<Acquired>>;
}

/// What became of the wait for a lease.
#[derive(Debug)]
pub enum Acquired {
    /// The lease is held here, until it is released or dropped.
    Held(Box<dyn HeldLease>),
    /// A holder elsewhere has published; the shared tier is worth another look.
    Published,
    /// What it is for is known to be too large to be shared: everybody makes their own.
    Exempt,
}

/// What has become of what a lease was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Released {
    /// The shared tier has it.
    Published,
    /// It does not.
    GivenUp,
}

/// A lease that is held here, renewed by itself.
///
/// Dropping it leaves it to run out; releasing it lets the next one in at once.
pub trait HeldLease: Debug + Send + Sync {
    /// Gives the lease back, after what it was for has been published, or given up.
    fn release(self: Box<Self>, released: Released) -> BoxFuture<'static, ()>;
}
