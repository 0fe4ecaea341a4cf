//! What a leader does after the answer is out: the writes that nobody waits for, then the lease, then
//! what others are to know.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use futures_util::future::{BoxFuture, join, join_all};

use crate::entry::{Entry, Stored};
use crate::guarded_tier::GuardedTier;
use crate::lease::{HeldLease, Released};
use crate::limits::{TIER_WRITE_MAX, WRITES_BEHIND_MAX, WRITES_BEHIND_MAX_BYTES};
use crate::result_cache::ResultCache;
use crate::selector::{Filter, Selector};
use crate::ticket::Ticket;

/// What a leader does after the answer is out.
#[derive(Default)]
pub(crate) struct Afterwards {
    pub(crate) writes: Vec<(Arc<Entry>, Arc<GuardedTier>)>,
    pub(crate) unfinished: Vec<BoxFuture<'static, bool>>,
    pub(crate) lease: Option<Box<dyn HeldLease>>,
    pub(crate) replaced: Option<Filter>,
}

impl ResultCache {
    pub(crate) async fn finish(&self, afterwards: Afterwards, ticket: &Ticket) {
        let Afterwards { writes, unfinished, lease, replaced } = afterwards;
        let publish_and_release = async {
            let are_kept =
                self.write_behind(writes, ticket, (lease.is_some(), replaced.as_ref())).await;
            let released = if are_kept { Released::Published } else { Released::GivenUp };
            if let Some(lease) = lease {
                self.bounded(TIER_WRITE_MAX, lease.release(released)).await;
            }
        };
        join(join_all(unfinished), publish_and_release).await;
        if let Some(replaced) = replaced {
            // Who is not told serves the old one for as long as it has it.
            let _told = self.announce(&Selector::Matching(replaced)).await;
        }
    }

    /// Writes to the tiers that the answer did not wait for, unless too many leaders are at it, or with
    /// too many bytes; returns whether all of them have it now.
    async fn write_behind(
        &self,
        writes: Vec<(Arc<Entry>, Arc<GuardedTier>)>,
        ticket: &Ticket,
        (is_leased, replaced): (bool, Option<&Filter>),
    ) -> bool {
        let Some((first, _)) = writes.first() else { return false };
        let (writer, has_room) = Writer::add(&self.inner.writing_behind, first.meta().size_bytes);
        // Who holds a lease publishes whatever else is going on: others wait for it.
        if !has_room && !is_leased {
            for (entry, tier) in &writes {
                let namespace = &entry.meta().identity.namespace;
                self.count(namespace, |stats| stats.writes_dropped += 1);
                remove_replaced(tier, replaced).await;
            }
            return false;
        }
        let mut are_all_kept = true;
        for (entry, tier) in writes {
            let is_kept = tier.put(entry, ticket.clone()).await;
            if !is_kept {
                remove_replaced(&tier, replaced).await;
            }
            are_all_kept &= is_kept;
        }
        drop(writer);
        are_all_kept
    }

    /// Returns how many results are on their way to tiers that no answer waits for.
    pub fn writing_behind(&self) -> usize {
        self.inner.writing_behind.writers.load(Ordering::Acquire)
    }
}

/// Takes away what a tier has of what was to be replaced there: or the old one would come back from it.
async fn remove_replaced(tier: &GuardedTier, replaced: Option<&Filter>) {
    if let Some(replaced) = replaced {
        let _counted = tier.remove(Selector::Matching(replaced.clone())).await;
    }
}

/// Those who write behind their answers, and what they hold.
#[derive(Debug, Default)]
pub(crate) struct WritingBehind {
    writers: AtomicUsize,
    bytes: AtomicU64,
}

/// One of those who write behind their answers.
struct Writer<'a> {
    all: &'a WritingBehind,
    bytes: u64,
}

impl<'a> Writer<'a> {
    /// Adds one; says whether there was room.
    fn add(all: &'a WritingBehind, bytes: u64) -> (Self, bool) {
        let writers = all.writers.fetch_add(1, Ordering::AcqRel);
        let held_bytes = all.bytes.fetch_add(bytes, Ordering::AcqRel);
        let has_room = writers < WRITES_BEHIND_MAX && held_bytes < WRITES_BEHIND_MAX_BYTES;
        (Self { all, bytes }, has_room)
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        self.all.writers.fetch_sub(1, Ordering::AcqRel);
        self.all.bytes.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}
