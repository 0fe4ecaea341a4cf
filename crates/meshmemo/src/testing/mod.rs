//! What tests of the engine and of every tier are made of.
//!
//! [`conformance`] is the suite that every tier passes; [`FaultyTier`] makes any tier fail;
//! [`MemoryTier`] is the simplest tier there is; [`ModelCache`] is the sequential oracle of
//! [`Cache`](crate::Cache); [`ManualClock`] turns time by hand; [`TokioSpawn`] runs tasks.

mod conformance;
mod faulty_tier;
mod manual_clock;
mod memory_tier;
mod model_cache;
mod tokio_spawn;

pub use conformance::{
    ENTRY_MAX_BYTES, ENTRY_REFUSED_BYTES, MakeTier, conformance, entry, entry_of,
};
pub use faulty_tier::{Fault, FaultyTier};
pub use manual_clock::ManualClock;
pub use memory_tier::MemoryTier;
pub use model_cache::{ModelCache, ModelEntry};
pub use tokio_spawn::TokioSpawn;
