//! The engine's behaviours, one file each.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![expect(clippy::disallowed_methods, reason = "a test's tasks end with its runtime")]

mod audience;
mod bounds;
mod conformance;
mod expiry;
mod flow;
mod golden_keys;
mod invalidation;
mod late_writes;
mod lease;
mod listener;
mod model;
mod namespaces;
mod scenarios;
mod script;
mod single_flight;
mod storm;
mod tiers_below;
mod turns;
