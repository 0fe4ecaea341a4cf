//! [`Parameters`]: from the arguments of a call to its key.
//!
//! A generated key is a tuple: the function's identity, then the value of each parameter in the order
//! of the signature, defaults filled in, so that `f(1, 2)`, `f(1, b=2)` and `f(a=1, b=2)` are one
//! key. A parameter `*args` is a tuple of its own, `**kwargs` one of sorted pairs. Where types count,
//! the types of all values follow.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit};
use smallvec::SmallVec;

use crate::instances;
use crate::key::is_plain_scalar;

/// Bytes that are part of a key as they are; longer ones are by their digest.
const BYTES_IN_KEY_MAX: usize = 64;

/// A function's parameters, as far as keys are made of them.
#[pyclass(frozen, module = "meshmemo._core")]
#[expect(clippy::struct_excessive_bools, reason = "a signature has each or has not")]
pub(crate) struct Parameters {
    /// Parameters with a name of their own, those that may be given by position first.
    names: Vec<Py<PyString>>,
    /// How many of them may be given by position.
    positional_count: usize,
    /// How many of those may not be given by name.
    positional_only_count: usize,
    defaults: Vec<Option<Py<PyAny>>>,
    /// Which of them make no difference.
    ignored: Vec<bool>,
    collects_positional: bool,
    collects_named: bool,
    is_typed: bool,
    /// Whether the values alone, in order, are all of a key.
    is_plain: bool,
    /// Makes a hashable stand-in for an argument: equal where the contents are.
    content_key: Py<PyAny>,
}

/// What a call's arguments come to.
pub(crate) enum Arguments<'py> {
    Key(Bound<'py, PyTuple>),
    /// The function does not take such arguments.
    DoNotFit,
}

#[pymethods]
impl Parameters {
    /// `defaults` has a one-tuple for a parameter with a default, `None` for one without.
    #[new]
    #[pyo3(signature = (
        *, names, positional_count, positional_only_count, defaults, ignored,
        collects_positional, collects_named, is_typed, content_key,
    ))]
    #[expect(clippy::too_many_arguments, reason = "all are named where it is called")]
    fn new(
        names: Vec<Py<PyString>>,
        positional_count: usize,
        positional_only_count: usize,
        defaults: Vec<Option<(Py<PyAny>,)>>,
        ignored: Vec<bool>,
        collects_positional: bool,
        collects_named: bool,
        is_typed: bool,
        content_key: Py<PyAny>,
    ) -> Self {
        let is_plain = !(is_typed || collects_positional || collects_named)
            && positional_count == names.len()
            && !ignored.contains(&true);
        Self {
            is_plain,
            names,
            positional_count,
            positional_only_count,
            defaults: defaults.into_iter().map(|it| it.map(|(default,)| default)).collect(),
            ignored,
            collects_positional,
            collects_named,
            is_typed,
            content_key,
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.defaults.iter().try_for_each(|default| visit.call(default))?;
        visit.call(&self.content_key)
    }
}

impl Parameters {
    /// Makes the key of a call; of a method's call, an `instance` comes before the arguments.
    ///
    /// # Errors
    /// What `__hash__` of an argument raises, if it is no `TypeError`; a `TypeError` for an
    /// argument without a hash whose contents make no key.
    pub(crate) fn key<'py>(
        &self,
        identity: &Bound<'py, PyAny>,
        instance: Option<&Bound<'py, PyAny>>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Arguments<'py>> {
        let py = identity.py();
        let mut given = SmallVec::<[_; 8]>::new();
        given.push(identity.clone());
        if let Some(instance) = instance {
            given.push(instances::stand_in(instance)?);
        }
        for argument in args.iter() {
            given.push(self.hashable(argument)?);
        }
        let kwargs = kwargs.filter(|kwargs| !kwargs.is_empty());
        let is_whole = kwargs.is_none() && given.len() - 1 == self.names.len();
        if !is_whole || !self.is_plain {
            let Some(bound) = self.bind(py, given, kwargs)? else { return Ok(Arguments::DoNotFit) };
            return Ok(Arguments::Key(PyTuple::new(py, bound)?));
        }
        Ok(Arguments::Key(PyTuple::new(py, given)?))
    }

    /// Brings the arguments into the order of the signature; `None` if they do not fit.
    fn bind<'py>(
        &self,
        py: Python<'py>,
        given: impl IntoIterator<Item = Bound<'py, PyAny>>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Option<Vec<Bound<'py, PyAny>>>> {
        let mut given = given.into_iter();
        let mut parts: Vec<_> = given.by_ref().take(1).collect();
        let mut slots: Vec<_> = given.by_ref().take(self.positional_count).map(Some).collect();
        let rest: Vec<_> = given.collect();
        if !rest.is_empty() && !self.collects_positional {
            return Ok(None);
        }
        slots.resize(self.names.len(), None);
        let Some(named) = self.place_named(&mut slots, kwargs)? else { return Ok(None) };

        let mut values = Vec::with_capacity(slots.len());
        for (place, slot) in slots.into_iter().enumerate() {
            if self.ignored[place] {
                continue;
            }
            match (slot, &self.defaults[place]) {
                (Some(value), _) => values.push(value),
                (None, Some(default)) => values.push(self.hashable(default.bind(py).clone())?),
                (None, None) => return Ok(None),
            }
        }
        let mut all = values.clone();
        all.extend(rest.iter().cloned());
        all.extend(named.iter().map(|(_, value)| value.clone()));
        parts.extend(values);
        if self.collects_positional {
            parts.push(PyTuple::new(py, rest)?.into_any());
        }
        if self.collects_named {
            parts.push(PyTuple::new(py, named)?.into_any());
        }
        if self.is_typed {
            parts.push(PyTuple::new(py, all.iter().map(Bound::get_type))?.into_any());
        }
        Ok(Some(parts))
    }

    /// Puts what is given by name into its slot; returns the others, sorted by name, or `None` if
    /// they do not fit.
    #[expect(clippy::type_complexity, reason = "names and values, or nothing")]
    fn place_named<'py>(
        &self,
        slots: &mut [Option<Bound<'py, PyAny>>],
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Option<Vec<(String, Bound<'py, PyAny>)>>> {
        let mut others = Vec::new();
        for (name, value) in kwargs.into_iter().flatten() {
            let mut names = self.names.iter().enumerate().skip(self.positional_only_count);
            let place =
                names.find(|(_, other)| other.bind(name.py()).as_any().eq(&name).unwrap_or(false));
            match place {
                Some((place, _)) if slots[place].is_none() => {
                    slots[place] = Some(self.hashable(value)?);
                }
                None if self.collects_named => {
                    others.push((name.extract::<String>()?, self.hashable(value)?));
                }
                _ => return Ok(None),
            }
        }
        others.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(Some(others))
    }

    /// Returns the argument, or what stands for its contents.
    fn hashable<'py>(&self, argument: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let stands_for_itself = match argument.cast_exact::<PyBytes>() {
            Ok(bytes) => bytes.as_bytes().len() <= BYTES_IN_KEY_MAX,
            Err(_) => is_plain_scalar(&argument),
        };
        if stands_for_itself {
            return Ok(argument);
        }
        self.content_key.bind(argument.py()).call1((argument,))
    }
}
