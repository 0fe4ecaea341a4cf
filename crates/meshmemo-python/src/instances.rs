//! What stands for `self` in the keys of cached methods: a number for each instance.
//!
//! A key that held the instance would keep it alive. The number of a dead instance is never given
//! again, so that its entries are not found any more, and leave as the least recently used.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyCFunction, PyDict, PyTuple, PyWeakrefReference};
use pyo3::{PyTraverseError, PyVisit};

use crate::key::Marker;

#[derive(Default)]
struct Instances {
    /// By address, which is an instance's own for as long as it lives; the weak reference removes
    /// its entry when it dies.
    known: HashMap<usize, Instance>,
    last: u64,
}

/// What stands for an instance in keys, and what tells whether it is still the same.
struct Instance {
    stand_in: Py<PyTuple>,
    reference: Py<PyWeakrefReference>,
}

static INSTANCES: Mutex<Option<Instances>> = Mutex::new(None);

/// Returns what stands for the instance. One that no weak reference can point at stands for itself, with
/// its class: it is a value then (a number, a named tuple), or else the very same object.
pub(crate) fn stand_in<'py>(instance: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let (py, address) = (instance.py(), instance.as_ptr().addr());
    if let Some(stand_in) = known(instance) {
        return Ok(stand_in.into_any());
    }
    let forget = PyCFunction::new_closure(
        py,
        None,
        None,
        move |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| forget(address, args),
    )?;
    match PyWeakrefReference::new_with(instance, forget) {
        Ok(reference) => Ok(remember(address, reference.unbind(), py)?.into_any()),
        Err(_) if instance.hash().is_ok() => {
            Ok(PyTuple::new(py, [instance.get_type().as_any(), instance])?.into_any())
        }
        Err(_) => Ok(Bound::new(py, Same { object: instance.clone().unbind() })?.into_any()),
    }
}

/// Returns what stands for an instance that is known. One whose end could not be told (the stack was too
/// deep for it) is not taken for the one that has its address now.
fn known<'py>(instance: &Bound<'py, PyAny>) -> Option<Bound<'py, PyTuple>> {
    let py = instance.py();
    let (stand_in, reference) = {
        let instances = instances();
        let known = instances.as_ref()?.known.get(&instance.as_ptr().addr())?;
        (known.stand_in.clone_ref(py), known.reference.clone_ref(py))
    };
    let is_same = reference.bind(py).upgrade().is_some_and(|it| it.is(instance));
    is_same.then(|| stand_in.into_bound(py))
}

fn remember(
    address: usize,
    reference: Py<PyWeakrefReference>,
    py: Python<'_>,
) -> PyResult<Bound<'_, PyTuple>> {
    let number = {
        let mut instances = instances();
        let instances = instances.get_or_insert_default();
        instances.last += 1;
        instances.last
    };
    let stand_in = (marker(py)?, number).into_pyobject(py)?;
    let known = Instance { stand_in: stand_in.clone().unbind(), reference };
    let replaced = instances().get_or_insert_default().known.insert(address, known);
    drop(replaced);
    Ok(stand_in)
}

/// Forgets an instance that has died, unless another one has its address.
fn forget(address: usize, args: &Bound<'_, PyTuple>) {
    let Ok(dead) = args.get_item(0) else { return };
    let removed = {
        let mut instances = instances();
        let Some(instances) = instances.as_mut() else { return };
        let is_it = |known: &Instance| known.reference.as_ptr() == dead.as_ptr();
        if !instances.known.get(&address).is_some_and(is_it) {
            return;
        }
        instances.known.remove(&address)
    };
    drop(removed);
}

/// Begins what stands for an instance, so that it is equal to no argument.
fn marker(py: Python<'_>) -> PyResult<&Bound<'_, Marker>> {
    static MARKER: PyOnceLock<Py<Marker>> = PyOnceLock::new();
    let made = MARKER.get_or_try_init(py, || Py::new(py, Marker::new("instance".to_owned())));
    made.map(|marker| marker.bind(py))
}

fn instances() -> MutexGuard<'static, Option<Instances>> {
    INSTANCES.lock().unwrap_or_else(PoisonError::into_inner)
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
