//! The budget of bodies on their way: uploads being read, and models being sent.
//!
//! What is sent is counted once however many clients it is sent to, since they share its bytes;
//! so that even an entry that was evicted while slow clients still read it is paid for.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use meshmemo::Digest;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What one permit of the semaphore stands for: its count is 32 bits wide.
const UNIT_BYTES: u64 = 1024;

/// A bound on the bytes of all bodies on their way.
#[derive(Debug)]
pub struct BodyBudget {
    units: Arc<Semaphore>,
    units_max: u32,
    sent: Mutex<HashMap<Digest, Weak<Share>>>,
}

/// A part of the budget; dropping it gives it back.
#[derive(Debug)]
pub struct Share {
    permit: OwnedSemaphorePermit,
}

impl BodyBudget {
    /// Makes a budget.
    pub fn new(max_bytes: u64) -> Self {
        let units_max = units(max_bytes);
        let units = Arc::new(Semaphore::new(units_max as usize));
        Self { units, units_max, sent: Mutex::default() }
    }

    /// Takes a part for a body that is read; `None` if there is not that much left.
    pub fn take(&self, bytes: u64) -> Option<Share> {
        // A body larger than the whole budget may be alone on its way.
        let units = units(bytes).min(self.units_max);
        let permit = Arc::clone(&self.units).try_acquire_many_owned(units).ok()?;
        Some(Share { permit })
    }

    /// Adds to a part as its body grows to so many bytes; returns whether there was that much left.
    #[must_use]
    pub fn grow_to(&self, share: &mut Share, bytes: u64) -> bool {
        let wanted = units(bytes).min(self.units_max) as usize;
        let more = wanted.saturating_sub(share.permit.num_permits());
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        match Arc::clone(&self.units).try_acquire_many_owned(more) {
            Ok(more) => {
                share.permit.merge(more);
                true
            }
            Err(_) => false,
        }
    }

    /// Takes a part for a body that is sent, or shares the part of those it is being sent to.
    pub fn share(&self, digest: Digest, bytes: u64) -> Option<Arc<Share>> {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = sent.get(&digest).and_then(Weak::upgrade) {
            return Some(share);
        }
        sent.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(self.take(bytes)?);
        sent.insert(digest, Arc::downgrade(&share));
        Some(share)
    }

    /// Returns the bytes on their way, rounded up to KiB for each body.
    pub fn bytes(&self) -> u64 {
        (u64::from(self.units_max) - self.units.available_permits() as u64) * UNIT_BYTES
    }
}

impl Share {
    /// Gives back all but so much.
    pub fn shrink_to(&mut self, bytes: u64) {
        let more = self.permit.num_permits().saturating_sub(units(bytes) as usize);
        drop(self.permit.split(more));
    }
}

impl BodyBudget {
    /// Binds a part to the bytes it was taken for: it comes back when the last of them is dropped.
    pub fn hold(bytes: Bytes, share: impl Deref<Target = Share> + Send + 'static) -> Bytes {
        Bytes::from_owner(Held { bytes, _share: share })
    }
}

/// Bytes with their part of the budget.
struct Held<S> {
    bytes: Bytes,
    _share: S,
}

impl<S> AsRef<[u8]> for Held<S> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_a_bound_and_comes_back() {
        let budget = BodyBudget::new(10 << 10);
        let mut upload = budget.take(2 << 10).unwrap();
        assert!(budget.grow_to(&mut upload, 6 << 10));
        assert!(!budget.grow_to(&mut upload, 11 << 10) || budget.bytes() == 10 << 10);
        upload.shrink_to(6 << 10);
        assert!(budget.take(5 << 10).is_none());
        // Many small pieces take no more than one large one.
        assert!((0..6 << 10).all(|bytes| budget.grow_to(&mut upload, bytes)));
        assert_eq!(budget.bytes(), 6 << 10);
        upload.shrink_to(3 << 10);
        assert_eq!(budget.bytes(), 3 << 10);
        upload.shrink_to(8 << 10);
        assert_eq!(budget.bytes(), 3 << 10, "it does not grow by that");
        drop(upload);
        assert!(budget.take(100 << 10).is_some(), "alone on its way");
        assert_eq!(budget.bytes(), 0);
    }

    #[test]
    fn one_model_sent_to_many_counts_once() {
        let budget = BodyBudget::new(10 << 10);
        let digest = Digest::of(b"model");
        let clients: Vec<_> = (0..5).map(|_| budget.share(digest, 6 << 10)).collect();
        assert!(clients.iter().all(Option::is_some));
        assert_eq!(budget.bytes(), 6 << 10);
        assert!(budget.share(Digest::of(b"other"), 6 << 10).is_none());
        drop(clients);
        assert!(budget.share(Digest::of(b"other"), 6 << 10).is_some());
    }
}
