//! `meshmemo`: generate once, serve for ever.

use std::process::ExitCode;

/// Bodies of megabytes come and go all the time: the system's would give each back, and clear it anew.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    meshmemo_server::cli::main()
}
