//! What a flight brings, and what that makes of each request that took part in it.

use std::sync::Arc;
use std::time::Duration;

use crate::backend::Freshness;
use crate::entry::Stored;
use crate::error::Result;
use crate::outcome::Outcome;

/// Which part a request had in its flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Leader,
    Follower,
}

/// What a flight brings to all who wait for it.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) stored: Arc<dyn Stored>,
    pub(crate) source: Source,
    pub(crate) queue: Duration,
    pub(crate) generate: Duration,
}

/// Where a flight's result came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A tier had it.
    Tier(&'static str),
    /// Another variant of it was in the cache.
    Derived,
    /// It was generated for this flight.
    Generated { is_stored: bool },
    /// It is what somebody else generated, or is derived from that; it was waited for.
    GeneratedElsewhere,
}

impl Published {
    pub(crate) fn found(stored: Arc<dyn Stored>, tier: &'static str) -> Self {
        let source = Source::Tier(tier);
        Self { stored, source, queue: Duration::ZERO, generate: Duration::ZERO }
    }
}

impl Role {
    /// Returns whether a flight's result answers a request with this role. One that wants a fresh
    /// result is not answered by what somebody else found in a tier, and nobody by somebody else's
    /// quota, or credentials.
    pub(crate) fn accepts(self, freshness: Freshness, result: &Result<Published>) -> bool {
        let is_cached =
            |published: &Published| matches!(published.source, Source::Tier(_) | Source::Derived);
        match result {
            _ if self == Self::Leader => true,
            Ok(published) => freshness != Freshness::Refresh || !is_cached(published),
            Err(error) => !error.kind().is_of_one_caller(),
        }
    }

    /// Says how a request with this role was answered; `source` is `None` for a failure.
    pub(crate) fn outcome(self, freshness: Freshness, source: Option<Source>) -> Outcome {
        let is_stored = source == Some(Source::Generated { is_stored: true });
        match (self, source) {
            _ if matches!(freshness, Freshness::Bypass | Freshness::Refresh) => {
                Outcome::Bypass { is_stored }
            }
            (_, Some(Source::Tier(tier))) => Outcome::Hit { tier },
            (_, Some(Source::Derived)) => Outcome::Derived,
            (_, None) if freshness == Freshness::OnlyIfCached => Outcome::Miss { is_stored },
            (_, Some(Source::GeneratedElsewhere)) | (Self::Follower, _) => Outcome::Coalesced,
            (Self::Leader, _) => Outcome::Miss { is_stored },
        }
    }
}
