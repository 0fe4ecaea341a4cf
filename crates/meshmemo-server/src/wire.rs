//! Puts the process together: the only place that decides what cache and backend are made of.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use meshmemo::{
    Clock, Limits, Mode, Records, ResultCache, SystemClock, Tier, TierOptions, Writing,
};
use meshmemo_gateway::{
    Backends, BackendsOptions, Gateway, Jobs, Relief, ReliefOptions, Secret, StudioJobs, Uploads,
    open,
};
use meshmemo_tiers::{Disk, DiskOptions, OpenError, Redis, RedisOptions};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::access::Access;
use crate::backend::Backend;
use crate::body_budget::BodyBudget;
use crate::config::{AccessConfig, BackendConfig, CacheUse, Config, RedisConfig, RemoteConfig};
use crate::http::{MeasuredTier, Metrics, Probe, State};
use crate::limits::{JOB_WATCHERS_MAX, SENDS_MAX_BYTES, UPLOADS_MAX_BYTES};
use crate::observed::Observed;
use crate::secret;
use crate::tasks::Tasks;
use crate::tls::{self, Tls};

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
    /// The tier that gateways share, if there is one.
    pub redis: Option<Redis>,
    /// The secret that gateways have in common, if it is known.
    pub common_secret: Option<[u8; 32]>,
}

impl Parts {
    /// Takes the data directory for a process of the command `role`, unless the configuration keeps
    /// nothing on disk. Panics outside of a runtime.
    ///
    /// # Errors
    /// Another process owns the directory, as an [`OpenError`]; or the system has no random bytes.
    pub fn new(config: &Config, role: &'static str) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let disk = disk(config, role, &clock)?;
        let redis = redis(config, &clock)?;
        let (tasks, metrics) = (Tasks::new(), Arc::new(Metrics::new()));
        Ok(Self { clock, tasks, metrics, disk, redis, common_secret: None })
    }

    /// Learns what gateways have in common. One that is alone with its secret knows other keys for what
    /// clients make with credentials of their own, until it is started again.
    ///
    /// # Errors
    /// The secret of the data directory can not be read.
    pub async fn join_others(&mut self, config: &Config) -> anyhow::Result<()> {
        let Some(redis) = &self.redis else { return Ok(()) };
        let directory = own_directory(config, self);
        let own = secret::open(directory)?;
        match redis.common_secret(own).await {
            Ok(common) => {
                if let Some(directory) = directory.filter(|_| common != own) {
                    secret::keep(directory, &common);
                }
                self.common_secret = Some(common);
            }
            Err(error) => {
                tracing::error!(%error, "the shared tier is not there: going on without it");
            }
        }
        Ok(())
    }
}

/// Describes the tier that gateways share, unless there is none, or the cache is not used.
fn redis(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Option<Redis>> {
    let Some(redis) = config.redis.as_ref().filter(|_| config.cache == CacheUse::On) else {
        return Ok(None);
    };
    tls::install_provider();
    let mut random = [0; 4];
    getrandom::fill(&mut random).context("the system has no random bytes")?;
    let host = gethostname::gethostname().to_string_lossy().into_owned();
    // Two gateways of one host, or one that starts again, are not the same.
    let node = format!("{host}-{:08x}", u32::from_be_bytes(random));
    let mut options = RedisOptions::new(redis.urls.clone(), node, Arc::clone(clock));
    options.prefix.clone_from(&redis.prefix);
    options.max_value_bytes = redis.max_value_bytes;
    options.lease = redis.lease;
    options.is_written = redis.mode != Mode::ReadOnly;
    Ok(Some(Redis::new(options)))
}

fn disk(
    config: &Config,
    role: &'static str,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Arc<Disk>>, OpenError> {
    let Some(max_bytes) = config.disk_max_bytes.filter(|_| config.cache == CacheUse::On) else {
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
        let options = TierOptions { writing: Writing::Awaited, mode: config.disk_mode };
        builder = builder.tier("disk", Arc::new(measured), options);
    }
    if let (Some(redis), Some(RedisConfig { mode, .. })) = (&parts.redis, &config.redis) {
        let tier = Arc::new(redis.clone()) as Arc<dyn Tier>;
        let (clock, metrics) = (Arc::clone(&parts.clock), Arc::clone(&parts.metrics));
        let measured = MeasuredTier::new(Redis::NAME, tier, clock, metrics);
        let options = TierOptions { writing: Writing::Behind, mode: *mode };
        builder = builder.tier(Redis::NAME, Arc::new(measured), options);
        builder = builder.peers(Arc::new(redis.clone()));
        // Who waits for a lease waits for what its holder publishes, and publishes what it makes.
        if *mode == Mode::ReadWrite {
            builder = builder.lease(Arc::new(redis.clone()));
        }
    }
    builder.build()
}

/// Builds the backend that a configuration describes; a server is asked nothing yet.
///
/// # Errors
/// The system's certificates can not be read.
pub fn backend(config: &Config, parts: &Parts) -> anyhow::Result<Backend> {
    let Config { concurrency, queue, backend_timeout: timeout, .. } = *config;
    let metrics = Arc::clone(&parts.metrics);
    let observer = move |took| metrics.observe_generation(took);
    let clock = Arc::clone(&parts.clock);
    Ok(match &config.backend {
        BackendConfig::Relief => {
            let options = ReliefOptions { concurrency, queue, timeout };
            let relief = Relief::new(options, clock, observer);
            Backend::Relief(Arc::new(relief), config.model_id.as_str().into())
        }
        BackendConfig::Remote(remote) => {
            let RemoteConfig { urls, adapter, routes, unseeded, .. } = &**remote;
            let options = BackendsOptions { urls: urls.clone(), concurrency, queue, timeout };
            tls::install_provider();
            let studio_jobs = own_directory(config, parts).map(|it| it.join("jobs/studio"));
            let studio_jobs = StudioJobs::open(studio_jobs);
            let backends = Backends::new(options, studio_jobs, clock, observer)?;
            let adapter = open(adapter, *unseeded, routes).expect("the configuration was checked");
            Backend::Remote(Arc::new(Gateway::new(
                adapter,
                Arc::new(backends),
                config.model_id.clone(),
            )))
        }
    })
}

/// Returns the data directory, if it belongs to this process: without the disk tier, it may be another
/// one's.
fn own_directory<'a>(config: &'a Config, parts: &Parts) -> Option<&'a Path> {
    parts.disk.as_ref().map(|_| config.data_dir.as_path())
}

/// Opens the secret of the data directory.
///
/// # Errors
/// It is something else, or the system has no random bytes.
pub fn secret(config: &Config, parts: &Parts) -> anyhow::Result<Secret> {
    let secret = match parts.common_secret {
        Some(common) => common,
        None => secret::open(own_directory(config, parts))?,
    };
    Ok(Secret::new(secret))
}

/// Builds the state of a server that listens on `address`.
///
/// # Errors
/// The API keys or the TLS certificate can not be read.
pub fn state(config: Config, address: SocketAddr, parts: Parts) -> anyhow::Result<Arc<State>> {
    let AccessConfig { auth, api_keys, tls, .. } = &config.access;
    let access = Access::open(*auth, api_keys.as_deref())?;
    let tls = tls.as_ref().map(Tls::open).transpose()?;
    let (cache, backend) = (cache(&config, &parts), backend(&config, &parts)?);
    let secret = secret(&config, &parts)?;
    let directory = own_directory(&config, &parts);
    let journal = directory.map(|directory| directory.join("jobs"));
    let kept_uploads = directory.filter(|_| backend.takes_uploads()).map(|it| it.join("uploads"));
    let kept_uploads = Arc::new(Uploads::open(kept_uploads));
    let records = parts.redis.clone().map(|redis| Arc::new(redis) as Arc<dyn Records>);
    let jobs = Jobs::open(journal.as_deref(), records, secret, Arc::clone(&parts.clock));
    let observed = (config.cache == CacheUse::Observe).then(|| Observed::new(&config));
    let Parts { clock, tasks, metrics, disk, redis, common_secret: _ } = parts;
    Ok(Arc::new(State {
        cache,
        backend,
        kept_uploads,
        jobs,
        secret,
        observed,
        probe: Probe::default(),
        watchers: Arc::new(Semaphore::new(JOB_WATCHERS_MAX)),
        disk,
        redis,
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
