//! The shared tier's behaviours, one file each, on real servers.

mod conformance;
