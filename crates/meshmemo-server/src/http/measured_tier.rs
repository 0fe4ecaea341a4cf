//! A tier whose operations are timed for the metrics.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use meshmemo::{
    Address, Clock, Cursor, Entry, Gone, Key, Opened, Page, Put, Result, Scope, Selector, Ticket,
    Tier, TierStatus,
};

use super::metrics::Metrics;

/// Times the operations of a tier.
#[derive(Debug)]
pub struct MeasuredTier {
    name: &'static str,
    tier: Arc<dyn Tier>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

impl MeasuredTier {
    /// Wraps a tier, which metrics call `name`.
    pub fn new(
        name: &'static str,
        tier: Arc<dyn Tier>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { name, tier, clock, metrics }
    }

    fn time<'a, T: Send + 'a>(
        &'a self,
        operation: &'static str,
        work: BoxFuture<'a, Result<T>>,
    ) -> BoxFuture<'a, Result<T>> {
        async move {
            let started_at = self.clock.now();
            let result = work.await;
            let took = self.clock.now().saturating_sub(started_at);
            self.metrics.observe_tier(self.name, operation, took);
            result
        }
        .boxed()
    }
}

#[deny(clippy::missing_trait_methods)]
impl Tier for MeasuredTier {
    fn open(&self, address: Address) -> BoxFuture<'_, Result<Opened>> {
        self.time("open", self.tier.open(address))
    }

    fn put(&self, entry: Arc<Entry>, ticket: Ticket) -> BoxFuture<'_, Result<Put>> {
        self.time("put", self.tier.put(entry, ticket))
    }

    fn remove(&self, selector: Selector) -> BoxFuture<'_, Result<Vec<Gone>>> {
        self.time("remove", self.tier.remove(selector))
    }

    fn list(&self, scope: Scope, cursor: Option<Cursor>) -> BoxFuture<'_, Result<Page>> {
        self.time("list", self.tier.list(scope, cursor))
    }

    fn touch(&self, key: Key) {
        self.tier.touch(key);
    }

    fn status(&self) -> TierStatus {
        self.tier.status()
    }
}
