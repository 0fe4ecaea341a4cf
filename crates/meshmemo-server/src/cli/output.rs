//! What people and scripts read: standard output for answers, standard error for everything else.

use std::io::{self, IsTerminal, Write};

use tracing_subscriber::EnvFilter;

use super::args::{Args, Command, LogForm};

/// What of the log is always written by a server.
const AUDIT: &str = "meshmemo::audit=info";

/// Starts the log on standard error: of a server what happens, of a command only what goes wrong.
pub(super) fn start_log(args: &Args) {
    let usual = match (&args.command, args.verbose) {
        (_, 2..) => "trace",
        (_, 1) => "meshmemo=debug,meshmemo_server=debug,info",
        (Command::Serve(_), 0) => "info",
        (_, 0) => "warn",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    // Who changed what is told whatever else is not.
    let filter = filter.add_directive(AUDIT.parse().expect("it is a directive"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false);
    match args.log {
        LogForm::Text => log.init(),
        LogForm::Json => log.json().init(),
    }
}

/// Writes a line to standard output.
///
/// # Errors
/// Standard output is closed or full.
pub(super) fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}

/// Writes a line to standard error; one that can not be written is lost, as there is nowhere left
/// to say so.
pub(super) fn note(line: &str) {
    let _lost = writeln!(io::stderr().lock(), "{line}");
}

/// Writes why a command failed.
pub(super) fn say_error(message: &str) {
    note(&format!("error: {message}"));
}

/// Asks a question on the terminal; anything but yes is no.
///
/// # Errors
/// The terminal can not be read.
pub(super) fn confirm(question: &str) -> io::Result<bool> {
    let mut terminal = io::stderr().lock();
    write!(terminal, "{question} [y/N] ")?;
    terminal.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Lays rows out in columns; numbers (the columns named) stand to the right.
pub(super) fn table(head: &[&str], right: &[usize], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..head.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().enumerate().map(|(column, cell)| {
            let width = widths[column];
            if right.contains(&column) {
                format!("{cell:>width$}")
            } else {
                format!("{cell:<width$}")
            }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let head: Vec<_> = head.iter().map(|&cell| cell.to_owned()).collect();
    let lines = std::iter::once(&head).chain(rows).map(|row| line(row));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows =
            [vec!["cup".to_owned(), "1.0".to_owned()], vec!["é".to_owned(), "12.5".to_owned()]];
        assert_eq!(table(&["label", "MB"], &[1], &rows), "label    MB\ncup     1.0\né      12.5");
    }
}
