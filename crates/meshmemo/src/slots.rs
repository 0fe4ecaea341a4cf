//! How much is done at a time at each backend, counted among all machines that use it: the trait behind
//! which the shared tier's places stand.

use std::fmt::Debug;

use futures_util::future::BoxFuture;

use crate::error::Result;

/// Counts what is done at each backend among all who share the slots.
pub trait Slots: Debug + Send + Sync {
    /// Waits for a slot at one of the backends that are wanted now; those may be others while it waits, which
    /// costs no place in the line. Whoever waits longest is next; dropping the future leaves the line.
    ///
    /// # Errors
    /// Any; the caller goes on with what it counts alone.
    fn take<'a>(
        &'a self,
        wanted: &'a (dyn Fn() -> Vec<Wanted> + Send + Sync),
    ) -> BoxFuture<'a, Result<TakenSlot>>;
}

/// A backend at which a slot will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What the backend is called by all who use it.
    pub name: String,
    /// How many slots it has.
    pub concurrency: usize,
}

/// A slot that was taken: it is given back when it is dropped, and renewed by itself until then.
#[derive(Debug)]
pub struct TakenSlot {
    /// What the backend is called at which it is.
    pub name: String,
    /// What holds it.
    pub held: Box<dyn HeldSlot>,
}

/// What holds a slot for as long as it lives.
pub trait HeldSlot: Debug + Send + Sync {}
