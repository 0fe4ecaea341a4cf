//! When everything was last cleared: entries of an earlier generation are gone, even if their files
//! are still there.
//!
//! A clear is one small durable write, however many files there are; unlinking them follows. The
//! file is `epoch 1`, a line with the number, and a line with the XXH3-64 of the two before; and all
//! of it once more, so that one changed byte brings nothing back.

use std::io;
use std::path::Path;

use twox_hash::XxHash3_64;

use super::fs::Files;

const FILE: &str = "epoch";
const HEAD: &str = "epoch 1";

/// Reads the epoch; a directory that was never cleared has none.
///
/// # Errors
/// The file can not be read, or is not what was written.
pub(super) fn read(root: &Path) -> io::Result<u64> {
    let path = root.join(FILE);
    let is_file = match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        metadata => metadata?.is_file(),
    };
    let text = if is_file { std::fs::read(&path)? } else { Vec::new() };
    parse(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the epoch has changed"))
}

/// Raises the epoch; it is durable when this returns.
pub(super) fn raise(files: &Files, root: &Path, epoch: u64) -> io::Result<()> {
    let part = root.join("tmp").join(FILE);
    files.remove(&part)?;
    let file = files.create(&part)?;
    let written =
        files.write(&file, format(epoch).as_bytes()).and_then(|()| files.sync_data(&file));
    written.and(files.close(file))?;
    files.rename(&part, &root.join(FILE))?;
    files.sync_dir(root)
}

fn format(epoch: u64) -> String {
    let said = format!("{HEAD}\n{epoch}\n");
    let sum = XxHash3_64::oneshot(said.as_bytes());
    format!("{said}{sum:016x}\n").repeat(2)
}

/// Reads the first of the two that is whole.
fn parse(text: &[u8]) -> Option<u64> {
    let (first, second) = text.split_at(text.len() / 2);
    [first, second].into_iter().find_map(|said| {
        let said = std::str::from_utf8(said).ok()?;
        let number = said.lines().nth(1)?.parse().ok()?;
        (format(number) == said.repeat(2)).then_some(number)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_outlives_a_changed_byte_and_nothing_else_is_taken_for_one() {
        let text = format(1_790_000_000_000_000).into_bytes();
        for at in 0..text.len() {
            let mut changed = text.clone();
            changed[at] ^= 1;
            assert_eq!(parse(&changed), Some(1_790_000_000_000_000), "byte {at}");
            changed[(at + text.len() / 2) % text.len()] ^= 1;
            assert_eq!(parse(&changed), None, "byte {at} of both");
        }
        for length in 0..text.len() {
            assert_eq!(parse(&text[..length]), None, "{length} bytes");
        }
    }
}
