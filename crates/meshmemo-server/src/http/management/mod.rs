//! The management calls: look at the cache, and change it while it runs.

mod clear;
mod config;
mod entries;
mod stats;

pub(super) use clear::{__path_clear, clear};
pub(super) use config::{__path_change_config, __path_config, change_config, config};
pub(super) use entries::{
    __path_entries, __path_entry, __path_remove_entry, entries, entry, remove_entry,
};
pub(super) use stats::{__path_stats, stats};

/// Bytes in the MB of every `_mb` field.
const MB: f64 = 1_048_576.0;

/// Returns bytes as MB.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 bytes, which is 8 PiB")]
fn mb(bytes: u64) -> f64 {
    bytes as f64 / MB
}
