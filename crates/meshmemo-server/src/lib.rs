//! The library behind the binary `meshmemo`.
//!
//! [`cli`] reads what was typed and runs it; [`config`] says what holds; [`wire`] puts cache, backend and
//! server together; [`http`] is the server.
#![forbid(unsafe_code)]

pub mod access;
mod backend;
pub mod cli;
pub mod config;
pub mod wire;
pub mod http;
mod body_budget;
mod limits;
mod observed;
mod secret;
mod tasks;
mod tls;
pub mod units;
mod watched_file;

pub use backend::{Backend, Order};
pub use observed::{Observations, Observed, UnderWay, Would};
pub use tasks::Tasks;
