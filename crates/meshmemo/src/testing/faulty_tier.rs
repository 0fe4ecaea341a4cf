//! Makes a tier fail, in each way in which tiers fail.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{BoxFuture, pending};
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};

use crate::cache::Removed;
use crate::entry::{Entry, Meta, Stored};
use crate::error::{Error, ErrorKind, Result};
use crate::sync::Mutex;
use crate::ticket::Ticket;
use crate::tier::{Address, Cursor, Health, Opened, Page, Put, Selector, Tier};

/// In which way a tier fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Not at all.
    None,
    /// Every operation returns an error.
    Error,
    /// No operation ever ends.
    Hang,
    /// Every operation panics.
    Panic,
    /// What is read has a flipped bit.
    FlippedBit,
    /// What is read ends early.
    Truncated,
    /// Reading fails in the middle.
    ReadError,
    /// What is found is never delivered.
    HangingRead,
}

/// Wraps a tier, and lets it fail once a number of operations has gone well.
#[derive(Debug)]
pub struct FaultyTier {
    tier: Arc<dyn Tier>,
    plan: Mutex<(Fault, usize)>,
}

impl FaultyTier {
    /// Wraps a tier that does not fail until [told to](Self::set).
    pub fn new(tier: Arc<dyn Tier>) -> Self {
        Self { tier, plan: Mutex::new((Fault::None, 0)) }
    }

    /// Lets every operation fail that comes after `good_operations` more.
    pub fn set(&self, fault: Fault, good_operations: usize) {
        *self.plan.lock() = (fault, good_operations);
    }

    /// Returns the fault of the operation that begins now.
    fn next(&self) -> Fault {
        let mut plan = self.plan.lock();
        match plan.1.checked_sub(1) {
            Some(left) => {
                plan.1 = left;
                Fault::None
            }
            None => plan.0,
        }
    }
}

/// Runs an operation as the plan wants it.
fn run<'a, T: Send + 'a>(
    fault: Fault,
    operation: BoxFuture<'a, Result<T>>,
) -> BoxFuture<'a, Result<T>> {
    match fault {
        Fault::Error => async { Err(failure()) }.boxed(),
        Fault::Hang => pending().boxed(),
        Fault::Panic => async { panic!("the tier was told to panic") }.boxed(),
        _ => operation,
    }
}

fn failure() -> Error {
    Error::new(ErrorKind::Storage, "the tier was told to fail")
}

#[deny(clippy::missing_trait_methods)]
impl Tier for FaultyTier {
    fn name(&self) -> &'static str {
        self.tier.name()
    }

    fn open(&self, address: Address) -> BoxFuture<'_, Result<Opened>> {
        let fault = self.next();
        let open = async move {
            Ok(match self.tier.open(address).await? {
                Opened::Hit(stored) if fault != Fault::None => {
                    Opened::Hit(Arc::new(FaultyStored { stored, fault }))
                }
                opened => opened,
            })
        };
        run(fault, open.boxed())
    }

    fn put(&self, entry: Arc<Entry>, ticket: Ticket) -> BoxFuture<'_, Result<Put>> {
        run(self.next(), self.tier.put(entry, ticket))
    }

    fn remove(&self, selector: Selector) -> BoxFuture<'_, Result<Removed>> {
        run(self.next(), self.tier.remove(selector))
    }

    fn list(&self, cursor: Option<Cursor>) -> BoxFuture<'_, Result<Page>> {
        run(self.next(), self.tier.list(cursor))
    }

    fn health(&self) -> Health {
        match self.plan.lock().0 {
            Fault::None => self.tier.health(),
            _ => Health::Degraded("the tier was told to fail".to_owned()),
        }
    }
}

#[derive(Debug)]
struct FaultyStored {
    stored: Arc<dyn Stored>,
    fault: Fault,
}

impl Stored for FaultyStored {
    fn meta(&self) -> &Meta {
        self.stored.meta()
    }

    fn read(&self, range: Range<u64>) -> BoxStream<'static, Result<Bytes>> {
        let fault = self.fault;
        let chunks = self.stored.read(range).map(move |chunk| match fault {
            Fault::FlippedBit => chunk.map(|bytes| flip_last_bit(&bytes)),
            Fault::Truncated => chunk.map(|bytes| bytes.slice(..bytes.len() / 2)),
            _ => chunk,
        });
        if fault == Fault::HangingRead {
            return stream::pending().boxed();
        }
        if fault == Fault::ReadError {
            let half = chunks.map(|chunk| chunk.map(|bytes| bytes.slice(..bytes.len() / 2)));
            return half.chain(stream::iter([Err(failure())])).boxed();
        }
        chunks.boxed()
    }
}

fn flip_last_bit(bytes: &Bytes) -> Bytes {
    let mut bytes = bytes.to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    bytes.into()
}
