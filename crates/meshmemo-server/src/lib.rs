//! The library behind the binary `meshmemo`.
//!
//! [`cli`] reads what was typed and runs it; [`config`] says what holds; [`wire`] puts the process
//! together, and nothing else constructs anything; [`http`] is the server.
#![forbid(unsafe_code)]

pub mod cli;
pub mod config;
pub mod wire;
pub mod http;
mod in_flight;
mod limits;
mod tasks;
pub mod units;

pub use tasks::Tasks;
