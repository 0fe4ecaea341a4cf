//! The shared tier's behaviours, one file each, on real servers.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod conformance;
mod corruption;
mod lease;
mod reading;
