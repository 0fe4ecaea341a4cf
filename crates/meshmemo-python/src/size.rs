//! What a value weighs: the bytes of its data, found without serialising and without copying.
//!
//! Buffers count what they hold (`len`, `nbytes`), images their pixels, everything else its
//! `__sizeof__` with what it refers to: items, attributes, slots. Each object counts once; what is
//! shared with the rest of the program (classes, modules, functions) does not count. Code of the
//! value's own (`nbytes`, `__sizeof__`, slots) runs here, before the cache is entered.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::PyRuntimeWarning;
use pyo3::ffi::c_str;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{
    PyByteArray, PyBytes, PyCFunction, PyDict, PyFrozenSet, PyFunction, PyList, PyMapping,
    PyModule, PySet, PyString, PyTuple, PyType,
};

use crate::key::is_plain_scalar;

/// How many objects of one value are looked at; what it has beyond them does not count.
const OBJECTS_MAX: usize = 100_000;

/// Returns how many bytes a value takes, as `LRUCache.set` measures it.
#[pyfunction]
#[pyo3(signature = (value, /))]
pub(crate) fn measure(value: &Bound<'_, PyAny>) -> u64 {
    if let Some(bytes) = bytes_of_flat(value) {
        return bytes;
    }
    let mut measuring = Measuring { bytes: 0, seen: HashSet::new(), left: vec![value.clone()] };
    while let Some(object) = measuring.left.pop() {
        if measuring.seen.len() == OBJECTS_MAX {
            break;
        }
        if measuring.seen.insert(object.as_ptr().addr()) {
            measuring.visit(&object);
        }
    }
    measuring.bytes
}

struct Measuring<'py> {
    bytes: u64,
    seen: HashSet<usize>,
    left: Vec<Bound<'py, PyAny>>,
}

impl<'py> Measuring<'py> {
    fn visit(&mut self, object: &Bound<'py, PyAny>) {
        if is_shared(object) {
            return;
        }
        if let Some(bytes) = bytes_of_flat(object).or_else(|| bytes_of_data(object)) {
            self.bytes = self.bytes.saturating_add(bytes);
            return;
        }
        self.bytes = self.bytes.saturating_add(own_bytes(object));
        if let Ok(dict) = object.cast::<PyDict>() {
            self.left.extend(dict.iter().flat_map(|(key, value)| [key, value]));
        } else if is_collection(object) {
            self.follow_items(object);
        }
        self.follow_attributes(object);
    }

    fn follow_items(&mut self, object: &Bound<'py, PyAny>) {
        let Ok(items) = object.try_iter() else { return };
        let room = OBJECTS_MAX.saturating_sub(self.seen.len());
        self.left.extend(items.take(room).map_while(Result::ok));
    }

    fn follow_attributes(&mut self, object: &Bound<'py, PyAny>) {
        let py = object.py();
        self.left.extend(object.getattr(intern!(py, "__dict__")));
        for class in object.get_type().mro() {
            let Ok(attributes) = class.getattr(intern!(py, "__dict__")) else { continue };
            let Ok(attributes) = attributes.cast_into::<PyMapping>() else { continue };
            let Ok(slots) = attributes.get_item(intern!(py, "__slots__")) else { continue };
            self.follow_slots(object, &class, &slots);
        }
    }

    fn follow_slots(
        &mut self,
        object: &Bound<'py, PyAny>,
        class: &Bound<'py, PyAny>,
        slots: &Bound<'py, PyAny>,
    ) {
        if slots.is_instance_of::<PyString>() {
            self.left.extend(slot(object, class, slots));
            return;
        }
        let Ok(names) = slots.try_iter() else { return };
        self.left.extend(names.map_while(Result::ok).filter_map(|name| slot(object, class, &name)));
    }
}

/// Reads a slot under the name that the compiler gives it; the two that hold other attributes or
/// nothing of the object's own are left out.
fn slot<'py>(
    object: &Bound<'py, PyAny>,
    class: &Bound<'py, PyAny>,
    name: &Bound<'py, PyAny>,
) -> Option<Bound<'py, PyAny>> {
    let name: String = name.extract().ok()?;
    if name == "__dict__" || name == "__weakref__" {
        return None;
    }
    if !name.starts_with("__") || name.ends_with("__") {
        return object.getattr(name).ok();
    }
    let class: String = class.getattr("__name__").ok()?.extract().ok()?;
    object.getattr(format!("_{}{name}", class.trim_start_matches('_'))).ok()
}

/// Measures what refers to nothing else and is met most often.
fn bytes_of_flat(object: &Bound<'_, PyAny>) -> Option<u64> {
    if let Ok(bytes) = object.cast::<PyBytes>() {
        return bytes.len().ok().map(|len| len as u64);
    }
    if is_plain_scalar(object) {
        return Some(own_bytes(object));
    }
    let bytes = object.cast::<PyByteArray>().ok()?;
    Some(bytes.len() as u64)
}

/// Measures arrays, tensors and images by their data.
fn bytes_of_data(object: &Bound<'_, PyAny>) -> Option<u64> {
    let py = object.py();
    if is_collection(object) {
        return None;
    }
    if is_of(object, "PIL") {
        return bytes_of_image(object);
    }
    let bytes: u64 = object.getattr_opt(intern!(py, "nbytes")).ok()??.extract().ok()?;
    if is_of(object, "torch") {
        warn_of_gpu(object);
    }
    Some(bytes)
}

/// Pillow keeps pixels of one band in one byte, of 16 bits in two, and all others in four.
fn bytes_of_image(image: &Bound<'_, PyAny>) -> Option<u64> {
    let (width, height): (u64, u64) = image.getattr("size").ok()?.extract().ok()?;
    let mode: String = image.getattr("mode").ok()?.extract().ok()?;
    let pixel = match mode.as_str() {
        "1" | "L" | "P" => 1,
        mode if mode.starts_with("I;16") => 2,
        _ => 4,
    };
    Some(width * height * pixel)
}

/// Warns once of a tensor whose memory is not the machine's.
fn warn_of_gpu(tensor: &Bound<'_, PyAny>) {
    static IS_WARNED: AtomicBool = AtomicBool::new(false);
    let is_cuda = tensor.getattr("is_cuda").and_then(|it| it.is_truthy()).unwrap_or(false);
    if is_cuda && !IS_WARNED.swap(true, Ordering::Relaxed) {
        let message = c_str!(
            "a tensor on a GPU is kept in a cache: it holds GPU memory until it leaves, and counts \
             there as if it were main memory; call .cpu() on what is to be kept for long"
        );
        let warning = tensor.py().get_type::<PyRuntimeWarning>();
        // Where warnings are errors this one is none: the value is well.
        if let Err(error) = PyErr::warn(tensor.py(), &warning, message, 2) {
            error.write_unraisable(tensor.py(), None);
        }
    }
}

fn own_bytes(object: &Bound<'_, PyAny>) -> u64 {
    let size = object.call_method0(intern!(object.py(), "__sizeof__"));
    size.and_then(|size| size.extract()).unwrap_or(0)
}

fn is_collection(object: &Bound<'_, PyAny>) -> bool {
    object.is_instance_of::<PyList>()
        || object.is_instance_of::<PyTuple>()
        || object.is_instance_of::<PyDict>()
        || object.is_instance_of::<PySet>()
        || object.is_instance_of::<PyFrozenSet>()
        || is_of(object, "collections")
}

/// Returns whether many values refer to it, or it is none.
fn is_shared(object: &Bound<'_, PyAny>) -> bool {
    object.is_instance_of::<PyType>()
        || object.is_instance_of::<PyModule>()
        || object.is_instance_of::<PyCFunction>()
        || object.is_instance_of::<PyFunction>()
}

/// Returns whether the object's class stands in a module of that name or under it.
fn is_of(object: &Bound<'_, PyAny>, module: &str) -> bool {
    let name = object.get_type().module();
    let is_of = |name: &str| {
        let rest = name.strip_prefix(module);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    name.is_ok_and(|name| name.to_str().is_ok_and(is_of))
}
