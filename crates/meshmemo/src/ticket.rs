//! The right of a piece of work to publish what it made, until a removal takes it away.
//!
//! A removal first invalidates the tickets it concerns and then removes; a publication checks its
//! ticket under the lock of the index it publishes to. In either order the removal wins.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::key::Key;
use crate::sync::Mutex;

/// The right to publish; clones share it.
#[derive(Debug, Clone)]
pub struct Ticket {
    is_valid: Arc<AtomicBool>,
}

impl Ticket {
    /// Issues a valid ticket.
    pub fn new() -> Self {
        Self { is_valid: Arc::new(AtomicBool::new(true)) }
    }

    /// Returns whether the holder may still publish; only an answer read under the lock of the
    /// index that is published to is one to act on.
    pub fn is_valid(&self) -> bool {
        self.is_valid.load(Ordering::Acquire)
    }

    /// Takes the right away.
    pub fn invalidate(&self) {
        self.is_valid.store(false, Ordering::Release);
    }
}

impl Default for Ticket {
    fn default() -> Self {
        Self::new()
    }
}

/// The tickets of work that may still publish to some tier, by key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tickets {
    live: Arc<Mutex<HashMap<Key, Vec<Ticket>>>>,
}

impl Tickets {
    /// Lets removals reach `ticket` for as long as the registration lives.
    pub(crate) fn register(&self, key: Key, ticket: Ticket) -> Registration {
        self.live.lock().entry(key).or_default().push(ticket.clone());
        Registration { live: Arc::clone(&self.live), key, ticket }
    }

    pub(crate) fn invalidate(&self, key: &Key) {
        self.live.lock().get(key).into_iter().flatten().for_each(Ticket::invalidate);
    }

    pub(crate) fn invalidate_all(&self) {
        self.live.lock().values().flatten().for_each(Ticket::invalidate);
    }
}

/// Keeps a ticket within reach of removals.
#[derive(Debug)]
pub(crate) struct Registration {
    live: Arc<Mutex<HashMap<Key, Vec<Ticket>>>>,
    key: Key,
    ticket: Ticket,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut live = self.live.lock();
        if let Some(tickets) = live.get_mut(&self.key) {
            tickets.retain(|ticket| !Arc::ptr_eq(&ticket.is_valid, &self.ticket.is_valid));
            if tickets.is_empty() {
                live.remove(&self.key);
            }
        }
    }
}
