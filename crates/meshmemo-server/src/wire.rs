//! Puts the process together: the only place that decides what cache and backend are made of.

use std::net::SocketAddr;
use std::sync::Arc;

use meshmemo::{Clock, Limits, ResultCache, SystemClock, Tier, Writing};
use meshmemo_gateway::{Relief, ReliefOptions};
use meshmemo_tiers::{Disk, DiskOptions, OpenError};
use tokio_util::task::TaskTracker;

use crate::access::Access;
use crate::body_budget::BodyBudget;
use crate::config::{AccessConfig, Config};
use crate::http::{MeasuredTier, Metrics, State};
use crate::limits::{SENDS_MAX_BYTES, UPLOADS_MAX_BYTES};
use crate::tasks::Tasks;
use crate::tls::Tls;

/// What the parts of a process share.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// The process's tasks.
    pub tasks: Tasks,
    /// What is measured.
    pub metrics: Arc<Metrics>,
    /// The disk tier, if there is one.
    pub disk: Option<Arc<Disk>>,
}

impl Parts {
    /// Takes the data directory for a process of the command `role`, unless the configuration keeps
    /// nothing on disk. Panics outside of a runtime.
    ///
    /// # Errors
    /// Another process owns the directory.
    pub fn new(config: &Config, role: &'static str) -> Result<Self, OpenError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let disk = disk(config, role, &clock)?;
        Ok(Self { clock, tasks: Tasks::new(), metrics: Arc::new(Metrics::new()), disk })
    }
}

fn disk(
    config: &Config,
    role: &'static str,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Arc<Disk>>, OpenError> {
    let Some(max_bytes) = config.disk_max_bytes.filter(|_| config.is_cache_on) else {
        return Ok(None);
    };
    let mut options = DiskOptions::new(&config.data_dir, max_bytes, Arc::clone(clock));
    options.durability = config.durability;
    options.role = role;
    Disk::open(options).map(|disk| Some(Arc::new(disk)))
}

/// Builds the result cache that a configuration describes.
pub fn cache(config: &Config, parts: &Parts) -> ResultCache {
    let Config { max_memory_bytes, max_entries, ttl, policy, .. } = *config;
    let mut builder = ResultCache::builder(Arc::new(parts.tasks.clone()))
        .limits(Limits { max_bytes: max_memory_bytes, max_entries, ttl })
        .policy(policy)
        .clock(Arc::clone(&parts.clock));
    if let Some(disk) = &parts.disk {
        let disk = Arc::clone(disk) as Arc<dyn Tier>;
        let (clock, metrics) = (Arc::clone(&parts.clock), Arc::clone(&parts.metrics));
        let measured = MeasuredTier::new("disk", disk, clock, metrics);
        builder = builder.tier("disk", Arc::new(measured), Writing::Awaited);
    }
    builder.build()
}

/// Builds the embedded backend that a configuration describes.
pub fn backend(config: &Config, parts: &Parts) -> Arc<Relief> {
    let options = ReliefOptions {
        concurrency: config.concurrency,
        queue: config.queue,
        timeout: config.backend_timeout,
    };
    let metrics = Arc::clone(&parts.metrics);
    let relief = Relief::new(options, Arc::clone(&parts.clock), move |took| {
        metrics.observe_generation(took);
    });
    Arc::new(relief)
}

/// Builds the state of a server that listens on `address`.
///
/// # Errors
/// The API keys or the TLS certificate can not be read.
pub fn state(config: Config, address: SocketAddr, parts: Parts) -> anyhow::Result<Arc<State>> {
    let AccessConfig { auth, api_keys, tls, .. } = &config.access;
    let access = Access::open(*auth, api_keys.as_deref())?;
    let tls = tls.as_ref().map(Tls::open).transpose()?;
    let (cache, backend) = (cache(&config, &parts), backend(&config, &parts));
    let Parts { clock, tasks, metrics, disk } = parts;
    Ok(Arc::new(State {
        cache,
        backend,
        disk,
        started_at: clock.now(),
        clock,
        address,
        node: gethostname::gethostname().to_string_lossy().into_owned(),
        tasks,
        requests: TaskTracker::new(),
        uploads: BodyBudget::new(UPLOADS_MAX_BYTES),
        sends: BodyBudget::new(SENDS_MAX_BYTES),
        metrics,
        access,
        tls,
        config,
    }))
}
