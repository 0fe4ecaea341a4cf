//! Other programs: started without input, with their output kept until it is needed.
//!
//! A failure carries everything the program printed, because a log is often all one has.

use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

/// Runs a program to its end and returns what it printed on standard output.
pub(crate) fn run(command: &mut Command) -> Result<Vec<u8>> {
    let line = line(command);
    let Output { status, stdout, stderr } =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        let said = [stdout, stderr].concat();
        bail!("`{line}` ended with {status}:\n{}", String::from_utf8_lossy(&said).trim_end());
    }
    Ok(stdout)
}

/// Whether the program is installed and can be started: it answers `--version`.
pub(crate) fn works(command: &mut Command) -> bool {
    run(command.arg("--version")).is_ok()
}

fn line(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_carries_the_command_and_all_it_printed() {
        let error = run(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"]))
            .unwrap_err()
            .to_string();
        assert!(error.contains("sh -c"), "{error}");
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(error.contains("out\nerr"), "{error}");
    }

    #[test]
    fn a_missing_program_does_not_work() {
        assert!(!works(&mut Command::new("/nowhere/at-all")));
    }
}
