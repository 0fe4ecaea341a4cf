//! `meshmemo`: generate once, serve for ever.

use std::process::ExitCode;

fn main() -> ExitCode {
    meshmemo_server::cli::main()
}
