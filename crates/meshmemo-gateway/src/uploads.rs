//! What was uploaded, for when a model of it is ordered: a bounded number of files, which survive a
//! restart. The oldest make room.
//!
//! A file is a line of JSON, which says what it is, and the upload. One that can not be written is kept
//! in memory. Beside it stands what was last ordered of it.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use meshmemo::{Digest, Scope};
use serde::{Deserialize, Serialize};

/// How many uploads are remembered, and what they may weigh on disk and in memory.
const UPLOADS_MAX: usize = 10_000;
const FILES_MAX_BYTES: u64 = 1 << 30;
const MEMORY_MAX_BYTES: u64 = 256 << 20;
/// Bytes of the line that says what a file is.
const HEAD_MAX_BYTES: u64 = 4 << 10;
/// Bytes of a note of what was ordered.
const ORDER_MAX_BYTES: usize = 4 << 10;

/// What the names of files end with that are not finished, and of those with orders.
const PART: &str = "part";
const ORDER: &str = "order";

/// What is known of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// Its name, which is that of the job for it.
    pub id: String,
    /// Whose it is.
    pub namespace: String,
    /// The name that its client gave it.
    pub label: String,
    /// The name of its file, as its client was told.
    pub file_name: String,
    /// Its media type.
    pub media_type: String,
    /// The digest of its bytes, in hexadecimal digits.
    pub digest: String,
}

/// The uploads that are remembered.
#[derive(Debug)]
pub struct Uploads {
    directory: Option<PathBuf>,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    kept: HashMap<String, Kept>,
    /// In the order in which they came.
    order: VecDeque<String>,
    files_bytes: u64,
    memory_bytes: u64,
}

#[derive(Debug)]
struct Kept {
    upload: Arc<Upload>,
    size_bytes: u64,
    /// Its bytes, where no file has them.
    bytes: Option<Bytes>,
}

impl Uploads {
    /// Opens the uploads of a directory that belongs to this process; without one, they are kept in memory.
    pub fn open(directory: Option<PathBuf>) -> Self {
        let directory = directory.filter(|directory| {
            let made = fs::create_dir_all(directory);
            made.inspect_err(|error| tracing::warn!(%error, "uploads will not survive a restart"))
                .is_ok()
        });
        let mut table = Table::default();
        for (upload, size_bytes) in directory.iter().flat_map(|directory| list(directory)) {
            let kept = Kept { upload: Arc::new(upload), size_bytes, bytes: None };
            drop(table.add(kept));
        }
        Self { directory, table: Mutex::new(table) }
    }

    /// Adds an upload. Blocks: a file is written.
    pub fn add(&self, upload: Upload, bytes: Bytes) {
        let written = self.directory.as_deref().map(|directory| write(directory, &upload, &bytes));
        let is_written = match written {
            Some(Ok(())) => true,
            Some(Err(error)) => {
                tracing::warn!(%error, "an upload will not survive a restart");
                false
            }
            None => false,
        };
        let size_bytes = bytes.len() as u64;
        let bytes = (!is_written).then_some(bytes);
        let forgotten = self.lock().add(Kept { upload: Arc::new(upload), size_bytes, bytes });
        for kept in forgotten {
            self.remove_files(&kept);
        }
    }

    /// Finds an upload within a scope.
    pub fn find(&self, id: &str, scope: &Scope) -> Option<Arc<Upload>> {
        let table = self.lock();
        let upload = &table.kept.get(id)?.upload;
        scope.covers(&upload.namespace).then(|| Arc::clone(upload))
    }

    /// Reads the bytes of an upload, and verifies them. Blocks.
    pub fn read(&self, upload: &Upload) -> Option<Bytes> {
        let in_memory = self.lock().kept.get(&upload.id)?.bytes.clone();
        if in_memory.is_some() {
            return in_memory;
        }
        let path = self.directory.as_ref()?.join(&upload.id);
        let read = fs::read(&path).inspect_err(|error| {
            tracing::warn!(%error, "an upload can not be read");
        });
        let file = Bytes::from(read.ok()?);
        let head = file.iter().position(|byte| *byte == b'\n')?;
        let bytes = file.slice(head + 1..);
        let is_whole = Digest::of(&bytes).to_string() == upload.digest;
        if !is_whole {
            tracing::warn!(path = %path.display(), "an upload is corrupt");
        }
        is_whole.then_some(bytes)
    }

    /// Notes what is ordered of an upload that is still there, for a process that comes after this one. If
    /// that can not be, nothing is: not what was ordered before either. Blocks: a file is written.
    pub fn note_order(&self, id: &str, order: &str) {
        let Some(directory) = &self.directory else { return };
        let (part, noted) =
            (directory.join(format!("{id}.{ORDER}.{PART}")), order_of(directory, id));
        let written = if order.len() > ORDER_MAX_BYTES {
            Err(io::Error::other(format!("it is longer than {ORDER_MAX_BYTES} bytes")))
        } else {
            fs::write(&part, order).and_then(|()| fs::rename(&part, &noted))
        };
        if let Err(error) = &written {
            tracing::warn!(%error, "an order will not survive a restart");
        }
        // Whoever forgets the upload after this look removes the note too.
        if written.is_err() || !self.lock().kept.contains_key(id) {
            drop((fs::remove_file(&part), fs::remove_file(&noted)));
        }
    }

    /// Returns what was ordered last of an upload. Blocks.
    pub fn ordered(&self, id: &str) -> Option<String> {
        fs::read_to_string(order_of(self.directory.as_ref()?, id)).ok()
    }

    fn remove_files(&self, kept: &Kept) {
        let Some(directory) = &self.directory else { return };
        let id = &kept.upload.id;
        for path in [directory.join(id), order_of(directory, id)] {
            // What can not be removed is found at the next start, and what is not there need not be.
            let _left = fs::remove_file(path);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Adds an upload; returns those that had to make room, to be dropped where nothing is locked.
    fn add(&mut self, kept: Kept) -> Vec<Kept> {
        *self.bytes_of(&kept) += kept.size_bytes;
        let id = kept.upload.id.clone();
        self.order.push_back(id.clone());
        self.kept.insert(id, kept);
        let mut forgotten = Vec::new();
        while self.kept.len() > 1 && self.is_too_much() {
            let Some(oldest) = self.order.pop_front() else { break };
            let Some(kept) = self.kept.remove(&oldest) else { continue };
            *self.bytes_of(&kept) -= kept.size_bytes;
            forgotten.push(kept);
        }
        forgotten
    }

    fn bytes_of(&mut self, kept: &Kept) -> &mut u64 {
        if kept.bytes.is_some() { &mut self.memory_bytes } else { &mut self.files_bytes }
    }

    fn is_too_much(&self) -> bool {
        self.kept.len() > UPLOADS_MAX
            || self.files_bytes > FILES_MAX_BYTES
            || self.memory_bytes > MEMORY_MAX_BYTES
    }
}

/// Puts an upload into its file, which is there as a whole or not at all.
fn write(directory: &Path, upload: &Upload, bytes: &Bytes) -> io::Result<()> {
    let part = directory.join(format!("{}.{PART}", upload.id));
    let mut file = File::create(&part)?;
    let mut head = serde_json::to_vec(upload)?;
    head.push(b'\n');
    let written = file.write_all(&head).and_then(|()| file.write_all(bytes));
    let written = written.and_then(|()| fs::rename(&part, directory.join(&upload.id)));
    written.inspect_err(|_| drop(fs::remove_file(&part)))
}

/// Returns where it stands what was last ordered of an upload.
fn order_of(directory: &Path, id: &str) -> PathBuf {
    directory.join(format!("{id}.{ORDER}"))
}

/// Lists the uploads of a directory and what they weigh, the oldest first; what is none is removed where
/// it is a file that was not finished or the order of an upload that is gone, and else left alone.
fn list(directory: &Path) -> Vec<(Upload, u64)> {
    let mut found: Vec<(SystemTime, Upload, u64)> = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some(PART) => {
                let _left = fs::remove_file(&path);
                continue;
            }
            Some(ORDER) => {
                if !path.with_extension("").exists() {
                    let _left = fs::remove_file(&path);
                }
                continue;
            }
            _ => {}
        }
        match read_head(&path) {
            Ok((upload, size_bytes)) if entry.file_name() == *upload.id => {
                let written = entry.metadata().and_then(|meta| meta.modified());
                found.push((written.unwrap_or(SystemTime::UNIX_EPOCH), upload, size_bytes));
            }
            _ => tracing::warn!(path = %path.display(), "this is no upload, and is left alone"),
        }
    }
    found.sort_by_key(|(written, ..)| *written);
    found.into_iter().map(|(_, upload, size_bytes)| (upload, size_bytes)).collect()
}

fn read_head(path: &Path) -> io::Result<(Upload, u64)> {
    let file = File::open(path)?;
    let whole_bytes = file.metadata()?.len();
    let mut line = Vec::new();
    BufReader::new(file.take(HEAD_MAX_BYTES)).read_until(b'\n', &mut line)?;
    let upload = serde_json::from_slice(&line)?;
    Ok((upload, whole_bytes - line.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload(id: &str, bytes: &[u8]) -> Upload {
        Upload {
            id: id.to_owned(),
            namespace: "own".to_owned(),
            label: "cup.png".to_owned(),
            file_name: format!("{id}_cup.png"),
            media_type: "image/png".to_owned(),
            digest: Digest::of(bytes).to_string(),
        }
    }

    fn own() -> Scope {
        Scope::Namespace("own".into())
    }

    #[test]
    fn an_upload_is_there_after_a_restart_and_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let place = || Some(directory.path().to_owned());
        let uploads = Uploads::open(place());
        uploads.add(upload("a", b"cup"), Bytes::from_static(b"cup"));
        assert!(uploads.find("a", &Scope::Namespace("other".into())).is_none());
        drop(uploads);
        fs::write(directory.path().join("b.part"), "half").unwrap();
        let uploads = Uploads::open(place());
        let found = uploads.find("a", &own()).unwrap();
        assert_eq!(uploads.read(&found).unwrap(), "cup");
        assert!(!directory.path().join("b.part").exists());
        let path = directory.path().join("a");
        let mut file = fs::read(&path).unwrap();
        *file.last_mut().unwrap() ^= 1;
        fs::write(&path, file).unwrap();
        assert!(uploads.read(&found).is_none(), "it is corrupt");
    }

    #[test]
    fn what_was_ordered_is_there_for_as_long_as_the_upload() {
        let directory = tempfile::tempdir().unwrap();
        let uploads = Uploads::open(Some(directory.path().to_owned()));
        uploads.add(upload("a", b"cup"), Bytes::from_static(b"cup"));
        uploads.note_order("a", "a model");
        uploads.note_order("a", "another model");
        uploads.note_order("gone", "a model of an upload that is not there any more");
        fs::write(directory.path().join("lost.order"), "of an upload that is gone").unwrap();
        let uploads = Uploads::open(Some(directory.path().to_owned()));
        assert_eq!(uploads.ordered("a").unwrap(), "another model");
        uploads.note_order("a", &"x".repeat(ORDER_MAX_BYTES + 1));
        assert_eq!(
            uploads.ordered("a"),
            None,
            "what was ordered before is not what is ordered now"
        );
        uploads.note_order("a", "a model");
        let kept = uploads.lock().kept.remove("a").unwrap();
        uploads.remove_files(&kept);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_oldest_make_room_in_memory_and_on_disk() {
        let directory = tempfile::tempdir().unwrap();
        for place in [None, Some(directory.path().to_owned())] {
            let uploads = Uploads::open(place);
            for id in ["a", "b", "c"] {
                uploads.add(upload(id, id.as_bytes()), Bytes::from(id));
            }
            let mut table = uploads.lock();
            let id = "large".to_owned();
            let large = Arc::new(upload(&id, b"d"));
            let bytes = uploads.directory.is_none().then(|| Bytes::from_static(b"d"));
            let size_bytes = if bytes.is_some() { MEMORY_MAX_BYTES } else { FILES_MAX_BYTES } - 1;
            let forgotten = table.add(Kept { upload: large, size_bytes, bytes });
            let ids: Vec<_> = forgotten.iter().map(|kept| kept.upload.id.as_str()).collect();
            assert_eq!(ids, ["a", "b"]);
            assert_eq!(table.kept.len(), 2);
        }
    }
}
