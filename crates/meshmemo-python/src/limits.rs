//! The limits of a cache as Python gives them, checked: errors name the argument and the value.

use std::convert::Infallible;
use std::time::Duration;

use meshmemo::{EntryOptions, Limits};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyEllipsis, PyInt};

/// Bytes in what the package calls an MB.
const MB: f64 = 1_048_576.0;

/// The limits of a cache that is told none.
pub(crate) const DEFAULT: Limits = Limits { max_entries: 1000, max_bytes: 512 << 20, ttl: None };

/// The longest time to live that is told from "for ever": about 570 years.
const TTL_SECONDS_MAX: f64 = 1.8e10;

/// An argument that may be left out; `...` is as good as left out.
pub(crate) enum Argument<'py> {
    LeftOut,
    Given(Bound<'py, PyAny>),
}

impl<'py> FromPyObject<'_, 'py> for Argument<'py> {
    type Error = Infallible;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> Result<Self, Infallible> {
        let is_left_out = object.is(PyEllipsis::get(object.py()));
        Ok(if is_left_out { Self::LeftOut } else { Self::Given(object.to_owned()) })
    }
}

/// Returns the limits of a new cache.
pub(crate) fn of_new(
    max_size: &Argument<'_>,
    max_memory_mb: &Argument<'_>,
    default_ttl_seconds: &Argument<'_>,
) -> PyResult<Limits> {
    let mut limits = DEFAULT;
    if let Argument::Given(max_size) = max_size {
        limits.max_entries = entries(max_size)?;
    }
    if let Argument::Given(max_memory_mb) = max_memory_mb {
        limits.max_bytes = bytes("max_memory_mb", max_memory_mb)?;
    }
    set_ttl(&mut limits, default_ttl_seconds)?;
    Ok(limits)
}

/// Sets the default time to live; `None` is none.
pub(crate) fn set_ttl(limits: &mut Limits, seconds: &Argument<'_>) -> PyResult<()> {
    if let Argument::Given(seconds) = seconds {
        limits.ttl = if seconds.is_none() { None } else { ttl("default_ttl_seconds", seconds)? };
    }
    Ok(())
}

/// Checks a number of entries.
pub(crate) fn entries(max_size: &Bound<'_, PyAny>) -> PyResult<usize> {
    let index = max_size.call_method0(intern!(max_size.py(), "__index__"));
    let Some(size) = index.ok().filter(|_| !max_size.is_instance_of::<PyBool>()) else {
        return Err(wrong_type("max_size", max_size, "an int"));
    };
    if size.lt(0)? {
        return Err(wrong_value("max_size", max_size, "0 or more"));
    }
    // More than can be counted is no limit.
    Ok(size.extract().unwrap_or(usize::MAX))
}

/// Checks a size in MB, and returns it in bytes.
pub(crate) fn bytes(name: &str, mb: &Bound<'_, PyAny>) -> PyResult<u64> {
    let mb = number(name, mb, "0 or more", |mb| mb >= 0.0)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
    Ok((mb * MB).round() as u64)
}

/// Checks a time to live in seconds; `None` is for ever.
pub(crate) fn ttl(name: &str, seconds: &Bound<'_, PyAny>) -> PyResult<Option<Duration>> {
    let range = "above 0 (infinity is for ever)";
    let seconds = number(name, seconds, range, |seconds| seconds > 0.0)?;
    let ttl = || Duration::from_secs_f64(seconds).max(Duration::from_nanos(1));
    Ok((seconds < TTL_SECONDS_MAX).then(ttl))
}

/// Says what an entry weighs and, if it has a time of its own, how long it lives.
pub(crate) fn options(
    bytes: u64,
    ttl_seconds: Option<&Bound<'_, PyAny>>,
) -> PyResult<EntryOptions> {
    let options = EntryOptions::new().bytes(bytes);
    let Some(seconds) = ttl_seconds else { return Ok(options) };
    let ttl = ttl("ttl_seconds", seconds)?;
    Ok(ttl.map_or_else(|| options.without_ttl(), |ttl| options.ttl(ttl)))
}

/// Checks something to call; `None` is nothing.
pub(crate) fn callable(name: &str, given: Option<Bound<'_, PyAny>>) -> PyResult<Option<Py<PyAny>>> {
    match given {
        Some(given) if !given.is_callable() => Err(wrong_type(name, &given, "callable or None")),
        given => Ok(given.map(Bound::unbind)),
    }
}

/// Returns bytes in MB.
#[expect(clippy::cast_precision_loss, reason = "a size above 2^53 bytes may be rounded")]
pub(crate) fn to_mb(bytes: u64) -> f64 {
    bytes as f64 / MB
}

/// Returns a limit in MB; no limit is infinite.
pub(crate) fn limit_to_mb(bytes: u64) -> f64 {
    if bytes == u64::MAX { f64::INFINITY } else { to_mb(bytes) }
}

fn number(
    name: &str,
    value: &Bound<'_, PyAny>,
    range: &str,
    is_in_range: impl Fn(f64) -> bool,
) -> PyResult<f64> {
    let is_int = value.is_instance_of::<PyInt>();
    match value.extract::<f64>() {
        _ if value.is_instance_of::<PyBool>() => Err(wrong_type(name, value, "a number")),
        Ok(number) if is_in_range(number) => Ok(number),
        // An int may be too large for a float.
        Err(_) if !is_int => Err(wrong_type(name, value, "a number")),
        _ => Err(wrong_value(name, value, range)),
    }
}

fn wrong_type(name: &str, value: &Bound<'_, PyAny>, expected: &str) -> PyErr {
    let kind = value.get_type().name().map(|it| it.to_string()).unwrap_or_default();
    PyTypeError::new_err(format!("{name} must be {expected}, not {} ({kind})", shown(value)))
}

fn wrong_value(name: &str, value: &Bound<'_, PyAny>, range: &str) -> PyErr {
    PyValueError::new_err(format!("{name} must be {range}, not {}", shown(value)))
}

fn shown(value: &Bound<'_, PyAny>) -> String {
    value.repr().map(|it| it.to_string()).unwrap_or_default()
}
