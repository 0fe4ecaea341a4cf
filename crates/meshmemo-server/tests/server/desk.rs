//! A directory in which commands are run, and what they come to.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use crate::house::{meshmemo, photo_path};

/// A directory to work in.
pub(crate) struct Desk {
    pub(crate) dir: TempDir,
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn run<A: AsRef<OsStr>>(&self, args: &[A]) -> Ran {
        self.run_in(&[], args)
    }

    /// Runs a command with these environment variables.
    pub(crate) fn run_in<A: AsRef<OsStr>>(&self, environment: &[(&str, &str)], args: &[A]) -> Ran {
        let mut command = meshmemo(self.dir.path());
        command.envs(environment.iter().copied()).args(args);
        let ended = command.output().unwrap();
        let [stdout, stderr] =
            [ended.stdout, ended.stderr].map(|out| String::from_utf8(out).unwrap());
        Ran { code: ended.status.code(), stdout, stderr }
    }

    /// Copies a photo here, under another name.
    pub(crate) fn copy(&self, photo: &str, name: &str) -> String {
        fs::copy(photo_path(photo), self.path(name)).unwrap();
        name.to_owned()
    }

    pub(crate) fn is_glb(&self, name: &str) -> bool {
        fs::read(self.path(name)).is_ok_and(|bytes| bytes.starts_with(b"glTF"))
    }
}

impl Ran {
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// Returns what was said on standard error by a command that ended with this code.
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        self.stderr
    }

    /// Returns what a command said that found something wrong.
    pub(crate) fn failed_saying(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        self.stdout
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// Returns the first words of the lines of standard output.
    pub(crate) fn outcomes(&self) -> Vec<&str> {
        self.stdout.lines().map(|line| line.split_whitespace().next().unwrap()).collect()
    }
}
