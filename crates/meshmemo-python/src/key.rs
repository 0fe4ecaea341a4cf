//! [`Key`]: any hashable Python object as a key of the engine.
//!
//! The object is hashed once, before the cache is entered. Keys are compared under the engine's lock
//! only where that runs no Python code: by identity, and where both are made of builtin types alone.

use std::cell::Cell;
use std::hash::{BuildHasher, Hash, Hasher};

use meshmemo::Probe;
use pyo3::basic::CompareOp;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyString, PyTuple, PyType};

/// How deep tuples may be in one another to be compared under a lock.
const DEPTH_MAX: usize = 16;

/// A key that an entry or a flight holds.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) object: Py<PyAny>,
    hash: isize,
    /// Whether comparing it runs no Python code.
    pub(crate) is_plain: bool,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_isize(self.hash);
    }
}

/// For keys that were looked up before, so that an `__eq__` that raises has raised there: here it
/// says that they are not equal, and what it raises is told.
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
            && Python::attach(|py| {
                let is_equal = is_equal(self.object.bind(py), other.object.bind(py));
                is_equal.unwrap_or_else(|error| {
                    tell(py, &error);
                    false
                })
            })
    }
}

/// Tells of an error that can not be passed on; Ctrl-C comes once more where it can.
pub(crate) fn tell(py: Python<'_>, error: &PyErr) {
    error.clone_ref(py).write_unraisable(py, None);
    if error.is_instance_of::<PyKeyboardInterrupt>(py) {
        let interrupted = py.import("_thread").and_then(|it| it.call_method0("interrupt_main"));
        drop(interrupted);
    }
}

impl Eq for Key {}

/// What a caller looks a key up by.
pub(crate) struct KeyProbe<'a, 'py> {
    object: &'a Bound<'py, PyAny>,
    hash: isize,
    raised: Cell<Option<Box<PyErr>>>,
}

impl<'a, 'py> KeyProbe<'a, 'py> {
    /// Hashes the object.
    ///
    /// # Errors
    /// What its `__hash__` raises.
    pub(crate) fn new(object: &'a Bound<'py, PyAny>) -> PyResult<Self> {
        let hash = object.hash()?;
        Ok(Self { object, hash, raised: Cell::new(None) })
    }

    /// Returns the key for an entry of its own.
    pub(crate) fn to_key(&self) -> Key {
        let is_plain = is_plain(self.object, DEPTH_MAX);
        Key { object: self.object.clone().unbind(), hash: self.hash, is_plain }
    }

    /// Passes on what an `__eq__` has raised since.
    pub(crate) fn check(&self) -> PyResult<()> {
        self.raised.take().map_or(Ok(()), |error| Err(*error))
    }
}

impl Probe<Key> for KeyProbe<'_, '_> {
    fn hash_by(&self, hasher: &impl BuildHasher) -> u64 {
        let mut state = hasher.build_hasher();
        state.write_isize(self.hash);
        state.finish()
    }

    fn is_known_equal(&self, key: &Key) -> Option<bool> {
        if self.object.as_ptr() == key.object.as_ptr() {
            return Some(true);
        }
        if self.hash != key.hash {
            return Some(false);
        }
        if !key.is_plain {
            return None;
        }
        is_plainly_equal(self.object, key.object.bind(self.object.py()), DEPTH_MAX)
    }

    fn is_equal(&self, key: &Key) -> bool {
        is_equal(self.object, key.object.bind(self.object.py())).unwrap_or_else(|error| {
            self.raised.set(Some(Box::new(error)));
            false
        })
    }
}

/// Compares as a `dict` does: the same object is equal to itself, whatever its `__eq__` says.
fn is_equal(one: &Bound<'_, PyAny>, other: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(one.is(other) || one.rich_compare(other, CompareOp::Eq)?.is_truthy()?)
}

/// Compares what is plain, where that runs no code of Python and allocates nothing that is collected: no
/// warning of text that is compared with bytes, and no error for what is too deep. `None` for all else.
fn is_plainly_equal(
    one: &Bound<'_, PyAny>,
    other: &Bound<'_, PyAny>,
    depth: usize,
) -> Option<bool> {
    if one.is(other) {
        return Some(true);
    }
    match (Plain::of(one)?, Plain::of(other)?) {
        (Plain::Tuple(one), Plain::Tuple(other)) => {
            if depth == 0 {
                return None;
            }
            if one.len() != other.len() {
                return Some(false);
            }
            for (one, other) in one.iter().zip(other.iter()) {
                if !is_plainly_equal(&one, &other, depth - 1)? {
                    return Some(false);
                }
            }
            Some(true)
        }
        (Plain::Text, Plain::Text)
        | (Plain::Bytes, Plain::Bytes)
        | (Plain::Number, Plain::Number) => is_equal(one, other).ok(),
        _ => Some(false),
    }
}

/// What a plain object is: only two of a kind can be equal.
enum Plain<'a, 'py> {
    Text,
    Bytes,
    Number,
    /// What is equal to nothing but itself.
    Itself,
    Tuple(&'a Bound<'py, PyTuple>),
}

impl<'a, 'py> Plain<'a, 'py> {
    fn of(object: &'a Bound<'py, PyAny>) -> Option<Self> {
        if object.is_exact_instance_of::<PyString>() {
            Some(Self::Text)
        } else if object.is_exact_instance_of::<PyBytes>() {
            Some(Self::Bytes)
        } else if is_plain_scalar(object) {
            Some(if object.is_none() { Self::Itself } else { Self::Number })
        } else if is_only_itself(object) {
            Some(Self::Itself)
        } else {
            object.cast_exact::<PyTuple>().ok().map(Self::Tuple)
        }
    }
}

/// Returns whether the object is made of builtin types alone, and not too deep to be compared under a
/// lock.
fn is_plain(object: &Bound<'_, PyAny>, depth: usize) -> bool {
    is_plain_scalar(object)
        || is_only_itself(object)
        || depth > 0
            && object
                .cast_exact::<PyTuple>()
                .is_ok_and(|tuple| tuple.iter().all(|it| is_plain(&it, depth - 1)))
}

/// Returns whether the object is a class or a marker.
fn is_only_itself(object: &Bound<'_, PyAny>) -> bool {
    object.is_exact_instance_of::<PyType>() || object.is_exact_instance_of::<Marker>()
}

/// Stands in a key for a kind of thing, and is equal to nothing but itself: to no argument either.
#[pyclass(frozen, module = "meshmemo._core")]
pub(crate) struct Marker {
    name: String,
}

#[pymethods]
impl Marker {
    #[new]
    pub(crate) fn new(name: String) -> Self {
        Self { name }
    }

    fn __repr__(&self) -> String {
        format!("<{}>", self.name)
    }
}

/// Does the same for what is not a tuple.
pub(crate) fn is_plain_scalar(object: &Bound<'_, PyAny>) -> bool {
    object.is_exact_instance_of::<PyString>()
        || object.is_exact_instance_of::<PyInt>()
        || object.is_none()
        || object.is_exact_instance_of::<PyFloat>()
        || object.is_exact_instance_of::<PyBytes>()
        || object.is_exact_instance_of::<PyBool>()
}
