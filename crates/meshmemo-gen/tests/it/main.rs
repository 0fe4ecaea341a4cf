//! The generator from outside: photos in, models out.

#![expect(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod checks;
mod formats;
mod inputs;
mod parameters;
mod progress;
mod solid;
mod solids;
