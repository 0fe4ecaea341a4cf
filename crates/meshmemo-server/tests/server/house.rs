//! A server of the test's own, on a port of its own, and a client that talks to it.
//!
//! Nothing here reaches beyond loopback, and nothing is left running: a dropped house is killed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use tempfile::TempDir;

use crate::answer::{ANSWER_WAIT, Answer, send};

/// How long a server may take to say where it listens.
const START_WAIT: Duration = Duration::from_secs(30);
/// How long a server that was told to end may take.
const END_WAIT: Duration = Duration::from_mins(1);
/// How often a state is asked for before it is said never to come.
const POLLS_MAX: usize = 100_000;

/// The photos of `examples/images`.
pub(crate) const PHOTOS: [&str; 5] =
    ["astronaut.png", "chelsea.png", "coffee.png", "horse.png", "rocket.jpg"];

/// A running server, and a client of it.
#[derive(Debug)]
pub(crate) struct House {
    child: Child,
    /// The lines that it says.
    said: Mutex<Receiver<String>>,
    http: Client,
    /// `127.0.0.1:<port>`.
    pub(crate) host: String,
    dir: Arc<TempDir>,
}

impl House {
    /// Starts a server with the default settings.
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// Starts a server with these flags.
    pub(crate) fn with(flags: &[&str]) -> Self {
        Self::in_dir(&Arc::new(tempfile::tempdir().unwrap()), flags)
    }

    /// Starts a server with these flags that keeps nothing on disk.
    pub(crate) fn in_memory(flags: &[&str]) -> Self {
        Self::with(&[flags, &["--disk-max", "off"]].concat())
    }

    /// Starts a server where another one was before.
    pub(crate) fn in_dir(dir: &Arc<TempDir>, flags: &[&str]) -> Self {
        Self::run(meshmemo(dir.path()), dir, flags)
    }

    /// Starts a server where so many files may be open at a time.
    pub(crate) fn with_files(files: usize, dir: &Arc<TempDir>, flags: &[&str]) -> Self {
        let mut command = in_directory("sh", dir.path());
        let script = format!("ulimit -n {files}; exec \"$0\" \"$@\"");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_meshmemo")]);
        Self::run(command, dir, flags)
    }

    fn run(mut command: Command, dir: &Arc<TempDir>, flags: &[&str]) -> Self {
        let log = fs::File::create(dir.path().join("log")).unwrap();
        let listen = ["--listen", "127.0.0.1:0"];
        let listen = if flags.contains(&"--listen") { &[][..] } else { &listen };
        let mut child = command
            .arg("serve")
            .args(listen)
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let said = lines(&mut child);
        let first_line = said.recv_timeout(START_WAIT);
        let http = client().build().unwrap();
        let said = Mutex::new(said);
        let dir = Arc::clone(dir);
        let mut house = Self { child, said, http, host: String::new(), dir };
        let line = first_line.expect("the server says where it listens");
        let url = line.strip_prefix("meshmemo listens on ");
        let host = url.and_then(|url| url.split_once("://")).map(|(_, host)| host);
        host.expect("it says so in the words that scripts read").clone_into(&mut house.host);
        house
    }

    /// Returns the URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.host)
    }

    /// Prepares a request.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.url(path))
    }

    /// Prepares a generation.
    pub(crate) fn ask(&self, photo: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        self.ask_with(read_photo(photo), photo, fields)
    }

    /// Prepares a generation of the bytes of a photo.
    pub(crate) fn ask_with(
        &self,
        photo: impl Into<Bytes>,
        file_name: &str,
        fields: &[(&str, &str)],
    ) -> RequestBuilder {
        let form = form(photo.into(), file_name, fields);
        self.request(Method::POST, "/api/generate").multipart(form)
    }

    /// Prepares a generation at another path.
    pub(crate) fn ask_at(
        &self,
        path: &str,
        photo: &str,
        fields: &[(&str, &str)],
    ) -> RequestBuilder {
        self.request(Method::POST, path).multipart(form(read_photo(photo), photo, fields))
    }

    /// Has a model made of a photo.
    pub(crate) fn generate(&self, photo: &str, fields: &[(&str, &str)]) -> Answer {
        send(self.ask(photo, fields))
    }

    /// Has the coarsest model made of a photo, under a key that the seed makes its own.
    pub(crate) fn coarse(&self, photo: &str, seed: usize) -> Answer {
        self.generate(photo, &[("quality", "1"), ("seed", &seed.to_string())]).ok()
    }

    /// Has the coarsest model made of a horse, as the command line asks for it.
    pub(crate) fn coarse_without_seed(&self) -> Answer {
        self.generate("horse.png", &[("quality", "1")]).ok()
    }

    /// Has a coarse model made of each photo; the first one is the least recently used.
    pub(crate) fn furnish(&self) {
        for photo in PHOTOS {
            self.coarse(photo, 0);
        }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path))
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        send(self.request(Method::DELETE, path))
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        send(self.request(Method::POST, path).json(body))
    }

    /// Returns the counters of `GET /api/cache/stats`.
    pub(crate) fn stats(&self) -> Value {
        self.get("/api/cache/stats").ok().json()["stats"].take()
    }

    /// Returns one counter.
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.stats()[name].as_u64().unwrap()
    }

    /// Returns some counters.
    pub(crate) fn counts<const N: usize>(&self, names: [&str; N]) -> [u64; N] {
        let stats = self.stats();
        names.map(|name| stats[name].as_u64().unwrap_or_else(|| panic!("no count `{name}`")))
    }

    /// Returns how the server says that it is, wherever its own paths stand.
    pub(crate) fn health(&self) -> Value {
        self.get("/-/meshmemo/api/health").ok().json()
    }

    /// Returns the value of a series without labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = self.get("/-/meshmemo/metrics").ok();
        let text = String::from_utf8(text.body.to_vec()).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no series `{name}`")).parse().unwrap()
    }

    /// Returns how many requests are being answered, that for this number not counted.
    pub(crate) fn open_requests(&self) -> usize {
        let count = self.metric("meshmemo_http_requests_in_progress");
        (0..10_000_u16).find(|n| f64::from(*n) >= count - 1.0).unwrap().into()
    }

    /// Waits until the server that was told to end has heard it.
    pub(crate) fn wait_until_draining(&self) {
        self.wait_until(|house| house.log().contains("draining for up to"));
    }

    /// Returns what the server has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Returns how many generations run and wait now.
    pub(crate) fn working_and_queued(&self) -> (u64, u64) {
        let backend = &self.health()["backend"];
        (backend["working"].as_u64().unwrap(), backend["queued"].as_u64().unwrap())
    }

    /// Asks until the state is there.
    pub(crate) fn wait_until(&self, is_there: impl Fn(&Self) -> bool) {
        assert!((0..POLLS_MAX).any(|_| is_there(self)), "the state never came");
    }

    /// Tells the server to end, as an operator does.
    pub(crate) fn terminate(&self) {
        let script = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
    }

    /// Sends the server a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let script = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
    }

    /// Waits for the server's end: it says nothing more, and standard output is closed.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let more = self.said.get_mut().unwrap().recv_timeout(END_WAIT);
        assert_eq!(more, Err(RecvTimeoutError::Disconnected), "the server has not ended");
        self.child.wait().unwrap()
    }

    /// Ends the server as a crash does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends the server as a crash does, while others still talk to it.
    pub(crate) fn kill_from_outside(&self) {
        let script = format!("kill -KILL {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
    }

    /// Returns whether the server runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Ends the server as an operator does, and expects that nothing was dropped.
    pub(crate) fn end(&mut self) {
        self.terminate();
        assert_eq!(self.wait().code(), Some(0));
    }

    /// Returns the directory around the server.
    pub(crate) fn dir(&self) -> Arc<TempDir> {
        Arc::clone(&self.dir)
    }

    /// Returns where the server keeps its data by default.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.path(".cache/meshmemo")
    }

    /// Returns the files of the entries on disk.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let list = |path: &Path| {
            let entries = fs::read_dir(path).into_iter().flatten();
            entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
        };
        list(&self.data_dir().join("obj")).iter().flat_map(|directory| list(directory)).collect()
    }

    /// Empties memory, and leaves the disk as it is.
    pub(crate) fn forget_memory(&self) {
        self.post("/api/cache/clear", &serde_json::json!({ "tiers": ["memory"] })).ok();
    }

    /// Returns a path in the server's own directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Drop for House {
    #[expect(clippy::print_stderr, reason = "what the server said explains why a test failed")]
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
        if thread::panicking() {
            let log = fs::read_to_string(self.path("log")).unwrap_or_default();
            eprintln!("the server's log:\n{log}");
        }
    }
}

/// Writes the form of a generation.
fn form(photo: Bytes, file_name: &str, fields: &[(&str, &str)]) -> Form {
    let length = photo.len() as u64;
    let part = Part::stream_with_length(photo, length).file_name(file_name.to_owned());
    let mut form = Form::new().part("image", part);
    for (name, value) in fields {
        form = form.text((*name).to_owned(), (*value).to_owned());
    }
    form
}

/// Returns a client as tests use it.
pub(crate) fn client() -> reqwest::ClientBuilder {
    let _installed_already = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().timeout(ANSWER_WAIT)
}

/// Returns the program, with nothing of the tester's own configuration around it.
pub(crate) fn meshmemo(dir: &Path) -> Command {
    in_directory(env!("CARGO_BIN_EXE_meshmemo"), dir)
}

fn in_directory(program: &str, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", dir).env("XDG_CONFIG_HOME", dir).current_dir(dir);
    command.stdin(Stdio::null());
    command
}

/// Returns a path in the repository.
pub(crate) fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap().join(path)
}

/// Returns where a photo of `examples/images` is.
pub(crate) fn photo_path(name: &str) -> PathBuf {
    in_repository("examples/images").join(name)
}

/// Reads a photo of `examples/images`.
pub(crate) fn read_photo(name: &str) -> Bytes {
    fs::read(photo_path(name)).unwrap().into()
}

/// Hands on what a server says, until it ends.
fn lines(child: &mut Child) -> Receiver<String> {
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let (said, heard) = mpsc::channel();
    thread::spawn(move || {
        stdout.lines().map_while(Result::ok).try_for_each(|line| said.send(line))
    });
    heard
}
