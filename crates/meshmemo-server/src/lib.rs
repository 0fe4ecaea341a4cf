//! The library behind the binary `meshmemo`.
//!
//! [`cli`] reads what was typed and runs it; [`config`] says what holds; [`wire`] puts cache, backend and
//! server together; [`http`] is the server.
#![forbid(unsafe_code)]

pub mod access;
pub mod cli;
pub mod config;
pub mod wire;
pub mod http;
mod body_budget;
mod limits;
mod tasks;
mod tls;
pub mod units;
mod watched_file;

pub use tasks::Tasks;
