//! What a leader does after the answer is out: the writes that nobody waits for, then the lease.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::{BoxFuture, join, join_all};

use crate::entry::{Entry, Stored};
use crate::guarded_tier::GuardedTier;
use crate::lease::HeldLease;
use crate::limits::{TIER_WRITE_MAX, WRITES_BEHIND_MAX};
use crate::result_cache::ResultCache;
use crate::ticket::Ticket;

/// What a leader does after the answer is out.
#[derive(Default)]
pub(crate) struct Afterwards {
    pub(crate) writes: Vec<(Arc<Entry>, Arc<GuardedTier>)>,
    pub(crate) unfinished: Vec<BoxFuture<'static, bool>>,
    pub(crate) lease: Option<Box<dyn HeldLease>>,
}

impl ResultCache {
    pub(crate) async fn finish(&self, afterwards: Afterwards, ticket: &Ticket) {
        let Afterwards { writes, unfinished, lease } = afterwards;
        let publish_and_release = async {
            if !writes.is_empty() {
                self.write_behind(writes, ticket, lease.is_some()).await;
            }
            if let Some(lease) = lease {
                self.bounded(TIER_WRITE_MAX, lease.release()).await;
            }
        };
        join(join_all(unfinished), publish_and_release).await;
    }

    /// Writes to the tiers that the answer did not wait for, unless too many leaders are at it.
    async fn write_behind(
        &self,
        writes: Vec<(Arc<Entry>, Arc<GuardedTier>)>,
        ticket: &Ticket,
        is_leased: bool,
    ) {
        // Who holds a lease publishes whatever else is going on: others wait for it.
        let writer = Writer::admit(&self.inner.writes_behind);
        if writer.is_none() && !is_leased {
            for (entry, _) in &writes {
                let namespace = &entry.meta().identity.namespace;
                self.count(namespace, |stats| stats.writes_dropped += 1);
            }
            return;
        }
        for (entry, tier) in writes {
            tier.put(entry, ticket.clone()).await;
        }
    }
}

/// A place among those who write behind their answers.
struct Writer<'a> {
    writers: &'a AtomicUsize,
}

impl<'a> Writer<'a> {
    fn admit(writers: &'a AtomicUsize) -> Option<Self> {
        let writer = Self { writers };
        (writers.fetch_add(1, Ordering::AcqRel) < WRITES_BEHIND_MAX).then_some(writer)
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        self.writers.fetch_sub(1, Ordering::AcqRel);
    }
}
