//! The engine of meshmemo: generate once, serve for ever.
//!
//! [`Cache`] is an exact, bounded, in-process cache with single-flight. [`ResultCache`] is built on
//! it: it keeps the results of expensive generations in memory and in lower tiers, and generates
//! what none of them has. No network, no files, no images: those live in the crates around it.
//!
//! # The flow of one request
//!
//! [`ResultCache::get_or_generate`] walks these steps, in this order and in these files:
//!
//! 1. `key.rs`: the request's [`Identity`] becomes a [`GenerationKey`], and with the variant a
//!    [`Key`];
//! 2. `result_cache.rs`: memory;
//! 3. `flight.rs`: of all who ask for a key at the same time one leads, the others wait;
//! 4. `leader.rs`: the leader's part, as a task of its own ([`Spawn`]): the lower tiers
//!    ([`Tier`]), the lease ([`Lease`]), the work itself ([`Generation`], in `making.rs`), its
//!    validation, and the store;
//! 5. `outcome.rs`: what that makes of this request ([`Outcome`]), counted once.

#![forbid(unsafe_code)]

mod result_cache;
mod leader;
mod making;
mod afterwards;
mod published;
mod cache;
mod memory;
mod flight;
mod audience;
mod probe;
mod ticket;
mod tier;
mod guarded_tier;
mod breaker;
mod lease;
mod peers;
mod slots;
mod records;
mod spawn;
mod backend;
mod outcome;
mod entry;
mod summary;
mod scope;
mod selector;
mod digest_index;
mod key;
mod limits;
mod stats;
mod result_stats;
mod clock;
mod error;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;

pub use audience::{Audience, Progress};
pub use backend::{Derived, Freshness, Generated, Generation, Request, Variants};
pub use breaker::Breaker;
pub use cache::{
    Builder, Cache, EntryInfo, EntryOptions, Follow, InsertOutcome, Landed, Lead, Missing, Policy,
    Removed, Turn,
};
pub use clock::{Clock, SystemClock};
pub use digest_index::DigestIndex;
pub use entry::{Entry, Head, Meta, Stored, read_entry};
pub use error::{Error, ErrorKind, Result};
pub use guarded_tier::TierStats;
pub use key::{Digest, GenerationKey, Identity, Key, Value};
pub use lease::{Acquired, HeldLease, Lease, Released};
pub use limits::Limits;
pub use memory::{Charge, Departed, ExactLru, Holding, NoRoom, Slot, SlotIndex};
pub use outcome::{Outcome, Served, Timings};
pub use peers::Peers;
pub use probe::Probe;
pub use records::{Records, SharedRecord};
pub use result_cache::{
    Listing, Removal, ResultCache, ResultCacheBuilder, TierReport, Warm, Warmed,
};
pub use result_stats::{NamespaceStats, RequestStats, ResultStats};
pub use scope::Scope;
pub use selector::{Filter, Selector};
pub use slots::{HeldSlot, Slots, TakenSlot, Wanted};
pub use spawn::Spawn;
pub use stats::{Cause, Removals, Stats};
pub use summary::{Listed, Summary};
pub use ticket::Ticket;
pub use tier::{
    Address, Cursor, Gone, Health, MissReason, Mode, Opened, Page, Put, Tier, TierOptions,
    TierStatus, Trouble, Usage, Writing,
};
