//! Golden keys: for each adapter, pairs of requests that must share a key, pairs that must not, and keys
//! that must never change. The rules are those of the servers' own code.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod every_adapter;
mod forms;
mod generic;
mod hunyuan3d_2;
mod hunyuan3d_21;
mod orfeas;
mod requests;
mod seeds;
mod stability;
