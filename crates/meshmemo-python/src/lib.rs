//! The core of the Python package `meshmemo`: the engine's cache over Python objects.
//!
//! Reading order: `key.rs` (what finds an entry), `lru_cache.rs` (the cache), `function.rs` (a
//! cached function's hits), `flight.rs` (its misses), `arguments.rs` (its keys), `size.rs` (what a
//! value weighs). What runs once a generation or less is Python, in `python/meshmemo`.
//!
//! No Python code runs while a lock of the engine is held, and no lock is held by a thread that is
//! not attached to the interpreter. So whoever holds the interpreter finds every lock free: the
//! garbage collector may look into a cache at any time, and a child process finds no lock taken by
//! a thread that it does not have.

mod clock;
mod key;
mod limits;
mod size;
mod stats;
mod listener;
mod entry_summary;
mod refusals;
mod lru_cache;
mod global;
mod arguments;
mod instances;
mod function;
mod bound;
mod flight;

use std::sync::OnceLock;

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;

/// The objects of two interpreters must not meet, and the cache of the process is one.
fn refuse_a_second_interpreter(py: Python<'_>) -> PyResult<()> {
    static HOME: OnceLock<usize> = OnceLock::new();
    // Each interpreter has a module of builtins of its own, for as long as it lives.
    let interpreter = py.import("builtins")?.as_ptr().addr();
    if *HOME.get_or_init(|| interpreter) == interpreter {
        return Ok(());
    }
    Err(PyImportError::new_err(
        "meshmemo does not support subinterpreters: another interpreter of this process uses it",
    ))
}

/// What the package's modules build on; not a public interface.
#[pymodule(gil_used = true)]
mod _core {
    use pyo3::types::{PyMapping, PyModuleMethods};

    use super::{Bound, PyModule, PyResult, refuse_a_second_interpreter};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        refuse_a_second_interpreter(module.py())?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        PyMapping::register::<StatsView>(module.py())
    }

    #[pymodule_export]
    use crate::arguments::Parameters;
    #[pymodule_export]
    use crate::bound::BoundFunction;
    #[pymodule_export]
    use crate::entry_summary::shown;
    #[pymodule_export]
    use crate::flight::{Follow, Lead};
    #[pymodule_export]
    use crate::function::Function;
    #[pymodule_export]
    use crate::global::{get_cache, reset_cache};
    #[pymodule_export]
    use crate::key::Marker;
    #[pymodule_export]
    use crate::lru_cache::LRUCache;
    #[pymodule_export]
    use crate::size::measure;
    #[pymodule_export]
    use crate::stats::StatsView;
}
