//! The right of a piece of work to publish what it made, until a removal takes it away.
//!
//! A removal first invalidates the tickets it concerns and then removes; a publication checks its
//! ticket under the lock of the index it publishes to. In either order the removal wins.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::key::{Identity, Key};
use crate::selector::Selector;
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
    live: Arc<Mutex<HashMap<Key, Vec<Holder>>>>,
}

/// A ticket, and what removals may go by besides its key.
#[derive(Debug)]
struct Holder {
    ticket: Ticket,
    subject: Option<Subject>,
}

/// What is known of an entry before there is one.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) identity: Arc<Identity>,
    pub(crate) label: String,
}

impl Tickets {
    /// Lets removals reach `ticket` for as long as the registration lives. Of work without a
    /// subject, every filter may mean it.
    pub(crate) fn register(
        &self,
        key: Key,
        subject: Option<Subject>,
        ticket: Ticket,
    ) -> Registration {
        let holder = Holder { ticket: ticket.clone(), subject };
        self.live.lock().entry(key).or_default().push(holder);
        Registration { live: Arc::clone(&self.live), key, ticket }
    }

    /// Takes the right to publish from all work that may bring back what `selector` selects;
    /// returns the keys it works on.
    pub(crate) fn invalidate(&self, selector: &Selector) -> Vec<Key> {
        let live = self.live.lock();
        let concerned = |key: &Key, holder: &Holder| match (&holder.subject, selector) {
            (None, Selector::Matching(_)) => true,
            (None, _) => selector.concerns(key, "", ""),
            (Some(subject), _) => {
                selector.concerns(key, &subject.identity.model_id, &subject.label)
            }
        };
        let mut keys = Vec::new();
        for (key, holders) in &*live {
            for holder in holders.iter().filter(|holder| concerned(key, holder)) {
                holder.ticket.invalidate();
                keys.push(*key);
            }
        }
        keys
    }
}

/// Keeps a ticket within reach of removals.
#[derive(Debug)]
pub(crate) struct Registration {
    live: Arc<Mutex<HashMap<Key, Vec<Holder>>>>,
    key: Key,
    ticket: Ticket,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut live = self.live.lock();
        if let Some(holders) = live.get_mut(&self.key) {
            let is_own = |ticket: &Ticket| Arc::ptr_eq(&ticket.is_valid, &self.ticket.is_valid);
            holders.retain(|holder| !is_own(&holder.ticket));
            if holders.is_empty() {
                live.remove(&self.key);
            }
        }
    }
}
