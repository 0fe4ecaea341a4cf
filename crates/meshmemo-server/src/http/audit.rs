//! A line for every change: who, from where, what, and how much of it.

use meshmemo::Removed;

use crate::access::Caller;

/// Writes the line of a change, which is told whatever else is not.
pub(super) fn note(caller: &Caller, action: &str, Removed { entries, bytes }: Removed) {
    let who = caller.name();
    let id = caller.key().map_or("-", |key| &key.record.id);
    let from = caller.from.map_or_else(|| "-".to_owned(), |from| from.to_string());
    tracing::info!(target: "meshmemo::audit", who, id, from, action, entries, bytes, "audit");
}
