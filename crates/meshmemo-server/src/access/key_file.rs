//! The file of the keys: JSON, so that a file that was cut short is none.
//!
//! It holds no key, only what keys are recognised by; yet whoever can write it is the operator, and
//! whoever can read it learns who there is. So it is refused where others may.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::record::{KeyRecord, check_all};

const VERSION: u32 = 1;
/// Bytes that the file may have: some four thousand keys.
const FILE_MAX_BYTES: u64 = 1 << 20;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    keys: Vec<KeyRecord>,
}

/// Reads a file of keys, as a server does: it must be its own, or root's.
///
/// # Errors
/// It can not be read, others may read or change it, or it is not what `meshmemo keys` writes.
pub fn read(path: &Path) -> Result<Vec<KeyRecord>> {
    check_owner(path)?;
    read_anybodys(path)
}

/// Reads a file of keys whoever owns it, as root does who looks after the file of a service.
fn read_anybodys(path: &Path) -> Result<Vec<KeyRecord>> {
    let unreadable = || format!("the file of API keys {} can not be read", path.display());
    // A pipe would be waited for.
    if !path.metadata().with_context(unreadable)?.is_file() {
        bail!("{} is no file", path.display());
    }
    let file = File::open(path).with_context(unreadable)?;
    check_mode(path, &file)?;
    let mut bytes = Vec::new();
    file.take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_MAX_BYTES {
        bail!("{} has more than {FILE_MAX_BYTES} bytes", path.display());
    }
    parse(&bytes).with_context(|| format!("{} is no file of API keys", path.display()))
}

fn parse(bytes: &[u8]) -> Result<Vec<KeyRecord>> {
    let Document { version, keys } = serde_json::from_slice(bytes)?;
    if version != VERSION {
        bail!("its version is {version}, but must be {VERSION}");
    }
    check_all(&keys)?;
    Ok(keys)
}

/// Refuses a file that everybody may read, or that anybody but its owner may write. Its group may
/// read it: secrets that are mounted into containers can often be had in no other way.
#[cfg(unix)]
fn check_mode(path: &Path, file: &File) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    const OTHERS: u32 = 0o027;
    let metadata = file.metadata()?;
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS != 0 {
        let path = path.display();
        bail!("{path} may be read or changed by others (mode {mode:04o}): `chmod 600 {path}`");
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_mode(_: &Path, _: &File) -> Result<()> {
    Ok(())
}

#[cfg(unix)]
fn check_owner(path: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let (owner, own) = (path.metadata().map(|it| it.uid()), nix::unistd::geteuid().as_raw());
    match owner {
        Ok(owner) if owner != 0 && owner != own => {
            bail!("{} belongs to the user {owner}, who may change it", path.display())
        }
        // Who can not look at it can not read it either, and is told why then.
        _ => Ok(()),
    }
}

#[cfg(not(unix))]
fn check_owner(_: &Path) -> Result<()> {
    Ok(())
}

/// A file of keys that nobody else changes meanwhile.
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
    /// Held until the end: two who add a key at once would lose one.
    _turn: File,
    /// The keys in it.
    pub records: Vec<KeyRecord>,
}

impl KeyFile {
    /// Takes the file, for reading and changing; one that is not there has no keys yet.
    ///
    /// # Errors
    /// As [`read`]; or its directory is not there.
    pub fn take(path: &Path) -> Result<Self> {
        // What a link points to is changed, and not the link.
        let path = match path.canonicalize() {
            Ok(path) => path,
            Err(_) if path.is_symlink() => bail!("{} is a link to nowhere", path.display()),
            Err(_) => path.to_path_buf(),
        };
        let directory = directory(&path);
        let turn = File::open(directory)
            .with_context(|| format!("the directory {} can not be opened", directory.display()))?;
        turn.lock().with_context(|| format!("{} can not be locked", directory.display()))?;
        let records = match path.metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            _ => read_anybodys(&path)?,
        };
        Ok(Self { path, _turn: turn, records })
    }

    /// Writes the keys, so that whoever reads the file sees them as they were or as they are, and a
    /// crash leaves one of the two.
    ///
    /// # Errors
    /// They can not be written, or can not all hold; the file is as it was.
    pub fn save(&self) -> Result<()> {
        check_all(&self.records)?;
        let document = Document { version: VERSION, keys: self.records.clone() };
        let mut bytes = serde_json::to_vec_pretty(&document)?;
        bytes.push(b'\n');
        if bytes.len() as u64 > FILE_MAX_BYTES {
            bail!("there are too many keys: the file may have {FILE_MAX_BYTES} bytes");
        }
        let mut part = self.path.clone().into_os_string();
        part.push(".part");
        let part = PathBuf::from(part);
        let write = || -> std::io::Result<()> {
            let mut file = create_private(&part)?;
            file.write_all(&bytes)?;
            keep_owner(&file, &self.path)?;
            file.sync_all()?;
            fs::rename(&part, &self.path)?;
            File::open(directory(&self.path))?.sync_all()
        };
        write()
            .inspect_err(|_| drop(fs::remove_file(&part)))
            .with_context(|| format!("{} can not be written", self.path.display()))
    }
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Gives a file the owner and the mode of the one whose place it takes: a server that could read
/// that one must be able to read this one.
#[cfg(unix)]
fn keep_owner(file: &File, replaced: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let old = match replaced.metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        metadata => metadata?,
    };
    let new = file.metadata()?;
    if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
        std::os::unix::fs::fchown(file, Some(old.uid()), Some(old.gid()))?;
    }
    file.set_permissions(old.permissions())
}

#[cfg(not(unix))]
fn keep_owner(_: &File, _: &Path) -> std::io::Result<()> {
    Ok(())
}

/// Makes a file that its owner alone may read; left-overs of a crash are replaced.
fn create_private(path: &Path) -> std::io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Token;
    use crate::access::record::tests::record;

    fn saved(names: &[&str]) -> (tempfile::TempDir, PathBuf, Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.json");
        let mut file = KeyFile::take(&path).unwrap();
        file.records = names.iter().map(|name| record(name, &Token::draw().unwrap())).collect();
        file.save().unwrap();
        let bytes = fs::read(&path).unwrap();
        (dir, path, bytes)
    }

    #[test]
    fn keys_come_back_as_they_were_also_with_other_line_ends() {
        let (_dir, path, bytes) = saved(&["cup", "vase"]);
        assert_eq!(KeyFile::take(&path).unwrap().records, read(&path).unwrap());
        let crlf = String::from_utf8(bytes.clone()).unwrap().replace('\n', "\r\n");
        assert_eq!(parse(crlf.as_bytes()).unwrap(), parse(&bytes).unwrap());
    }

    #[test]
    fn a_file_that_was_cut_short_anywhere_is_none() {
        let (_dir, _, bytes) = saved(&["cup", "vase"]);
        for length in 0..bytes.len() - 1 {
            let cut = parse(&bytes[..length]);
            assert!(cut.is_err(), "{length} bytes of {}", bytes.len());
        }
    }

    #[test]
    fn garbage_is_none() {
        let (_dir, path, bytes) = saved(&["cup"]);
        let text = String::from_utf8(bytes).unwrap();
        let twice =
            text.replace("\"role\": \"generate\"", "\"role\": \"read\", \"role\": \"admin\"");
        for wrong in [
            String::new(),
            "null".to_owned(),
            "[]".to_owned(),
            "mm_0123456789ab_secret".to_owned(),
            "\u{feff}".to_owned() + &text,
            text.replace("\"version\": 1", "\"version\": 2"),
            text.replace("\"role\"", "\"rôle\""),
            text.replace("\"generate\"", "\"root\""),
            text.replace("\"created\": ", "\"created\": -"),
            twice,
            text.clone() + &text,
        ] {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(parse(&[0xff; 100]).is_err());
        fs::write(&path, text + &" ".repeat(1 << 20)).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("more than 1048576 bytes"));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_refused_with_what_to_do() {
        use std::os::unix::fs::PermissionsExt;
        let (_dir, path, _) = saved(&["cup"]);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        for (mode, is_good) in [
            (0o600, true),
            (0o400, true),
            (0o640, true),
            (0o644, false),
            (0o660, false),
            (0o602, false),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let read = read(&path);
            assert_eq!(read.is_ok(), is_good, "{mode:o}");
            if let Err(error) = read {
                let said = error.to_string();
                assert!(
                    said.contains("chmod 600") && said.contains(&format!("{mode:04o}")),
                    "{said}"
                );
            }
        }
    }
}
