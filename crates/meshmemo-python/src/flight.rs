//! The miss of a cached function, in steps that Python takes: [`Lead`] makes the value, [`Follow`]
//! waits for who makes it.
//!
//! Waiting itself is Python's: a lock of `threading`, or a future of the waiter's event loop, that
//! the end of the flight calls.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use meshmemo::Landed;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{PyTraverseError, PyVisit};

use crate::function::Function;
use crate::key::{self, Key};
use crate::limits;
use crate::lru_cache::{LRUCache, Value};
use crate::size::measure;

/// The part of a call that makes the value. If it is forgotten, a waiter makes it.
#[pyclass(frozen, module = "meshmemo._core")]
pub(crate) struct Lead {
    place: Mutex<Option<meshmemo::Lead<Key, Value>>>,
    function: Py<Function>,
    cache: Py<LRUCache>,
    /// No other flight has it.
    #[pyo3(get)]
    flight: u64,
}

impl Lead {
    pub(crate) fn new(
        lead: meshmemo::Lead<Key, Value>,
        function: Py<Function>,
        cache: Py<LRUCache>,
    ) -> Self {
        Self { flight: lead.flight(), place: Some(lead).into(), function, cache }
    }

    fn take(&self) -> Option<meshmemo::Lead<Key, Value>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn end(&self) -> PyResult<meshmemo::Lead<Key, Value>> {
        self.take().ok_or_else(|| PyRuntimeError::new_err("the flight has ended"))
    }
}

#[pymethods]
impl Lead {
    /// Keeps the value, and gives it to who waits.
    #[pyo3(signature = (value, *, size_mb, ttl_seconds, cost_seconds))]
    fn keep(
        &self,
        value: &Bound<'_, PyAny>,
        size_mb: Option<&Bound<'_, PyAny>>,
        ttl_seconds: Option<&Bound<'_, PyAny>>,
        cost_seconds: Option<f64>,
    ) -> PyResult<()> {
        let size = size_mb.map(|size| limits::bytes("size", size)).transpose()?;
        let options = limits::options(size.unwrap_or_else(|| measure(value)), ttl_seconds)?;
        let lead = self.end()?;
        let cost = cost_seconds.unwrap_or_else(|| lead.elapsed().as_secs_f64());
        let kept = Value { object: value.clone().unbind(), owner: self.function.get().owner() };
        let outcome = lead.keep(kept, options.cost(cost));
        self.function.get().end_lead(self.flight);
        self.cache.get().refusals.tell(value.py(), outcome)
    }

    /// Gives the value to who waits, and does not keep it.
    fn give(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.end()?.give(Value { object: value.clone().unbind(), owner: 0 });
        self.function.get().end_lead(self.flight);
        Ok(())
    }

    /// Gives an error to who waits; does nothing where the flight has ended.
    fn fail(&self, error: Py<PyAny>) {
        if let Some(lead) = self.take() {
            lead.fail(Arc::new(error));
        }
        self.function.get().end_lead(self.flight);
    }

    /// Has somebody who waits make the value; does nothing where the flight has ended.
    fn hand_over(&self) {
        let lead = self.take();
        drop(lead);
        self.function.get().end_lead(self.flight);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.function)?;
        visit.call(&self.cache)
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.hand_over();
    }
}

/// Waits for what another call makes.
#[pyclass(frozen, module = "meshmemo._core")]
pub(crate) struct Follow {
    wait: Mutex<Wait>,
    function: Py<Function>,
    /// The flight that is waited for.
    #[pyo3(get)]
    flight: u64,
}

enum Wait {
    Flying(meshmemo::Follow<Key, Value>),
    Landed(Landed<Key, Value>),
    Over,
}

impl Follow {
    pub(crate) fn new(follow: meshmemo::Follow<Key, Value>, function: Py<Function>) -> Self {
        Self { flight: follow.flight(), wait: Wait::Flying(follow).into(), function }
    }

    fn exchange(&self, wait: Wait) -> Wait {
        let mut place = self.wait.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *place, wait)
    }
}

#[pymethods]
impl Follow {
    /// Whether the call that is waited for began on this thread.
    #[getter]
    fn is_led_by_this_thread(&self) -> bool {
        let wait = self.wait.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(&*wait, Wait::Flying(it) if it.leader_thread() == thread::current().id())
    }

    /// Has `callback` called, on the thread that ends the flight, when it ends; returns `False`
    /// if it has ended and nothing will be called.
    fn notify(&self, callback: Py<PyAny>) -> bool {
        let Wait::Flying(mut follow) = self.exchange(Wait::Over) else { return false };
        let waker = Waker::from(Arc::new(Callback(callback)));
        let polled = pin!(&mut follow).poll(&mut Context::from_waker(&waker));
        let (wait, is_flying) = match polled {
            Poll::Pending => (Wait::Flying(follow), true),
            Poll::Ready(landed) => (Wait::Landed(landed), false),
        };
        drop(self.exchange(wait));
        is_flying
    }

    /// Returns what the flight brought, as `(value, None)` or `(None, error)`; `None` if its leader
    /// handed over, so that the caller has to begin anew. The flight must have ended.
    fn settle(&self) -> PyResult<Option<Settled>> {
        let landed = match self.exchange(Wait::Over) {
            Wait::Landed(landed) => landed,
            Wait::Flying(mut follow) => {
                match pin!(&mut follow).poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(landed) => landed,
                    Poll::Pending => return Err(PyRuntimeError::new_err("the flight goes on")),
                }
            }
            Wait::Over => return Err(PyRuntimeError::new_err("the flight was settled before")),
        };
        let settled = landed.settle::<Py<PyAny>>();
        if settled.is_some() {
            // Whatever it brought, the function did not run for this call.
            self.function.get().count_hit();
        }
        Ok(settled.map(|result| match result {
            Ok(value) => (Some(value.object), None),
            Err(error) => (None, Some((*error).clone())),
        }))
    }

    /// Waits no more, and counts the look-up as a bypass.
    fn bypass(&self) {
        if let Wait::Flying(follow) = self.exchange(Wait::Over) {
            follow.bypass();
            self.function.get().count_miss();
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.function)
    }
}

/// A value or an error.
type Settled = (Option<Py<PyAny>>, Option<Py<PyAny>>);

/// What the end of a flight calls.
struct Callback(Py<PyAny>);

impl Wake for Callback {
    fn wake(self: Arc<Self>) {
        Python::attach(|py| {
            let Err(error) = self.0.call0(py) else { return };
            key::tell(py, &error);
            // Near the end of a stack, or interrupted: on a thread of its own it is neither.
            let start = py.import("_thread").and_then(|it| it.getattr("start_new_thread"));
            let started = start.and_then(|it| it.call1((&self.0, PyTuple::empty(py))));
            if let Err(error) = started {
                error.write_unraisable(py, Some(self.0.bind(py)));
            }
        });
    }
}
