//! How often somebody was refused, by why.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why somebody was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A key was needed, and none was sent.
    MissingKey,
    /// The key that was sent does not hold.
    WrongKey,
    /// The key does not allow it.
    Forbidden,
    /// The key has used up its requests.
    RateLimit,
    /// The key has as many generations under way as it may have.
    Queue,
    /// A page from elsewhere may have sent it.
    Origin,
    /// The address is not one that may come.
    Address,
}

impl Refusal {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::MissingKey,
        Self::WrongKey,
        Self::Forbidden,
        Self::RateLimit,
        Self::Queue,
        Self::Origin,
        Self::Address,
    ];

    /// Returns the name as metrics show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MissingKey => "missing-key",
            Self::WrongKey => "wrong-key",
            Self::Forbidden => "forbidden",
            Self::RateLimit => "rate-limit",
            Self::Queue => "queue",
            Self::Origin => "origin",
            Self::Address => "address",
        }
    }
}

/// The counters of all reasons.
#[derive(Debug, Default)]
pub struct Refusals([AtomicU64; Refusal::ALL.len()]);

impl Refusals {
    /// Counts one.
    pub fn count(&self, refusal: Refusal) {
        self.0[refusal as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how many there were.
    pub fn of(&self, refusal: Refusal) -> u64 {
        self.0[refusal as usize].load(Ordering::Relaxed)
    }
}
