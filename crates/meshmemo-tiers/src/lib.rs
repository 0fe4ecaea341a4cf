//! Where results are kept besides memory.
//!
//! [`Disk`] keeps each entry in one file that describes itself ([`envelope`]), survives `kill -9` at
//! any moment, and serves nothing that it has not verified. [`fsck`] verifies all of it at once.
//! [`Redis`] keeps them where other gateways find them too, and lets one of them generate at a time.

#![forbid(unsafe_code)]

pub mod envelope;
mod disk;
mod redis;
mod limits;
#[cfg(feature = "testing")]
pub mod testing;

pub use disk::{
    Disk, DiskOptions, Durability, FsckOptions, FsckProgress, FsckReport, Holder, OpenError, fsck,
    holder,
};
#[cfg(feature = "testing")]
pub use disk::{Faults, Op};
pub use redis::{Redis, RedisOptions, RedisTraffic};
