//! A Redis server of a test's own, on a port of the loopback interface.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long a server may take to answer.
const START_MAX: Duration = Duration::from_secs(20);

/// A Redis server of a test's own.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    options: Vec<String>,
    directory: PathBuf,
    process: Option<Child>,
}

impl RedisServer {
    /// Starts a server that keeps nothing on disk.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with options of its own, as its command line takes them.
    pub fn start_with(options: &[&str]) -> Self {
        let port = free_port();
        let name = format!("meshmemo-redis-{}-{port}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).expect("a directory can be made");
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let mut server = Self { port, options, directory, process: None };
        server.restart();
        server
    }

    /// Returns where it is.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Returns its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it, if it runs, and starts it again under the same address, as it was configured: without
    /// anything in it, unless its options say otherwise.
    pub fn restart(&mut self) {
        self.stop();
        let mut command = Command::new(program());
        command.arg0("redis-server").args(["--bind", "127.0.0.1", "--save", ""]);
        command.args(["--appendonly", "no", "--loglevel", "warning", "--daemonize", "no"]);
        command.arg("--port").arg(self.port.to_string()).arg("--dir").arg(&self.directory);
        command.args(&self.options).stdin(Stdio::null()).stdout(Stdio::null());
        self.process = Some(command.spawn().expect("`make tools` has installed Redis"));
        wait_until("a Redis server answers", || {
            self.command("PING").is_some_and(|answer| !answer.is_empty())
        });
    }

    /// Ends it at once.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself.
            let _ended = process.kill();
            let _status = process.wait();
        }
    }

    /// Has it stand still: connections stay, and nothing is answered.
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Has it go on.
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            let id = Pid::from_raw(i32::try_from(process.id()).expect("process ids are small"));
            kill(id, signal).expect("the server runs");
        }
    }

    /// Sends a command of plain words on a connection of its own; returns the beginning of what it answers, in
    /// its protocol, or nothing if it does not.
    pub fn command(&self, words: &str) -> Option<String> {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        connection.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
        connection.write_all(format!("{words}\r\n").as_bytes()).ok()?;
        let mut answer = vec![0; 64 << 10];
        let count = connection.read(&mut answer).ok()?;
        Some(String::from_utf8_lossy(&answer[..count]).into_owned())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
        // What is left of it is in the directory for what is left.
        let _gone = std::fs::remove_dir_all(&self.directory);
    }
}

/// Waits until something is so, and looks again and again.
pub(super) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    #[expect(clippy::disallowed_methods, reason = "a test waits for another process")]
    let started = SystemTime::now();
    while !is_so() {
        let waited = started.elapsed().unwrap_or_default();
        assert!(waited < START_MAX, "{what}: not within {START_MAX:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Finds a port that is free, and whose neighbour 10,000 above is too: there nodes of a Cluster talk.
pub(super) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 20_000).expect("it is small");
    loop {
        let port = 20_000 + first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if is_free(port) && is_free(port + 10_000) {
            return port;
        }
    }
}

/// Returns where `make tools` has put the server.
fn program() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/redis/redis-server")
}
