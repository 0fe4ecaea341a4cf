//! A scripted stand-in for a server that makes models of pictures, on a loopback port of its own.
//!
//! It says what the real one says, flaws included, and does what the test's script tells it to do.
//! It never reaches beyond loopback, and a dropped one leaves no connection behind.

mod connection;
mod seen;
mod script;
mod hunyuan;
mod generic;
mod orfeas;
mod stability;
mod order;
mod form;
mod photo;
mod formats;
pub(crate) mod glb;
pub(crate) mod proxied;
mod reply;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use hunyuan::Job;
use orfeas::Studio;
use proxied::Events;
use script::Script;
pub(crate) use script::Turn;
use seen::Requests;
pub(crate) use seen::Seen;

/// Which server it stands in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// `api_server.py` of Hunyuan3D-2: everything is looked at late, and every failure is a 404.
    Hunyuan2,
    /// `api_server.py` of Hunyuan3D-2.1: fields are validated, and every model is another one.
    Hunyuan21,
    /// JSON or a form in, a file or JSON out, as many other servers have it.
    Generic,
    /// `main.py` of the ORFEAS studio: a job is made of an upload, and every model is another one.
    Orfeas,
    /// The hosted API of Stability: a key is needed, and models cost credits.
    Stability,
}

/// A running stand-in.
#[derive(Debug)]
pub(crate) struct StandIn {
    address: SocketAddr,
    server: Arc<Server>,
    /// Once it is dropped, the listener and all connections are gone.
    runtime: Runtime,
}

/// What the routes share.
#[derive(Debug)]
struct Server {
    protocol: Protocol,
    script: Arc<Script>,
    requests: Requests,
    /// Taken by whoever blocks the one event loop of the real server.
    event_loop: tokio::sync::Mutex<()>,
    /// What has come of the generations of `/send`; nothing, while they run and when they failed.
    jobs: Mutex<HashMap<String, Job>>,
    events: watch::Sender<Events>,
    padding_bytes: AtomicUsize,
    /// How many models there were that are each another one.
    drawn: AtomicUsize,
    /// What the studio of ORFEAS remembers.
    studio: Mutex<Studio>,
    credits_spent: AtomicUsize,
}

impl StandIn {
    /// Starts it on a free port.
    pub(crate) fn start(protocol: Protocol) -> Self {
        Self::start_at(protocol, (Ipv4Addr::LOCALHOST, 0).into())
    }

    /// Starts it on this address: where another one was before.
    pub(crate) fn start_at(protocol: Protocol, address: SocketAddr) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = bind(address);
        let address = listener.local_addr().unwrap();
        let server = Arc::new(Server::new(protocol));
        runtime.spawn(connection::accept(listener, Arc::clone(&server)));
        Self { address, server, runtime }
    }

    /// Returns where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns its URL, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Scripts the next generations, in order; those after them are done well.
    pub(crate) fn script(&self, turns: impl IntoIterator<Item = Turn>) {
        self.server.script.extend(turns);
    }

    /// Lets generations wait until the gate is open; they count as begun.
    pub(crate) fn close_gate(&self) {
        self.server.script.set_open(false);
    }

    /// Lets generations go on.
    pub(crate) fn open_gate(&self) {
        self.server.script.set_open(true);
    }

    /// Returns how many generations have begun, scripted failures included.
    pub(crate) fn begun(&self) -> usize {
        self.server.script.bodies().len()
    }

    /// Returns the most generations that were under way at the same time.
    pub(crate) fn most_at_once(&self) -> usize {
        self.server.script.most_at_once()
    }

    /// Blocks until so many generations have begun.
    pub(crate) fn wait_until_begun(&self, count: usize) {
        self.server.script.wait_until_begun(count);
    }

    /// Returns every request so far, of every route, in the order in which they arrived.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.server.requests.all()
    }

    /// Returns the bodies of the generations in the order in which they began.
    pub(crate) fn generations(&self) -> Vec<Bytes> {
        self.server.script.bodies()
    }

    /// Makes later models so many bytes bigger.
    pub(crate) fn padding(&self, bytes: usize) {
        self.server.padding_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Returns how many pictures the studio of ORFEAS was given; they are no generations yet.
    pub(crate) fn uploads(&self) -> usize {
        self.server.studio().uploads_count()
    }

    /// Makes the studio of ORFEAS lose its uploads, jobs and files, as one that starts anew elsewhere;
    /// what is under way comes to nothing.
    pub(crate) fn forget(&self) {
        self.server.studio().forget();
    }

    /// Returns what the models of Stability have cost.
    pub(crate) fn credits_spent(&self) -> usize {
        self.server.credits_spent.load(Ordering::Relaxed)
    }

    /// Sends one more event to everybody who listens to `/events`.
    pub(crate) fn event(&self) {
        self.server.events.send_modify(|events| events.count += 1);
    }

    /// Ends the answers of `/events`, those to come too.
    pub(crate) fn end_events(&self) {
        self.server.events.send_modify(|events| events.have_ended = true);
    }

    /// Ends it: connections are cut, and the port is free.
    pub(crate) fn stop(self) {
        drop(self.runtime);
    }
}

impl Server {
    fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            script: Arc::default(),
            requests: Requests::default(),
            event_loop: tokio::sync::Mutex::default(),
            jobs: Mutex::default(),
            events: watch::Sender::default(),
            padding_bytes: AtomicUsize::new(0),
            drawn: AtomicUsize::new(0),
            studio: Mutex::default(),
            credits_spent: AtomicUsize::new(0),
        }
    }

    fn studio(&self) -> MutexGuard<'_, Studio> {
        self.studio.lock().unwrap()
    }
}

/// Listens at an address. Where a stand-in was stopped, it is free: that waits for its end, and what its
/// connections leave behind does not hold the address.
fn bind(address: SocketAddr) -> TcpListener {
    let listener = TcpListener::bind(address).unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

/// Draws a UUID of version 4.
fn uuid() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).unwrap();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
