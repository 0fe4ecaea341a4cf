//! The servers that do the same work, and the line in front of them all.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use http::Uri;
use meshmemo::{Clock, Error, ErrorKind, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::lane::{LaneView, Verdict};
use crate::queue::Queue;
use crate::remote::{Remote, is_unreachable};

/// How many connections may change their protocol, and how long to wait when that many have.
pub const TUNNELS_MAX: usize = 256;
const TUNNEL_RETRY_AFTER: Duration = Duration::from_secs(30);

/// Which servers there are, and how they are used.
#[derive(Debug, Clone)]
pub struct BackendsOptions {
    /// Their addresses: at least one.
    pub urls: Vec<Uri>,
    /// How many generations each is asked for at a time.
    pub concurrency: usize,
    /// How many wait for their turn.
    pub queue: usize,
    /// How long one generation may take, without its wait.
    pub timeout: Duration,
}

/// The servers that do the same work.
pub struct Backends {
    servers: Vec<Server>,
    queue: Queue,
    tunnels: Arc<Semaphore>,
    clock: Arc<dyn Clock>,
    observer: Box<dyn Fn(Duration) + Send + Sync>,
}

#[derive(Debug)]
struct Server {
    remote: Arc<Remote>,
    /// Why it could not be reached when it was last looked for.
    trouble: Mutex<Option<String>>,
}

/// One of the servers, and how it stands.
#[derive(Debug, Clone)]
pub struct BackendView {
    /// Its address.
    pub url: String,
    /// How it stands in the line.
    pub lane: LaneView,
    /// Why it can not be reached.
    pub trouble: Option<String>,
}

impl Backends {
    /// Takes the servers, and asks them nothing yet; `observer` is told how long each generation took
    /// that ended well.
    ///
    /// # Errors
    /// The system's certificates can not be read.
    pub fn new(
        options: BackendsOptions,
        clock: Arc<dyn Clock>,
        observer: impl Fn(Duration) + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let BackendsOptions { urls, concurrency, queue, timeout } = options;
        let server = |url| {
            let remote = Arc::new(Remote::new(url, timeout)?);
            Ok(Server { remote, trouble: Mutex::default() })
        };
        let servers = urls.into_iter().map(server).collect::<std::io::Result<Vec<_>>>()?;
        let queue = Queue::before(servers.len(), concurrency, queue, Arc::clone(&clock));
        let tunnels = Arc::new(Semaphore::new(TUNNELS_MAX));
        Ok(Self { servers, queue, tunnels, clock, observer: Box::new(observer) })
    }

    /// Returns the line in front of them.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Returns the one that answers what is no generation: the first that is in use and well, or the very
    /// first.
    pub fn first(&self) -> &Arc<Remote> {
        let lanes = self.queue.lanes();
        let is_fit = |lane: &LaneView| lane.is_reachable && !lane.is_drained;
        let fit = lanes.iter().position(is_fit).unwrap_or(0);
        &self.servers[fit].remote
    }

    /// Lists them, and how they stand.
    pub fn views(&self) -> Vec<BackendView> {
        let views = self.servers.iter().zip(self.queue.lanes()).map(|(server, lane)| {
            let trouble = server.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
            BackendView { url: server.remote.name(), lane, trouble }
        });
        views.collect()
    }

    /// Finds one by its address, with or without the scheme; returns its place in the list.
    pub fn find(&self, address: &str) -> Option<usize> {
        let wanted = address.trim_end_matches('/');
        self.servers.iter().position(|server| {
            let name = server.remote.name();
            name == wanted || name.split_once("://").is_some_and(|(_, bare)| bare == wanted)
        })
    }

    /// Gives one no more work, or some again.
    pub fn set_drained(&self, index: usize, is_drained: bool) {
        self.queue.set_drained(index, is_drained);
    }

    /// Looks whether they accept connections.
    pub async fn probe(&self) {
        let probes = self.servers.iter().map(|server| server.remote.probe());
        for (index, probed) in join_all(probes).await.into_iter().enumerate() {
            self.note_reachable(index, probed.err());
        }
    }

    pub(crate) fn remote(&self, index: usize) -> &Arc<Remote> {
        &self.servers[index].remote
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Notes how long a generation took that ended well.
    pub(crate) fn note_generation(&self, took: Duration) {
        self.queue.note_work(took);
        (self.observer)(took);
    }

    /// Learns from how a piece of work ended that a server was given.
    pub(crate) fn learn<T>(&self, index: usize, ended: &Result<T>) {
        let verdict = match ended {
            Err(error) if is_unreachable(error) => {
                self.note_reachable(index, Some(error.to_string()));
                Verdict::Unreachable
            }
            _ => Verdict::of(ended),
        };
        if verdict == Verdict::Well {
            self.note_reachable(index, None);
        }
        self.queue.report(index, verdict);
    }

    /// Takes a place among the tunnels; it is given back when it is dropped.
    ///
    /// # Errors
    /// `Busy` if there are too many.
    pub(crate) fn tunnel(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.tunnels).try_acquire_owned().map_err(|_| {
            let message =
                format!("{TUNNELS_MAX} connections that have changed their protocol are open");
            Error::new(ErrorKind::Busy { retry_after: TUNNEL_RETRY_AFTER }, message)
        })
    }

    fn note_reachable(&self, index: usize, trouble: Option<String>) {
        let server = &self.servers[index];
        let backend = server.remote.name();
        let is_news = self.queue.set_reachable(index, trouble.is_none());
        match &trouble {
            Some(why) if is_news => tracing::warn!(backend, why, "a backend can not be reached"),
            None if is_news => tracing::info!(backend, "a backend can be reached again"),
            _ => {}
        }
        *server.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

impl fmt::Debug for Backends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backends")
            .field("servers", &self.servers)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}
