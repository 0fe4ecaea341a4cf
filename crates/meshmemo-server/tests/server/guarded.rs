//! A server whose keys are made by the program itself, as an operator makes them.

use std::sync::Arc;

use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tempfile::TempDir;

use crate::answer::{Answer, send};
use crate::house::{House, meshmemo};

/// The name of the file of keys, in the directory of the server.
pub(crate) const KEYS: &str = "keys.json";

/// A server that needs keys.
pub(crate) struct Guarded {
    pub(crate) house: House,
}

impl Guarded {
    /// Starts a server with these keys, each as `meshmemo keys add` takes it, and these flags; returns
    /// the keys too.
    pub(crate) fn with<const N: usize>(keys: [&str; N], flags: &[&str]) -> (Self, [String; N]) {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let keys = keys.map(|arguments| add_key(&dir, arguments));
        let house = House::in_dir(&dir, &[&["--api-keys", KEYS], flags].concat());
        (Self { house }, keys)
    }

    /// Prepares a request with a key.
    pub(crate) fn request(&self, key: &str, method: Method, path: &str) -> RequestBuilder {
        self.house.request(method, path).header("x-meshmemo-api-key", key)
    }

    pub(crate) fn get(&self, key: &str, path: &str) -> Answer {
        send(self.request(key, Method::GET, path))
    }

    pub(crate) fn post(&self, key: &str, path: &str, body: &Value) -> Answer {
        send(self.request(key, Method::POST, path).json(body))
    }

    /// Prepares the coarsest generation of a photo.
    pub(crate) fn ask(&self, key: &str, photo: &str) -> RequestBuilder {
        self.house.ask(photo, &[("quality", "1")]).header("x-meshmemo-api-key", key)
    }

    /// Has the coarsest model made of a photo.
    pub(crate) fn coarse(&self, key: &str, photo: &str) -> Answer {
        send(self.ask(key, photo)).ok()
    }

    /// Returns the counters that a key sees.
    pub(crate) fn stats(&self, key: &str) -> Value {
        self.get(key, "/api/cache/stats").ok().json()["stats"].take()
    }

    /// Returns what the server has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.house.path("log")).unwrap()
    }
}

/// Makes a key in the file of a directory.
pub(crate) fn add_key(dir: &TempDir, arguments: &str) -> String {
    let made = meshmemo(dir.path())
        .args(["keys", "add", "--api-keys", KEYS])
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

/// Revokes a key of the file of a directory.
pub(crate) fn revoke_key(dir: &TempDir, name: &str) {
    let revoked =
        meshmemo(dir.path()).args(["keys", "revoke", "--api-keys", KEYS, name]).output().unwrap();
    assert!(revoked.status.success(), "{}", String::from_utf8_lossy(&revoked.stderr));
}
