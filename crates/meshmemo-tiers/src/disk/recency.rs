//! The order of use across a restart: `recency`, written now and then and at the end.
//!
//! A hint. The files are the truth: a row counts only if its file is there under the very same name,
//! and then spares reading the footer. A file that was cut short or has changed is not read at all.
//!
//! ```text
//! magic: [u8; 8], version: u32, sequence: u64, rows: u64
//! each row, the least recently used first: name: bytes, allocated: u64, hits: u64, last_used: time,
//!   namespace, model_id, variant, label, media_type: bytes, cost: time, created: time,
//!   has_expiry: u16, expires: time
//! XXH3-64 of all before it: u64
//! ```

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use meshmemo::Summary;
use twox_hash::XxHash3_64;

use super::fs::Files;
use super::kept::Kept;
use super::name::Name;
use crate::envelope::codec::{Reader, Writer};
use crate::limits::RECENCY_MAX_BYTES;

const FILE: &str = "recency";
const MAGIC: [u8; 8] = *b"meshrecn";
const VERSION: u32 = 1;

/// What was known when it was last written.
#[derive(Debug, Default)]
pub(super) struct Recency {
    /// The last number that was drawn.
    pub(super) sequence: u64,
    /// Each entry with its place in the order of use.
    pub(super) rows: HashMap<Name, (usize, Kept)>,
}

/// Reads what was last written; nothing, if it is not whole.
pub(super) fn read(root: &Path) -> Recency {
    let recency = read_file(root).map(|bytes| parse(&bytes));
    match recency {
        Ok(Some(recency)) => recency,
        Ok(None) => {
            tracing::warn!("the order of use is not what was written, and is not used");
            Recency::default()
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Recency::default(),
        Err(error) => {
            tracing::warn!(%error, "the order of use can not be read");
            Recency::default()
        }
    }
}

/// Writes the order of use, the least recently used first.
pub(super) fn write(files: &Files, root: &Path, sequence: u64, entries: &[Kept]) -> io::Result<()> {
    let part = root.join("tmp").join(FILE);
    files.remove(&part)?;
    let file = files.create(&part)?;
    let written = files.write(&file, &format(sequence, entries));
    written.and(files.close(file))?;
    files.rename(&part, &root.join(FILE))
}

fn read_file(root: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let path = root.join(FILE);
    if !path.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no file"));
    }
    let file = std::fs::File::open(path)?;
    file.take(RECENCY_MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn format(sequence: u64, entries: &[Kept]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.raw(&MAGIC);
    writer.u32(VERSION);
    writer.u64(sequence);
    writer.u64(entries.len() as u64);
    for Kept { name, summary, allocated, hits, last_used } in entries {
        writer.bytes(name.to_string().as_bytes());
        writer.u64(*allocated);
        writer.u64(*hits);
        writer.duration(*last_used);
        let Summary { namespace, model_id, variant, label, media_type, .. } = &**summary;
        for text in [namespace, model_id, variant, label, media_type] {
            writer.bytes(text.as_bytes());
        }
        writer.duration(summary.cost);
        writer.duration(summary.created);
        writer.u16(summary.expires.is_some().into());
        writer.duration(summary.expires.unwrap_or_default());
    }
    let sum = XxHash3_64::oneshot(&writer.0);
    writer.u64(sum);
    writer.0
}

fn parse(bytes: &[u8]) -> Option<Recency> {
    let (written, sum) = bytes.split_at_checked(bytes.len().checked_sub(8)?)?;
    let mut reader = Reader(written);
    if reader.array() != Some(MAGIC) || reader.u32() != Some(VERSION) {
        return None;
    }
    if Reader(sum).u64() != Some(XxHash3_64::oneshot(written)) {
        return None;
    }
    let (sequence, count) = (reader.u64()?, reader.u64()?);
    let mut rows = HashMap::new();
    for place in 0..usize::try_from(count).ok()? {
        let kept = row(&mut reader)?;
        rows.insert(kept.name, (place, kept));
    }
    reader.is_at_end().then_some(Recency { sequence, rows })
}

fn row(reader: &mut Reader<'_>) -> Option<Kept> {
    let name: Name = reader.text()?.parse().ok()?;
    let (allocated, hits, last_used) = (reader.u64()?, reader.u64()?, reader.duration()?);
    let mut text = || reader.text().map(Arc::<str>::from);
    let (namespace, model_id, variant) = (text()?, text()?, text()?);
    let (label, media_type) = (text()?, text()?);
    let (cost, created) = (reader.duration()?, reader.duration()?);
    let (has_expiry, expires) = (reader.u16()? != 0, reader.duration()?);
    let summary = Summary {
        key: name.key,
        digest: name.digest,
        size_bytes: name.payload_bytes,
        namespace,
        model_id,
        variant,
        label,
        media_type,
        cost,
        created,
        expires: has_expiry.then_some(expires),
    };
    Some(Kept { name, summary: Arc::new(summary), allocated, hits, last_used })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use meshmemo::{Digest, Key};

    use super::*;

    fn kept(n: u8) -> Kept {
        let name = Name {
            key: Key::from_bytes([n; 32]),
            digest: Digest::of(&[n]),
            payload_bytes: 5,
            generation: u64::from(n),
        };
        let summary = Summary {
            key: name.key,
            digest: name.digest,
            size_bytes: 5,
            namespace: "default".into(),
            model_id: "relief".into(),
            variant: "glb".into(),
            label: "Krug \u{e9}.png".into(),
            media_type: "model/gltf-binary".into(),
            cost: Duration::from_millis(17),
            created: Duration::from_secs(1_790_000_000),
            expires: (n > 1).then_some(Duration::from_secs(1_790_086_400)),
        };
        let last_used = Duration::from_nanos(1);
        Kept { name, summary: Arc::new(summary), allocated: 4096, hits: 3, last_used }
    }

    #[test]
    fn rows_come_back_with_their_places() {
        let recency = parse(&format(9, &[kept(1), kept(2)])).unwrap();
        assert_eq!((recency.sequence, recency.rows.len()), (9, 2));
        for (place, n) in [(0, 1), (1, 2)] {
            let (found, row) = &recency.rows[&kept(n).name];
            assert_eq!((*found, &row.summary, row.hits), (place, &kept(n).summary, 3));
        }
    }

    #[test]
    fn what_is_not_whole_is_not_read() {
        let written = format(9, &[kept(1)]);
        for length in 0..written.len() {
            assert!(parse(&written[..length]).is_none(), "{length} bytes");
        }
        for at in 0..written.len() {
            let mut changed = written.clone();
            changed[at] ^= 0x10;
            assert!(parse(&changed).is_none(), "byte {at}");
        }
    }
}
