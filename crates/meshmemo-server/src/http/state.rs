//! What every handler has at hand.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use meshmemo::{Clock, Freshness, ResultCache, Tier, Usage};
use meshmemo_gateway::Relief;
use meshmemo_tiers::Disk;
use tokio_util::task::TaskTracker;

use super::metrics::Metrics;
use crate::access::Access;
use crate::body_budget::BodyBudget;
use crate::config::Config;
use crate::tasks::Tasks;
use crate::tls::Tls;

/// What every handler has at hand; made in `wire.rs`.
#[derive(Debug)]
pub struct State {
    /// The result cache.
    pub cache: ResultCache,
    /// The disk tier, if there is one.
    pub disk: Option<Arc<Disk>>,
    /// The backend that makes what the cache does not have.
    pub backend: Arc<Relief>,
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

    /// Returns the beginning of this server's URLs.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Returns what the disk holds.
    pub fn disk_usage(&self) -> Option<Usage> {
        self.disk.as_ref()?.status().usage
    }

    /// Returns the wall time in seconds since the Unix epoch.
    pub fn timestamp(&self) -> f64 {
        self.clock.wall().as_secs_f64()
    }

    /// Returns what a request may use of the cache, given what it asks for itself.
    pub fn freshness(&self, asked: Freshness) -> Freshness {
        match asked {
            Freshness::OnlyIfCached => asked,
            _ if self.config.is_cache_on => asked,
            _ => Freshness::Bypass,
        }
    }
}
