//! The process-wide cache of `get_cache()`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;

use crate::limits::{self, Argument};
use crate::lru_cache::LRUCache;

/// Held for a copy or an exchange only: no Python code runs meanwhile.
static CACHE: Mutex<Option<Py<LRUCache>>> = Mutex::new(None);

/// Returns the process-wide cache, which the first call makes with its arguments.
#[pyfunction]
#[pyo3(signature = (
    max_size=Argument::LeftOut,
    max_memory_mb=Argument::LeftOut,
    default_ttl_seconds=Argument::LeftOut,
))]
#[expect(clippy::needless_pass_by_value, reason = "arguments come by value")]
pub(crate) fn get_cache(
    py: Python<'_>,
    max_size: Argument<'_>,
    max_memory_mb: Argument<'_>,
    default_ttl_seconds: Argument<'_>,
) -> PyResult<Py<LRUCache>> {
    if let Some(cache) = cache().clone() {
        return Ok(cache);
    }
    // Made outside of the lock, as its making may run the garbage collector.
    let limits = limits::of_new(&max_size, &max_memory_mb, &default_ttl_seconds)?;
    let made = Py::new(py, LRUCache::with(limits, false))?;
    Ok(cache().get_or_insert(made).clone())
}

/// Forgets the process-wide cache: the next call of `get_cache` makes another one.
#[pyfunction]
pub(crate) fn reset_cache() {
    let cache = cache().take();
    drop(cache);
}

/// Returns the process-wide cache.
pub(crate) fn current(py: Python<'_>) -> PyResult<Py<LRUCache>> {
    get_cache(py, Argument::LeftOut, Argument::LeftOut, Argument::LeftOut)
}

fn cache() -> MutexGuard<'static, Option<Py<LRUCache>>> {
    CACHE.lock().unwrap_or_else(PoisonError::into_inner)
}
