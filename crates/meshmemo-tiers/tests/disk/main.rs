//! The disk tier's behaviours, one file each, on real files.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod budget;
mod conformance;
mod corruption;
mod durability;
mod failure;
mod fixture;
mod fsck;
mod room;
mod start;
