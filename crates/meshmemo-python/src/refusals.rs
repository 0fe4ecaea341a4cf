//! [`Refusals`]: values that were larger than the whole cache, and what is said of them.

use std::ffi::CString;
use std::sync::atomic::{AtomicBool, Ordering};

use meshmemo::InsertOutcome;
use pyo3::exceptions::PyRuntimeWarning;
use pyo3::prelude::*;

use crate::limits::{limit_to_mb, to_mb};

/// Whether a cache has warned of a value that it refused.
#[derive(Default)]
pub(crate) struct Refusals {
    is_told: AtomicBool,
}

impl Refusals {
    /// Warns of the first one.
    pub(crate) fn tell(&self, py: Python<'_>, outcome: InsertOutcome) -> PyResult<()> {
        let InsertOutcome::TooLarge { bytes, max_bytes } = outcome else { return Ok(()) };
        if self.is_told.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let message = CString::new(format!(
            "a value of {bytes} bytes ({:.3} MB) is not kept: it is larger than the whole cache may \
             be (max_memory_mb={}); further ones are only counted, in stats[\"rejected\"]",
            to_mb(bytes),
            limit_to_mb(max_bytes)
        ))?;
        let warned = PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), &message, 1);
        // Where warnings are errors this one is none: the value is well.
        warned.unwrap_or_else(|error| error.write_unraisable(py, None));
        Ok(())
    }
}
