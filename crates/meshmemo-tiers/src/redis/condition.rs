//! How the shared tier is, as its last operations have found it.

use meshmemo::{Health, Trouble};

use super::failure::Failure;

/// What an operation was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Read,
    Write,
}

/// How the shared tier is.
#[derive(Debug, Default)]
pub(super) struct Condition {
    reads: Option<Trouble>,
    writes: Option<Trouble>,
    /// Removals that were made here and are not known elsewhere yet.
    pub(super) removals_waiting: Option<Trouble>,
    /// Why removals that are made elsewhere are not seen here.
    pub(super) removals_unseen: Option<Trouble>,
    /// Removals that were made elsewhere and may not be known here.
    pub(super) removals_lost: Option<Trouble>,
}

impl Condition {
    /// Learns from the end of an operation; says what is new.
    pub(super) fn note(&mut self, what: Use, failure: Option<&Failure>) {
        let was = self.reason();
        let trouble = failure.map(Failure::trouble);
        match (what, failure) {
            (Use::Read, _) => self.reads = trouble,
            // Where there is no connection, nothing can be read either.
            (Use::Write, Some(failure)) if failure.ends_connection && !failure.is_of_writes() => {
                (self.reads, self.writes) = (trouble.clone(), trouble);
            }
            (Use::Write, Some(_)) => self.writes = trouble,
            (Use::Write, None) => (self.reads, self.writes) = (None, None),
        }
        match (was, self.reason()) {
            (before, now) if before == now => {}
            (_, None) => tracing::info!("the shared tier is well"),
            (_, Some(reason)) => {
                let detail = self.trouble().map(|trouble| trouble.detail.clone());
                let detail = detail.unwrap_or_default();
                tracing::warn!(reason, detail, "the shared tier is in trouble");
            }
        }
    }

    /// Returns whether what was last read and written could be.
    pub(super) fn is_well(&self) -> bool {
        self.trouble().is_none()
    }

    fn trouble(&self) -> Option<&Trouble> {
        self.reads.as_ref().or(self.writes.as_ref())
    }

    fn reason(&self) -> Option<&'static str> {
        self.trouble().map(|trouble| trouble.reason)
    }

    pub(super) fn health(&self) -> Health {
        let Self { writes, removals_waiting, removals_unseen, removals_lost, .. } = self;
        let lesser = [writes, removals_unseen, removals_waiting, removals_lost];
        match (&self.reads, lesser.into_iter().flatten().next()) {
            (Some(trouble), _) => Health::Down(trouble.clone()),
            (None, Some(trouble)) => Health::Degraded(trouble.clone()),
            (None, None) => Health::Ok,
        }
    }
}
