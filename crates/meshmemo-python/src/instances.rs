//! What stands for `self` in the keys of cached methods: a number for each instance.
//!
//! A key that held the instance would keep it alive. The number of a dead instance is never given
//! again, so that its entries are not found any more, and leave as the least recently used.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple, PyWeakrefReference};
use pyo3::{PyTraverseError, PyVisit};

#[derive(Default)]
struct Instances {
    /// By address, which is an instance's own for as long as it lives; the weak reference removes
    /// its entry when it dies.
    numbers: HashMap<usize, (u64, Py<PyWeakrefReference>)>,
    last: u64,
}

static INSTANCES: Mutex<Option<Instances>> = Mutex::new(None);

/// Returns what stands for the instance. One that no weak reference can point at stands for itself, with
/// its class: it is a value then (a number, a named tuple), or else the very same object.
pub(crate) fn stand_in<'py>(instance: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let address = instance.as_ptr().addr();
    if let Some(number) = number_of(address) {
        return Ok(number.into_pyobject(instance.py())?.into_any());
    }
    let py = instance.py();
    let forget = PyCFunction::new_closure(
        py,
        None,
        None,
        move |_: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| forget(address),
    )?;
    match PyWeakrefReference::new_with(instance, forget) {
        Ok(reference) => Ok(remember(address, reference.unbind()).into_pyobject(py)?.into_any()),
        Err(_) if instance.hash().is_ok() => {
            Ok(PyTuple::new(py, [instance.get_type().as_any(), instance])?.into_any())
        }
        Err(_) => Ok(Bound::new(py, Same { object: instance.clone().unbind() })?.into_any()),
    }
}

/// Is equal to what stands for the very same object.
#[pyclass(frozen, module = "meshmemo._core")]
struct Same {
    object: Py<PyAny>,
}

#[pymethods]
impl Same {
    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| other.get().object.is(&self.object))
    }

    fn __hash__(&self) -> usize {
        self.object.as_ptr().addr()
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.object)
    }
}

fn number_of(address: usize) -> Option<u64> {
    instances().as_ref()?.numbers.get(&address).map(|(number, _)| *number)
}

fn remember(address: usize, reference: Py<PyWeakrefReference>) -> u64 {
    let mut instances = instances();
    let instances = instances.get_or_insert_default();
    // Two threads may have made a reference each: the first one's stays.
    let (number, _) = instances.numbers.entry(address).or_insert_with(|| {
        instances.last += 1;
        (instances.last, reference)
    });
    *number
}

fn forget(address: usize) {
    let removed = instances().as_mut().and_then(|instances| instances.numbers.remove(&address));
    drop(removed);
}

fn instances() -> MutexGuard<'static, Option<Instances>> {
    INSTANCES.lock().unwrap_or_else(PoisonError::into_inner)
}
