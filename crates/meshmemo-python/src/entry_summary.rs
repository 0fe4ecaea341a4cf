//! What `get_entries_summary()` says of an entry.

use std::time::Duration;

use meshmemo::EntryInfo;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyInt, PyString};

use crate::key::Key;
use crate::limits::to_mb;
use crate::lru_cache::Value;

/// Describes an entry; `now` is wall time.
pub(crate) fn summary<'py>(
    py: Python<'py>,
    entry: &EntryInfo<Key, Value>,
    now: Duration,
) -> PyResult<Bound<'py, PyDict>> {
    let summary = PyDict::new(py);
    summary.set_item("key", shown(entry.key.object.bind(py)))?;
    summary.set_item("size_mb", to_mb(entry.bytes))?;
    summary.set_item("timestamp", now.saturating_sub(entry.age).as_secs_f64())?;
    summary.set_item("age_seconds", entry.age.as_secs_f64())?;
    summary.set_item("access_count", entry.access_count)?;
    summary.set_item("cost_seconds", entry.cost_seconds)?;
    summary.set_item("expires_at", entry.ttl.map(|ttl| (now + ttl).as_secs_f64()))?;
    // An entry whose time is over has left.
    summary.set_item("expired", false)?;
    Ok(summary)
}

/// Returns a key as JSON can say it: text, a number or nothing as it is, all else as its `repr()`.
#[pyfunction]
pub(crate) fn shown<'py>(key: &Bound<'py, PyAny>) -> Bound<'py, PyAny> {
    let is_said = match () {
        () if key.is_instance_of::<PyString>() => true,
        () if key.is_instance_of::<PyFloat>() => key.extract().is_ok_and(f64::is_finite),
        () if key.is_instance_of::<PyInt>() => key.extract::<i64>().is_ok(),
        () => key.is_none(),
    };
    if is_said {
        return key.clone();
    }
    let class = || PyString::new(key.py(), &format!("<{}>", key.get_type()));
    key.repr().unwrap_or_else(|_| class()).into_any()
}
