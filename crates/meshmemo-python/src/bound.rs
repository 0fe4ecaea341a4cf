//! [`BoundFunction`]: a cached method with its instance.

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use crate::function::Function;

/// What `instance.method` is, for as long as it is held.
#[pyclass(frozen, weakref, module = "meshmemo._core")]
pub(crate) struct BoundFunction {
    #[pyo3(get, name = "__func__")]
    function: Py<Function>,
    #[pyo3(get, name = "__self__")]
    instance: Py<PyAny>,
}

impl BoundFunction {
    pub(crate) fn new(function: &Bound<'_, Function>, instance: &Bound<'_, PyAny>) -> Self {
        Self { function: function.clone().unbind(), instance: instance.clone().unbind() }
    }
}

#[pymethods]
impl BoundFunction {
    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = args.py();
        Function::call(self.function.bind(py), Some(self.instance.bind(py)), args, kwargs)
    }

    #[pyo3(signature = (*args, **kwargs))]
    fn cache_key<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.function.get().key(Some(self.instance.bind(args.py())), args, kwargs)
    }

    #[pyo3(signature = (*args, **kwargs))]
    fn cache_contains<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<bool> {
        self.function.get().contains(&self.cache_key(args, kwargs)?)
    }

    #[pyo3(signature = (*args, **kwargs))]
    fn cache_invalidate<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<bool> {
        self.function.get().invalidate(&self.cache_key(args, kwargs)?)
    }

    #[getter(__signature__)]
    fn signature<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("meshmemo._cached")?.call_method1("bound_signature", (&self.function,))
    }

    /// Everything else is the function's.
    fn __getattr__<'py>(
        &self,
        py: Python<'py>,
        name: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.function.bind(py).getattr(name)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| {
            let other = other.get();
            self.function.is(&other.function) && self.instance.is(&other.instance)
        })
    }

    fn __hash__(&self) -> usize {
        self.function.as_ptr().addr() ^ self.instance.as_ptr().addr().rotate_left(1)
    }

    /// Pickled as methods are: by its instance and its name.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let name = self.function.bind(py).getattr("__name__")?;
        let getattr = py.import("builtins")?.getattr("getattr")?;
        (getattr, (self.instance.bind(py), name)).into_bound_py_any(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let name: String = self.function.bind(py).getattr("__qualname__")?.extract()?;
        Ok(format!("<cached method {name} of {}>", self.instance.bind(py).repr()?))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.function)?;
        visit.call(&self.instance)
    }
}
