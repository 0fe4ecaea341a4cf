//! What a person reads: results on standard output, complaints on standard error.
//!
//! The only file that prints.

use std::io::{self, Write};

/// Prints a line of a result.
#[expect(clippy::print_stdout, reason = "the result of a command goes to standard output")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// Prints the first part of a line at once, so that a slow step shows what it is.
#[expect(clippy::print_stdout, reason = "the result of a command goes to standard output")]
pub(crate) fn begin(part: &str) {
    print!("{part}");
    // A terminal that does not flush shows the line later, which harms nothing.
    let _ = io::stdout().flush();
}

/// Prints why a command failed.
#[expect(clippy::print_stderr, reason = "the failure of a command goes to standard error")]
pub(crate) fn complain(line: &str) {
    eprintln!("{line}");
}
