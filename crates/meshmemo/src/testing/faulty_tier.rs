//! Makes a tier fail, in each way in which tiers fail.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{BoxFuture, pending};
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};

use crate::entry::{Entry, Meta, Stored};
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::scope::Scope;
use crate::selector::Selector;
use crate::sync::Mutex;
use crate::ticket::Ticket;
use crate::tier::{Address, Cursor, Gone, Health, Opened, Page, Put, Tier, TierStatus, Trouble};

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
    /// What is read turns out to be corrupt, half-way.
    Corrupt,
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

    fn remove(&self, selector: Selector) -> BoxFuture<'_, Result<Vec<Gone>>> {
        run(self.next(), self.tier.remove(selector))
    }

    fn list(&self, scope: Scope, cursor: Option<Cursor>) -> BoxFuture<'_, Result<Page>> {
        run(self.next(), self.tier.list(scope, cursor))
    }

    fn touch(&self, key: Key) {
        self.tier.touch(key);
    }

    fn status(&self) -> TierStatus {
        let status = self.tier.status();
        let detail = "the tier was told to fail".to_owned();
        match self.plan.lock().0 {
            Fault::None => status,
            _ => {
                let health = Health::Degraded(Trouble { reason: "told-to-fail", detail });
                TierStatus { health, ..status }
            }
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

    fn piece_bytes(&self) -> Option<u64> {
        self.stored.piece_bytes()
    }

    fn read(&self, range: Range<u64>) -> BoxStream<'static, Result<Bytes>> {
        let fault = self.fault;
        let chunks = self.stored.read(range);
        let half = |chunk: Result<Bytes>| chunk.map(|bytes| bytes.slice(..bytes.len() / 2));
        let then = |error: ErrorKind| {
            stream::iter([Err(Error::new(error, "the tier was told to fail while reading"))])
        };
        match fault {
            Fault::Truncated => chunks.map(half).boxed(),
            Fault::HangingRead => stream::pending().boxed(),
            Fault::ReadError => chunks.map(half).chain(then(ErrorKind::Storage)).boxed(),
            Fault::Corrupt => chunks.map(half).chain(then(ErrorKind::Corrupt)).boxed(),
            _ => chunks,
        }
    }
}
