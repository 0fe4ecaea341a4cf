//! The servers that do the same work, and the line in front of them all.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use http::Uri;
use meshmemo::{Clock, Error, ErrorKind, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::lane::{LaneView, Verdict};
use crate::queue::{Queue, QueueOptions};
use crate::remote::{Remote, is_unreachable};
use crate::studio_jobs::StudioJobs;

/// How many connections may change their protocol, and how long to wait when that many have.
pub const TUNNELS_MAX: usize = 256;
const TUNNEL_RETRY_AFTER: Duration = Duration::from_secs(30);
/// How long after one look whether any can be reached the next one comes.
const REACH_AGAIN: Duration = Duration::from_secs(1);

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
    servers: Vec<Arc<Remote>>,
    queue: Queue,
    tunnels: Arc<Semaphore>,
    studio_jobs: Arc<StudioJobs>,
    clock: Arc<dyn Clock>,
    observer: Box<dyn Fn(Duration) + Send + Sync>,
}

/// One of the servers, and how it stands.
#[derive(Debug, Clone)]
pub struct BackendView {
    /// Its address.
    pub url: String,
    /// How it stands in the line.
    pub lane: LaneView,
}

impl Backends {
    /// Takes the servers, and asks them nothing yet; what studios among them work at is in `studio_jobs`, and
    /// `observer` is told how long each generation took
    /// that ended well.
    ///
    /// # Errors
    /// The system's certificates can not be read.
    pub fn new(
        options: BackendsOptions,
        studio_jobs: StudioJobs,
        clock: Arc<dyn Clock>,
        observer: impl Fn(Duration) + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let BackendsOptions { urls, concurrency, queue, timeout } = options;
        let server = |url| Ok(Arc::new(Remote::new(url, timeout)?));
        let servers = urls.into_iter().map(server).collect::<std::io::Result<Vec<_>>>()?;
        let backend_count = servers.len();
        let options = QueueOptions { backend_count, concurrency, waiting_max: queue };
        let queue = Queue::new(options, Arc::clone(&clock));
        let tunnels = Arc::new(Semaphore::new(TUNNELS_MAX));
        let (studio_jobs, observer) = (Arc::new(studio_jobs), Box::new(observer));
        Ok(Self { servers, queue, tunnels, studio_jobs, clock, observer })
    }

    /// Returns the line in front of them.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Returns the one that answers what is no generation: the first that is in use and well, or the very
    /// first.
    pub fn first(&self) -> &Arc<Remote> {
        let lanes = self.queue.lanes();
        let is_in_use = |lane: &LaneView| lane.trouble.is_none() && !lane.is_drained;
        let is_well = |lane: &LaneView| is_in_use(lane) && !lane.is_breaker_open;
        let found = lanes.iter().position(is_well).or_else(|| lanes.iter().position(is_in_use));
        &self.servers[found.unwrap_or(0)]
    }

    /// Lists them, and how they stand.
    pub fn views(&self) -> Vec<BackendView> {
        let views = self.servers.iter().zip(self.queue.lanes());
        views.map(|(server, lane)| BackendView { url: server.name(), lane }).collect()
    }

    /// Finds one by its address, without the scheme if that names one only; returns its place in the list.
    pub fn find(&self, address: &str) -> Option<usize> {
        let wanted = address.trim_end_matches('/');
        let named = |is_named: &dyn Fn(&str) -> bool| -> Vec<usize> {
            let servers = self.servers.iter().enumerate();
            servers.filter(|(_, server)| is_named(&server.name())).map(|(index, _)| index).collect()
        };
        let whole = named(&|name| name == wanted);
        let bare = named(&|name| name.split_once("://").is_some_and(|(_, bare)| bare == wanted));
        match (&whole[..], &bare[..]) {
            ([only], _) | ([], [only]) => Some(*only),
            _ => None,
        }
    }

    /// Looks whether they accept connections.
    pub async fn probe(&self) {
        let probes = self.servers.iter().map(|server| server.probe());
        for (index, probed) in join_all(probes).await.into_iter().enumerate() {
            self.note_trouble(index, probed.err());
        }
    }

    /// Waits until one accepts connections, for as long as a generation may take; `None` if none does.
    pub async fn reached(&self) -> Option<usize> {
        let reaching = async {
            loop {
                self.probe().await;
                let reached = self.queue.lanes().iter().position(|lane| lane.trouble.is_none());
                if let Some(reached) = reached {
                    return reached;
                }
                tokio::time::sleep(REACH_AGAIN).await;
            }
        };
        tokio::time::timeout(self.first().timeout(), reaching).await.ok()
    }

    /// Lists all but one, by their places.
    pub(crate) fn but(&self, index: usize) -> Vec<usize> {
        (0..self.servers.len()).filter(|other| *other != index).collect()
    }

    pub(crate) fn studio_jobs(&self) -> &Arc<StudioJobs> {
        &self.studio_jobs
    }

    pub(crate) fn remote(&self, index: usize) -> &Arc<Remote> {
        &self.servers[index]
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Notes how long a generation took that ended well.
    pub(crate) fn note_generation(&self, took: Duration) {
        self.queue.note_work(took);
        (self.observer)(took);
    }

    /// Learns from how a piece of work ended that a server was given; of a request that nobody understands,
    /// only whether the server could be reached: what else was wrong may be the request.
    pub(crate) fn learn<T>(&self, index: usize, ended: &Result<T>, is_understood: bool) {
        match ended {
            Err(error) if is_unreachable(error) => {
                self.note_trouble(index, Some(error.to_string()));
            }
            _ => {
                self.note_trouble(index, None);
                let verdict = Verdict::of(ended);
                if is_understood || verdict != Verdict::Failed {
                    self.queue.report(index, verdict);
                }
            }
        }
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

    fn note_trouble(&self, index: usize, trouble: Option<String>) {
        let backend = self.servers[index].name();
        let why = trouble.clone().unwrap_or_default();
        match (self.queue.set_trouble(index, trouble), why.as_str()) {
            (false, _) => {}
            (true, "") => tracing::info!(backend, "a backend can be reached again"),
            (true, why) => tracing::warn!(backend, why, "a backend can not be reached"),
        }
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
