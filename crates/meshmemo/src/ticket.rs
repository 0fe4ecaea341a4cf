//! The right of a piece of work to publish what it made, until a removal takes it away.
//!
//! A removal first takes the right away from all work it concerns, and until it has ended none is
//! given for what it concerns; a publication checks its ticket under the lock of the index it
//! publishes to. In either order the removal wins.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::key::{Identity, Key};
use crate::selector::Selector;
use crate::sync::Mutex;

/// The right to publish; clones share it. It is within reach of removals for as long as any clone
/// lives: a write that goes on after nobody waits for it is reached too.
#[derive(Debug, Clone)]
pub struct Ticket {
    is_valid: Arc<AtomicBool>,
    _registration: Option<Arc<Registration>>,
}

impl Ticket {
    /// Issues a valid ticket.
    pub fn new() -> Self {
        Self { is_valid: Arc::new(AtomicBool::new(true)), _registration: None }
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

/// The tickets of work that may still publish to some tier, and the removals that run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tickets {
    live: Arc<Mutex<Live>>,
}

#[derive(Debug, Default)]
struct Live {
    holders: HashMap<Key, Vec<Holder>>,
    removals: Vec<(u64, Selector)>,
    last_removal: u64,
}

/// A ticket, and what removals may go by besides its key.
#[derive(Debug)]
struct Holder {
    is_valid: Arc<AtomicBool>,
    subject: Option<Subject>,
}

/// What is known of an entry before there is one.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) identity: Arc<Identity>,
    pub(crate) label: String,
}

impl Tickets {
    /// Brings `ticket` within reach of removals. Of work without a subject, every filter may mean
    /// it. If a removal that concerns it runs now, the right is taken away at once.
    pub(crate) fn register(&self, key: Key, subject: Option<Subject>, ticket: &Ticket) -> Ticket {
        let is_valid = Arc::clone(&ticket.is_valid);
        let holder = Holder { is_valid: Arc::clone(&is_valid), subject };
        let mut live = self.live.lock();
        if live.removals.iter().any(|(_, selector)| holder.is_concerned(&key, selector)) {
            ticket.invalidate();
        }
        live.holders.entry(key).or_default().push(holder);
        drop(live);
        let registration =
            Registration { live: Arc::clone(&self.live), key, is_valid: Arc::clone(&is_valid) };
        Ticket { is_valid, _registration: Some(Arc::new(registration)) }
    }

    /// Lets a removal run: until it is dropped, work that begins on what it removes may not publish.
    pub(crate) fn begin_removal(&self, selector: &Selector) -> Removing {
        let mut live = self.live.lock();
        live.last_removal += 1;
        let id = live.last_removal;
        live.removals.push((id, selector.clone()));
        Removing { live: Arc::clone(&self.live), id }
    }

    /// Takes the right to publish from all work that may bring back what `selector` selects;
    /// returns the keys it works on.
    pub(crate) fn invalidate(&self, selector: &Selector) -> Vec<Key> {
        let live = self.live.lock();
        let mut keys = Vec::new();
        for (key, holders) in &live.holders {
            for holder in holders.iter().filter(|holder| holder.is_concerned(key, selector)) {
                holder.is_valid.store(false, Ordering::Release);
                keys.push(*key);
            }
        }
        keys
    }
}

impl Holder {
    fn is_concerned(&self, key: &Key, selector: &Selector) -> bool {
        match (&self.subject, selector) {
            (Some(Subject { identity, label }), _) => selector.concerns(key, identity, label),
            (None, Selector::Matching(_)) => true,
            (None, _) => selector.concerns(key, &Identity::default(), ""),
        }
    }
}

/// Keeps a ticket within reach of removals.
#[derive(Debug)]
struct Registration {
    live: Arc<Mutex<Live>>,
    key: Key,
    is_valid: Arc<AtomicBool>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut live = self.live.lock();
        if let Some(holders) = live.holders.get_mut(&self.key) {
            holders.retain(|holder| !Arc::ptr_eq(&holder.is_valid, &self.is_valid));
            if holders.is_empty() {
                live.holders.remove(&self.key);
            }
        }
    }
}

/// A removal that runs.
#[derive(Debug)]
pub(crate) struct Removing {
    live: Arc<Mutex<Live>>,
    id: u64,
}

impl Drop for Removing {
    fn drop(&mut self) {
        self.live.lock().removals.retain(|(id, _)| *id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> Key {
        Key::from_bytes([n; 32])
    }

    #[test]
    fn a_ticket_is_within_reach_until_its_last_clone_is_gone() {
        let tickets = Tickets::default();
        let plain = Ticket::new();
        let registered = tickets.register(key(1), None, &plain);
        let of_a_write = registered.clone();
        drop(registered);
        assert_eq!(tickets.invalidate(&Selector::Key(key(1))), [key(1)]);
        assert!(!of_a_write.is_valid() && !plain.is_valid());
        drop(of_a_write);
        assert_eq!(tickets.invalidate(&Selector::All), []);
    }

    #[test]
    fn no_right_is_given_to_what_a_running_removal_concerns() {
        let tickets = Tickets::default();
        let removing = tickets.begin_removal(&Selector::Key(key(1)));
        assert!(!tickets.register(key(1), None, &Ticket::new()).is_valid());
        assert!(tickets.register(key(2), None, &Ticket::new()).is_valid());
        drop(removing);
        assert!(tickets.register(key(1), None, &Ticket::new()).is_valid());
    }
}
