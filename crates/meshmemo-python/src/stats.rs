//! The counters of a cache as Python reads them: a dictionary of one moment, or a live view.

use meshmemo::{Cause, Limits, Stats};
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyIterator};

use crate::limits::{limit_to_mb, to_mb};
use crate::lru_cache::LRUCache;

/// A live view of a cache's counters: a read-only mapping, and registered as one.
#[pyclass(frozen, mapping, module = "meshmemo._core")]
pub(crate) struct StatsView {
    cache: Py<LRUCache>,
}

impl StatsView {
    pub(crate) fn new(cache: Py<LRUCache>) -> Self {
        Self { cache }
    }

    fn now<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.cache.get().get_stats(py)
    }
}

#[pymethods]
impl StatsView {
    fn __getitem__<'py>(&self, py: Python<'py>, name: &Bound<'py, PyAny>) -> PyResult<Py<PyAny>> {
        let value = self.now(py)?.get_item(name)?;
        value.map(Bound::unbind).ok_or_else(|| PyKeyError::new_err(name.clone().unbind()))
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.now(py)?.len())
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.now(py)?.try_iter()
    }

    fn __contains__(&self, py: Python<'_>, name: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.now(py)?.contains(name)
    }

    #[pyo3(signature = (name, default=None, /))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        name: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.now(py)?.get_item(name)?.or(default))
    }

    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.now(py)?.call_method0("keys")
    }

    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.now(py)?.call_method0("values")
    }

    fn items<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.now(py)?.call_method0("items")
    }

    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.now(py)?.eq(other)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("StatsView({})", self.now(py)?.repr()?))
    }

    fn __traverse__(&self, visit: pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        visit.call(&self.cache)
    }
}

/// Writes all counters, with the limits they are read against.
pub(crate) fn dictionary<'py>(
    py: Python<'py>,
    stats: &Stats,
    limits: Limits,
    listener_errors: u64,
) -> PyResult<Bound<'py, PyDict>> {
    let dictionary = PyDict::new(py);
    let of = |cause| stats.removals.of(cause);
    let max_memory_mb = limit_to_mb(limits.max_bytes);
    for (name, count) in [
        ("hits", stats.hits),
        ("misses", stats.misses),
        ("coalesced", stats.coalesced),
        ("bypasses", stats.bypasses),
        ("inserts", stats.inserts),
        ("rejected", stats.rejections),
        ("evictions", stats.evictions()),
        ("evictions_by_count", of(Cause::SizeCount)),
        ("evictions_by_size", of(Cause::SizeBytes)),
        ("expirations", of(Cause::Expired)),
        ("removals", of(Cause::Removed) + of(Cause::Cleared)),
        ("replacements", of(Cause::Replaced)),
        ("listener_errors", listener_errors),
    ] {
        dictionary.set_item(name, count)?;
    }
    dictionary.set_item("hit_rate_percent", rounded(stats.hit_rate() * 100.0))?;
    dictionary.set_item("current_items", stats.entries)?;
    dictionary.set_item("current_memory_mb", to_mb(stats.bytes))?;
    dictionary.set_item("max_items", limits.max_entries)?;
    dictionary.set_item("max_memory_mb", max_memory_mb)?;
    let used = if max_memory_mb > 0.0 { to_mb(stats.bytes) / max_memory_mb } else { 0.0 };
    dictionary.set_item("memory_utilization_percent", rounded(used * 100.0))?;
    dictionary.set_item("max_memory_seen_mb", to_mb(stats.max_bytes_seen))?;
    Ok(dictionary)
}

/// Percentages are for people: two decimals.
fn rounded(percent: f64) -> f64 {
    (percent * 100.0).round() / 100.0
}
