//! Where results are kept besides memory.
//!
//! [`Disk`] keeps each entry in one file that describes itself ([`envelope`]), survives `kill -9` at
//! any moment, and serves nothing that it has not verified. [`fsck`] verifies all of it at once.

#![forbid(unsafe_code)]

pub mod envelope;
mod disk;
mod limits;

pub use disk::{
    Disk, DiskOptions, Durability, FsckOptions, FsckProgress, FsckReport, Holder, OpenError, fsck,
    holder,
};
#[cfg(feature = "testing")]
pub use disk::{Faults, Op};
