//! [`Function`]: a cached function, from a call to its hit. What a miss takes is told in
//! `flight.rs`, and done by `on_miss`, which is Python.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use meshmemo::Turn;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{IntoPyObjectExt, PyTraverseError, PyVisit};

use crate::arguments::{Arguments, Parameters};
use crate::bound::BoundFunction;
use crate::flight::{Follow, Lead};
use crate::global;
use crate::key::{Key, KeyProbe};
use crate::lru_cache::LRUCache;

/// A function whose results are kept.
#[pyclass(frozen, dict, weakref, module = "meshmemo._core")]
pub(crate) struct Function {
    #[pyo3(get, name = "function")]
    wrapped: Py<PyAny>,
    /// Which function a generated key is of.
    identity: Py<PyAny>,
    parameters: Py<Parameters>,
    /// Makes a key of the arguments, instead of `parameters`.
    key_fn: Option<Py<PyAny>>,
    /// `None` is the process-wide one.
    cache: Option<Py<LRUCache>>,
    /// Makes what a coroutine function returns, of a value; `None` for a function.
    on_hit: Option<Py<PyAny>>,
    /// Called with this, the key, the arguments, positional and named, of a call without a hit.
    on_miss: Py<PyAny>,
    is_enabled: bool,
    is_method: AtomicBool,
    /// Who made an entry.
    owner: u64,
    hits: AtomicU64,
    misses: AtomicU64,
    /// What is being made, by flight.
    leading: Mutex<HashMap<u64, Key>>,
}

enum Looked<'py> {
    Hit(Bound<'py, PyAny>),
    Miss(Bound<'py, PyAny>),
    /// The arguments do not fit the function, or nothing is kept.
    Neither,
}

static LAST_OWNER: AtomicU64 = AtomicU64::new(0);

#[pymethods]
impl Function {
    #[new]
    #[pyo3(signature = (
        function, *, identity, parameters, key_fn, cache, on_hit, on_miss, is_enabled, is_method,
    ))]
    #[expect(clippy::too_many_arguments, reason = "all are named where it is called")]
    fn new(
        function: Py<PyAny>,
        identity: Py<PyAny>,
        parameters: Py<Parameters>,
        key_fn: Option<Py<PyAny>>,
        cache: Option<Py<LRUCache>>,
        on_hit: Option<Py<PyAny>>,
        on_miss: Py<PyAny>,
        is_enabled: bool,
        is_method: bool,
    ) -> Self {
        Self {
            wrapped: function,
            identity,
            parameters,
            key_fn,
            cache,
            on_hit,
            on_miss,
            is_enabled,
            is_method: is_method.into(),
            owner: LAST_OWNER.fetch_add(1, Ordering::Relaxed) + 1,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            leading: Mutex::default(),
        }
    }

    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        slf: &Bound<'py, Self>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match slf.get().instance_of(args)? {
            Some((instance, args)) => Self::call(slf, Some(&instance), &args, kwargs),
            None => Self::call(slf, None, args, kwargs),
        }
    }

    /// Pickled by reference, as functions are.
    fn __reduce__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Ok(slf.getattr("__qualname__")?.unbind())
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let name: String = slf.getattr("__qualname__")?.extract()?;
        Ok(format!("<cached function {name} at {:p}>", slf.as_ptr()))
    }

    /// Begins on a miss: returns a `Lead`, a `Follow`, or the value in a tuple of its own.
    fn begin(slf: &Bound<'_, Self>, key: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        let cache = this.cache(py)?;
        cache.get().leave_parent_behind();
        let key = KeyProbe::new(key)?.to_key();
        match cache.get().cache.begin(&key) {
            Turn::Hit(value) => {
                this.count_hit();
                (value.object,).into_py_any(py)
            }
            Turn::Lead(lead) => {
                this.count_miss();
                this.leading().insert(lead.flight(), key);
                Lead::new(lead, slf.clone().unbind(), cache).into_py_any(py)
            }
            Turn::Follow(follow) => Follow::new(follow, slf.clone().unbind()).into_py_any(py),
        }
    }

    fn __get__(
        slf: &Bound<'_, Self>,
        instance: Option<&Bound<'_, PyAny>>,
        _owner: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        match instance {
            None => slf.into_py_any(slf.py()),
            Some(instance) => BoundFunction::new(slf, instance).into_py_any(slf.py()),
        }
    }

    /// In the class that it is defined in, its first argument is an instance from here on; in others it
    /// is only a value.
    fn __set_name__(slf: &Bound<'_, Self>, owner: &Bound<'_, PyAny>, name: &str) -> PyResult<()> {
        let of_owner: String = owner.getattr("__qualname__")?.extract()?;
        let own: String = slf.getattr("__qualname__")?.extract()?;
        if own == format!("{of_owner}.{name}") {
            slf.get().is_method.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    #[pyo3(signature = (*args, **kwargs))]
    fn cache_key<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match self.instance_of(args)? {
            Some((instance, args)) => self.key(Some(&instance), &args, kwargs),
            None => self.key(None, args, kwargs),
        }
    }

    #[pyo3(signature = (*args, **kwargs))]
    fn cache_contains<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<bool> {
        self.contains(&self.cache_key(args, kwargs)?)
    }

    #[pyo3(signature = (*args, **kwargs))]
    fn cache_invalidate<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<bool> {
        self.invalidate(&self.cache_key(args, kwargs)?)
    }

    /// Removes what this function has made, and lets nothing in that it is making.
    pub(crate) fn cache_clear(&self, py: Python<'_>) -> PyResult<()> {
        let cache = self.cache(py)?;
        let making: Vec<Key> = self.leading().values().cloned().collect();
        let own = cache.get().entries().filter(|entry| entry.value.owner == self.owner);
        for key in making.into_iter().chain(own.map(|entry| entry.key)) {
            cache.get().take(key.object.bind(py))?;
        }
        self.hits.store(0, Ordering::Relaxed);
        self.misses.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// Counts this function's calls and entries, in the form of `functools`.
    fn cache_info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let cache = self.cache(py)?;
        let own = cache.get().entries().filter(|entry| entry.value.owner == self.owner).count();
        let (hits, misses) =
            (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed));
        let info = py.import("meshmemo._typing")?.getattr("CacheInfo")?;
        info.call1((hits, misses, cache.get().max_size(), own))
    }

    /// Returns the cache that it uses now.
    #[getter]
    pub(crate) fn cache(&self, py: Python<'_>) -> PyResult<Py<LRUCache>> {
        match &self.cache {
            Some(cache) => Ok(cache.clone_ref(py)),
            None => global::current(py),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.wrapped)?;
        visit.call(&self.parameters)?;
        visit.call(&self.key_fn)?;
        visit.call(&self.cache)?;
        visit.call(&self.on_hit)?;
        visit.call(&self.on_miss)
    }
}

impl Function {
    /// Calls the function, as a method of `instance` if there is one, or returns what is kept of it.
    pub(crate) fn call<'py>(
        slf: &Bound<'py, Self>,
        instance: Option<&Bound<'py, PyAny>>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        match this.look_up(py, instance, args, kwargs)? {
            Looked::Hit(value) => match &this.on_hit {
                Some(on_hit) => on_hit.bind(py).call1((value,)),
                None => Ok(value),
            },
            Looked::Neither => this.wrapped.bind(py).call(all(instance, args)?, kwargs),
            Looked::Miss(key) => {
                this.on_miss.bind(py).call1((slf, key, all(instance, args)?, kwargs))
            }
        }
    }

    /// Returns the key of a call that fits the function.
    ///
    /// # Errors
    /// What the call itself would raise, if it does not fit.
    pub(crate) fn key<'py>(
        &self,
        instance: Option<&Bound<'py, PyAny>>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match self.key_of(instance, args, kwargs)? {
            Some(key) => Ok(key),
            None => Err(self.misfit(&all(instance, args)?, kwargs)),
        }
    }

    pub(crate) fn contains(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.cache(key.py())?.get().look(key)?.is_some())
    }

    pub(crate) fn invalidate(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.cache(key.py())?.get().take(key)?.is_some())
    }

    fn look_up<'py>(
        &self,
        py: Python<'py>,
        instance: Option<&Bound<'py, PyAny>>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Looked<'py>> {
        if !self.is_enabled {
            return Ok(Looked::Neither);
        }
        let Some(key) = self.key_of(instance, args, kwargs)? else {
            return Ok(Looked::Neither);
        };
        let probe = KeyProbe::new(&key)?;
        let found = match &self.cache {
            Some(cache) => cache.get().hit(py, &probe)?,
            None => global::current(py)?.get().hit(py, &probe)?,
        };
        Ok(match found {
            Some(value) => {
                self.count_hit();
                Looked::Hit(value)
            }
            None => {
                drop(probe);
                Looked::Miss(key)
            }
        })
    }

    /// Returns the key of a call; `None` if the arguments do not fit the function.
    fn key_of<'py>(
        &self,
        instance: Option<&Bound<'py, PyAny>>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = args.py();
        if let Some(key_fn) = &self.key_fn {
            return key_fn.bind(py).call(all(instance, args)?, kwargs).map(Some);
        }
        let made = self.parameters.get().key(self.identity.bind(py), instance, args, kwargs)?;
        Ok(match made {
            Arguments::Key(key) => Some(key.into_any()),
            Arguments::DoNotFit => None,
        })
    }

    /// Takes the instance off the arguments of a method that was called through its class.
    fn instance_of<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
    ) -> PyResult<Option<(Bound<'py, PyAny>, Bound<'py, PyTuple>)>> {
        if !self.is_method.load(Ordering::Relaxed) || args.is_empty() {
            return Ok(None);
        }
        Ok(Some((args.get_item(0)?, args.get_slice(1, args.len()))))
    }

    pub(crate) fn owner(&self) -> u64 {
        self.owner
    }

    pub(crate) fn count_hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_miss(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends a lead: the key is not being made any more.
    pub(crate) fn end_lead(&self, number: u64) {
        let key = self.leading().remove(&number);
        drop(key);
    }

    fn leading(&self) -> MutexGuard<'_, HashMap<u64, Key>> {
        self.leading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the error that the function's signature has for the arguments.
    fn misfit(&self, args: &Bound<'_, PyTuple>, kwargs: Option<&Bound<'_, PyDict>>) -> PyErr {
        let bind = || {
            let signature =
                args.py().import("inspect")?.call_method1("signature", (&self.wrapped,))?;
            signature.call_method("bind", args, kwargs)
        };
        let unknown = || PyTypeError::new_err("the function does not take these arguments");
        bind().err().unwrap_or_else(unknown)
    }
}

/// Puts the instance before the arguments.
fn all<'py>(
    instance: Option<&Bound<'py, PyAny>>,
    args: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyTuple>> {
    match instance {
        Some(instance) => {
            let all: Vec<_> = std::iter::once(instance.clone()).chain(args.iter()).collect();
            PyTuple::new(args.py(), all)
        }
        None => Ok(args.clone()),
    }
}
