//! [`Listener`]: whom a cache tells of entries that leave.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use meshmemo::Cause;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

use crate::key::Key;
use crate::lru_cache::Value;

/// The function given as `on_evict`, if any, called outside of every lock. What it raises is counted, and
/// told to `sys.unraisablehook`.
#[derive(Default)]
pub(crate) struct Listener {
    on_evict: Mutex<Option<Py<PyAny>>>,
    errors: AtomicU64,
}

impl Listener {
    /// Tells another function from now on, or nobody.
    pub(crate) fn set(&self, on_evict: Option<Py<PyAny>>) {
        let mut place = self.on_evict.lock().unwrap_or_else(PoisonError::into_inner);
        let replaced = std::mem::replace(&mut *place, on_evict);
        drop(place);
        drop(replaced);
    }

    pub(crate) fn tell(&self, key: &Key, value: &Value, cause: Cause) {
        // A copy, so that the lock is free while Python runs.
        let on_evict = self.on_evict.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(on_evict) = on_evict else { return };
        Python::attach(|py| {
            if let Err(error) = on_evict.call1(py, (&key.object, &value.object, cause.as_str())) {
                self.errors.fetch_add(1, Ordering::Relaxed);
                error.write_unraisable(py, Some(on_evict.bind(py)));
            }
        });
    }

    /// Returns how many calls have raised.
    pub(crate) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    pub(crate) fn reset_errors(&self) {
        self.errors.store(0, Ordering::Relaxed);
    }

    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self.on_evict.try_lock() {
            Ok(on_evict) => visit.call(&*on_evict),
            Err(_) => Ok(()),
        }
    }
}
