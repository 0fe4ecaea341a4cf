//! What every handler has at hand.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use meshmemo::{Clock, Freshness, Mode, ResultCache, Tier, Usage};
use meshmemo_gateway::{Jobs, Secret, Uploads};
use meshmemo_tiers::{Disk, Redis};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::health::Probe;
use super::metrics::Metrics;
use crate::access::Access;
use crate::backend::Backend;
use crate::body_budget::BodyBudget;
use crate::config::{CacheUse, Config};
use crate::observed::Observed;
use crate::tasks::Tasks;
use crate::tls::Tls;

/// What stands before this server's own paths where the rest is the backend's.
pub(crate) const PREFIX: &str = "/-/meshmemo";

/// What every handler has at hand; made in `wire.rs`.
#[derive(Debug)]
pub struct State {
    /// The result cache.
    pub cache: ResultCache,
    /// The disk tier, if there is one.
    pub disk: Option<Arc<Disk>>,
    /// The tier that gateways share, if there is one.
    pub redis: Option<Redis>,
    /// The backend that makes what the cache does not have.
    pub backend: Backend,
    /// What was uploaded, for when a model of it is ordered.
    pub kept_uploads: Arc<Uploads>,
    /// The jobs that are remembered.
    pub jobs: Jobs,
    /// The secret of the data directory.
    pub secret: Secret,
    /// What the cache would have answered, where it only observes.
    pub observed: Option<Observed>,
    /// How the process was configured.
    pub config: Config,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// When the process started, in monotonic time.
    pub started_at: Duration,
    /// The address that is listened on.
    pub address: SocketAddr,
    /// The name of this node: its host.
    pub node: String,
    /// The process's tasks.
    pub tasks: Tasks,
    /// The requests that are being answered, until the last byte of their answers is taken.
    pub requests: TaskTracker,
    /// The budget of photos, until they are made into models.
    pub uploads: BodyBudget,
    /// The budget of models on their way out.
    pub sends: BodyBudget,
    /// Who may ask.
    pub access: Access,
    /// The server's certificate, if it speaks TLS.
    pub(crate) tls: Option<Tls>,
    /// When the backend was last looked for, and what was wrong.
    pub(crate) probe: Probe,
    /// Places for those who watch jobs.
    pub(crate) watchers: Arc<Semaphore>,
    /// What is measured.
    pub metrics: Arc<Metrics>,
}

impl State {
    /// Lets each namespace take no more than its share, in every tier.
    pub fn apply_shares(&self, shares: &HashMap<Arc<str>, u64>) {
        self.cache.set_shares(shares);
        if let Some(disk) = &self.disk {
            disk.set_shares(shares);
        }
    }

    /// Returns where one of this server's own paths stands: behind a prefix where the rest is the
    /// backend's.
    pub fn own(&self, path: &str) -> String {
        format!("{}{path}", self.prefix())
    }

    /// Returns what stands before this server's own paths.
    pub fn prefix(&self) -> &'static str {
        if self.config.backend.is_native() { "" } else { PREFIX }
    }

    /// Returns the beginning of this server's URLs.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Returns what the disk holds.
    pub fn disk_usage(&self) -> Option<Usage> {
        self.disk.as_ref()?.status().usage
    }

    /// Returns whether what backends do at a time should be counted for all gateways together, and whether it
    /// is; nothing where there is nothing to share.
    pub fn counts_for_all(&self) -> Option<bool> {
        let (redis, config) = (self.redis.as_ref()?, self.config.redis.as_ref()?);
        let is_shared = self.backend.gateway().is_some() && config.mode != Mode::ReadOnly;
        is_shared.then(|| redis.is_well())
    }

    /// Returns the wall time in seconds since the Unix epoch.
    pub fn timestamp(&self) -> f64 {
        self.clock.wall().as_secs_f64()
    }

    /// Returns what a request may use of the cache, given what it asks for itself.
    pub fn freshness(&self, asked: Freshness) -> Freshness {
        match asked {
            Freshness::OnlyIfCached => asked,
            _ if self.config.cache == CacheUse::On => asked,
            _ => Freshness::Bypass,
        }
    }
}
