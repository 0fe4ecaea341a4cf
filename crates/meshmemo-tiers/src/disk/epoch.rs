//! When everything was last cleared: entries of an earlier generation are gone, even if their files
//! are still there.
//!
//! A clear is one small durable write, however many files there are; unlinking them follows. The
//! file is `epoch 1`, a line with the number, and a line with the XXH3-64 of the two before.

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
    let text = match std::fs::read_to_string(root.join(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        text => text?,
    };
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
    format!("{said}{sum:016x}\n")
}

fn parse(text: &str) -> Option<u64> {
    let number = text.lines().nth(1)?.parse().ok()?;
    (format(number) == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_read_back_and_a_changed_one_is_refused() {
        let text = format(1_790_000_000_000_000);
        assert_eq!(parse(&text), Some(1_790_000_000_000_000));
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] ^= 1;
            assert_eq!(parse(&String::from_utf8_lossy(&changed)), None, "byte {at}");
        }
        assert_eq!(parse(""), None);
    }
}
