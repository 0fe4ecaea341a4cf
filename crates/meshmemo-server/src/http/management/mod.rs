//! The management calls: look at the cache, and change it while it runs.

mod clear;
mod config;
mod entries;
mod purge;
mod stats;
mod warm;

use meshmemo::{Removal, Removed};
use serde_json::Value;

use super::problem::Problem;

pub(super) use clear::{__path_clear, clear};
pub(super) use config::{__path_change_config, __path_config, change_config, config};
pub(super) use entries::{
    __path_entries, __path_entry, __path_remove_entry, entries, entry, remove_entry,
};
pub(super) use purge::{__path_purge, purge};
pub(super) use stats::{__path_stats, stats};
pub(super) use warm::{__path_warm, warm};

/// Bytes in the MB of every `_mb` field.
const MB: f64 = 1_048_576.0;

/// Returns bytes as MB.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 bytes, which is 8 PiB")]
fn mb(bytes: u64) -> f64 {
    bytes as f64 / MB
}

/// Says which field has which value, and what it may be.
fn invalid(name: &str, value: &Value, range: &str) -> Problem {
    let value: String = value.to_string().chars().take(80).collect();
    Problem::bad_request(format!("`{name}` is {value}, but must be {range}"))
}

/// Returns what was removed, if every tier could remove it.
fn succeed(removal: &Removal) -> Result<Removed, Problem> {
    if removal.failures.is_empty() {
        return Ok(removal.removed);
    }
    let told = |(place, error): &(&str, meshmemo::Error)| match *place {
        "peers" => {
            format!("other gateways are told when the shared tier can be reached again ({error})")
        }
        tier => format!("the tier `{tier}` could not remove what it holds: {error}"),
    };
    let detail = removal.failures.iter().map(told).collect::<Vec<_>>().join("; ");
    Err(Problem::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, detail))
}
