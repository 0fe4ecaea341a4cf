//! [`LRUCache`]: the engine's cache over Python objects, with the interface of the usual
//! hand-written cache module. The package's stubs document each method.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use meshmemo::{Cache, Clock, EntryInfo, EntryOptions, Limits, Missing};
use pyo3::exceptions::{PyKeyError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyIterator, PyList, PyTuple, PyType};
use pyo3::{PyTraverseError, PyVisit};

use crate::clock::coarse_clock;
use crate::entry_summary::summary;
use crate::key::{Key, KeyProbe};
use crate::limits::{self, Argument, limit_to_mb, to_mb};
use crate::listener::Listener;
use crate::refusals::Refusals;
use crate::size::measure;
use crate::stats::{StatsView, dictionary};

/// A value, and which cached function made it; 0 is none.
#[derive(Clone)]
pub(crate) struct Value {
    pub(crate) object: Py<PyAny>,
    pub(crate) owner: u64,
}

/// An exact LRU cache of Python objects, bounded in entries and in bytes.
#[pyclass(frozen, subclass, weakref, generic, mapping, module = "meshmemo")]
pub(crate) struct LRUCache {
    pub(crate) cache: Cache<Key, Value>,
    listener: Option<Arc<Listener>>,
    pub(crate) refusals: Refusals,
    /// The process whose flights these are.
    process: AtomicU32,
}

#[pymethods]
impl LRUCache {
    /// Makes a cache that `__init__` gives its limits: subclasses may take other arguments.
    #[new]
    #[classmethod]
    #[pyo3(
        signature = (*_args, **kwargs),
        text_signature = "(max_size=1000, max_memory_mb=512.0, default_ttl_seconds=None, *, \
                          on_evict=None)"
    )]
    fn new(
        class: &Bound<'_, PyType>,
        _args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let is_named = kwargs.map_or(Ok(false), |it| it.contains(intern!(it.py(), "on_evict")))?;
        let may_listen = is_named || !class.is(class.py().get_type::<Self>());
        Ok(Self::with(limits::DEFAULT, may_listen))
    }

    #[pyo3(signature = (
        max_size=Argument::LeftOut,
        max_memory_mb=Argument::LeftOut,
        default_ttl_seconds=Argument::LeftOut,
        *,
        on_evict=None,
    ))]
    #[expect(clippy::needless_pass_by_value, reason = "arguments come by value")]
    fn __init__(
        &self,
        max_size: Argument<'_>,
        max_memory_mb: Argument<'_>,
        default_ttl_seconds: Argument<'_>,
        on_evict: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let limits = limits::of_new(&max_size, &max_memory_mb, &default_ttl_seconds)?;
        let on_evict = limits::callable("on_evict", on_evict)?;
        match &self.listener {
            Some(listener) => listener.set(on_evict),
            None if on_evict.is_some() => {
                let message = "on_evict must be given when the cache is made";
                return Err(PyTypeError::new_err(message));
            }
            None => {}
        }
        self.cache.reconfigure(limits);
        Ok(())
    }

    /// Returns a value, which becomes the most recently used, or the default; counts either.
    #[pyo3(signature = (key, default=None))]
    fn get<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.find(key)?.or(default))
    }

    /// Returns a value or the default; changes neither order nor counters.
    #[pyo3(signature = (key, default=None))]
    fn peek(
        &self,
        key: &Bound<'_, PyAny>,
        default: Option<Py<PyAny>>,
    ) -> PyResult<Option<Py<PyAny>>> {
        Ok(self.look(key)?.or(default))
    }

    /// Keeps a value, and evicts first what must leave for it; returns whether it is kept.
    #[pyo3(signature = (key, value, size_mb=None, ttl_seconds=None))]
    fn set(
        &self,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        size_mb: Option<&Bound<'_, PyAny>>,
        ttl_seconds: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let size = size_mb.map(|size| limits::bytes("size_mb", size)).transpose()?;
        let options = limits::options(size.unwrap_or_else(|| measure(value)), ttl_seconds)?;
        self.insert(key, value, options)
    }

    /// Removes an entry, and returns whether there was one.
    fn delete(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.take(key)?.is_some())
    }

    /// Removes an entry and returns its value, or the default.
    #[pyo3(signature = (key, *default))]
    fn pop(&self, key: &Bound<'_, PyAny>, default: &Bound<'_, PyTuple>) -> PyResult<Py<PyAny>> {
        if default.len() > 1 {
            let given = default.len() + 1;
            let message = format!("pop takes a key and at most one default, not {given} arguments");
            return Err(PyTypeError::new_err(message));
        }
        let default = default.iter().next().map(Bound::unbind);
        self.take(key)?.or(default).ok_or_else(|| no_such_key(key))
    }

    /// Removes every entry, and returns how many there were; counters stay.
    fn clear(&self) -> u64 {
        self.cache.clear().entries
    }

    /// Lists the keys, the least recently used first.
    fn keys(&self) -> Vec<Py<PyAny>> {
        self.entries().map(|entry| entry.key.object).collect()
    }

    /// Lists the values, the least recently used first.
    fn values(&self) -> Vec<Py<PyAny>> {
        self.entries().map(|entry| entry.value.object).collect()
    }

    /// Lists keys and values, the least recently used first.
    fn items(&self) -> Vec<(Py<PyAny>, Py<PyAny>)> {
        self.entries().map(|entry| (entry.key.object, entry.value.object)).collect()
    }

    /// Describes each entry, the least recently used first.
    fn get_entries_summary<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let now = coarse_clock().wall();
        self.entries().map(|entry| summary(py, &entry, now)).collect()
    }

    /// Returns all counters, and what they are read against, at one moment.
    pub(crate) fn get_stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let errors = self.listener.as_ref().map_or(0, |listener| listener.errors());
        dictionary(py, &self.cache.stats(), self.cache.config(), errors)
    }

    /// The counters as a live, read-only mapping.
    #[getter(stats)]
    fn live(slf: Bound<'_, Self>) -> StatsView {
        StatsView::new(slf.unbind())
    }

    /// Sets all counters to zero; entries stay.
    fn reset_stats(&self) {
        if let Some(listener) = &self.listener {
            listener.reset_errors();
        }
        self.cache.reset_stats();
    }

    /// Returns `max_size`, `max_memory_mb` and `default_ttl_seconds`.
    fn get_config<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let config = PyDict::new(py);
        config.set_item("max_size", self.max_size())?;
        config.set_item("max_memory_mb", self.max_memory_mb())?;
        config.set_item("default_ttl_seconds", self.default_ttl_seconds())?;
        Ok(config)
    }

    /// Changes limits, and evicts before returning what no longer fits them.
    #[pyo3(signature = (
        max_size=None,
        max_memory_mb=None,
        default_ttl_seconds=Argument::LeftOut,
    ))]
    #[expect(clippy::needless_pass_by_value, reason = "arguments come by value")]
    fn update_config(
        &self,
        max_size: Option<&Bound<'_, PyAny>>,
        max_memory_mb: Option<&Bound<'_, PyAny>>,
        default_ttl_seconds: Argument<'_>,
    ) -> PyResult<()> {
        let mut limits = self.cache.config();
        if let Some(max_size) = max_size {
            limits.max_entries = limits::entries(max_size)?;
        }
        if let Some(max_memory_mb) = max_memory_mb {
            limits.max_bytes = limits::bytes("max_memory_mb", max_memory_mb)?;
        }
        limits::set_ttl(&mut limits, &default_ttl_seconds)?;
        self.cache.reconfigure(limits);
        Ok(())
    }

    /// How many entries there may be.
    #[getter]
    pub(crate) fn max_size(&self) -> usize {
        self.cache.config().max_entries
    }

    /// What all values together may take, in MB of 1,048,576 bytes.
    #[getter]
    fn max_memory_mb(&self) -> f64 {
        limit_to_mb(self.cache.config().max_bytes)
    }

    /// How long an entry lives that brings no time of its own; `None` is for ever.
    #[getter]
    fn default_ttl_seconds(&self) -> Option<f64> {
        self.cache.config().ttl.map(|ttl| ttl.as_secs_f64())
    }

    #[setter]
    fn set_max_size(&self, max_size: &Bound<'_, PyAny>) -> PyResult<()> {
        self.update_config(Some(max_size), None, Argument::LeftOut)
    }

    #[setter]
    fn set_max_memory_mb(&self, max_memory_mb: &Bound<'_, PyAny>) -> PyResult<()> {
        self.update_config(None, Some(max_memory_mb), Argument::LeftOut)
    }

    #[setter]
    fn set_default_ttl_seconds(&self, default_ttl_seconds: Argument<'_>) -> PyResult<()> {
        self.update_config(None, None, default_ttl_seconds)
    }

    pub(crate) fn __len__(&self) -> usize {
        self.cache.len()
    }

    fn __contains__(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.look(key)?.is_some())
    }

    fn __getitem__<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.find(key)?.ok_or_else(|| no_such_key(key))
    }

    fn __setitem__(&self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.set(key, value, None, None).map(drop)
    }

    fn __delitem__(&self, key: &Bound<'_, PyAny>) -> PyResult<()> {
        self.take(key)?.map(drop).ok_or_else(|| no_such_key(key))
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        PyList::new(py, self.keys())?.try_iter()
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let (name, this) = (slf.get_type().name()?, slf.get());
        let stats = this.cache.stats();
        let ttl = this.default_ttl_seconds().map_or("None".to_owned(), |ttl| ttl.to_string());
        Ok(format!(
            "{name}(max_size={}, max_memory_mb={}, default_ttl_seconds={ttl}, current_items={}, \
             current_memory_mb={:.3})",
            this.max_size(),
            this.max_memory_mb(),
            stats.entries,
            to_mb(stats.bytes),
        ))
    }

    /// Sees every entry: no thread holds a lock of the engine while another runs Python, and the
    /// garbage collector does.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let mut visited = self.listener.as_ref().map_or(Ok(()), |it| it.traverse(&visit));
        self.cache.try_each(|key, value| {
            if visited.is_ok() {
                visited = visit.call(&key.object).and_then(|()| visit.call(&value.object));
            }
        });
        visited
    }

    fn __clear__(&self) {
        if let Some(listener) = &self.listener {
            listener.set(None);
        }
        self.cache.clear();
    }
}

impl LRUCache {
    /// Makes an empty cache; one that may listen can be given an `on_evict`.
    pub(crate) fn with(limits: Limits, may_listen: bool) -> Self {
        let mut builder = Cache::builder().limits(limits).clock(Arc::new(coarse_clock()));
        let listener = may_listen.then(|| Arc::new(Listener::default()));
        if let Some(listener) = listener.clone() {
            builder = builder.on_remove(move |key, value, cause| listener.tell(key, value, cause));
        }
        Self {
            cache: builder.build(),
            listener,
            refusals: Refusals::default(),
            process: AtomicU32::new(std::process::id()),
        }
    }

    /// Returns the value of a key and counts a hit; counts nothing if there is none.
    pub(crate) fn hit<'py>(
        &self,
        py: Python<'py>,
        probe: &KeyProbe<'_, 'py>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let read = |value: &Value| value.object.bind(py).clone();
        let found = self.cache.read(probe, Missing::IsLeftOut, read);
        probe.check()?;
        Ok(found)
    }

    /// Looks a key up without using it.
    pub(crate) fn look(&self, key: &Bound<'_, PyAny>) -> PyResult<Option<Py<PyAny>>> {
        let probe = KeyProbe::new(key)?;
        let found = self.cache.peek(&probe);
        probe.check()?;
        Ok(found.map(|value| value.object))
    }

    /// Removes an entry, and returns what it was.
    pub(crate) fn take(&self, key: &Bound<'_, PyAny>) -> PyResult<Option<Py<PyAny>>> {
        let probe = KeyProbe::new(key)?;
        let removed = self.cache.remove(&probe);
        probe.check()?;
        Ok(removed.map(|value| value.object))
    }

    /// Lists all entries, the least recently used first.
    pub(crate) fn entries(&self) -> impl Iterator<Item = EntryInfo<Key, Value>> + use<> {
        self.cache.entries().into_iter().rev()
    }

    /// Lets nobody wait for what a thread of the parent process makes.
    pub(crate) fn leave_parent_behind(&self) {
        let process = std::process::id();
        if self.process.swap(process, Ordering::Relaxed) != process {
            self.cache.forget_flights();
        }
    }

    fn find<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let probe = KeyProbe::new(key)?;
        let read = |value: &Value| value.object.bind(key.py()).clone();
        let found = self.cache.read(&probe, Missing::Counts, read);
        probe.check()?;
        Ok(found)
    }

    fn insert(
        &self,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        options: EntryOptions,
    ) -> PyResult<bool> {
        let (py, probe) = (key.py(), KeyProbe::new(key)?);
        let key = probe.to_key();
        if !key.is_plain {
            // What an `__eq__` raises is passed on before anything is changed.
            self.cache.peek(&probe);
            probe.check()?;
        }
        let value = Value { object: value.clone().unbind(), owner: 0 };
        let outcome = self.cache.insert_with(key, value, options);
        self.refusals.tell(py, outcome)?;
        Ok(outcome.is_stored())
    }
}

fn no_such_key(key: &Bound<'_, PyAny>) -> PyErr {
    PyKeyError::new_err(key.clone().unbind())
}
