//! Puts the process together: the only place that decides what cache and backend are made of.

use std::net::SocketAddr;
use std::sync::Arc;

use meshmemo::{Clock, Limits, ResultCache, SystemClock};
use meshmemo_gateway::{Relief, ReliefOptions};
use tokio_util::task::TaskTracker;

use crate::body_budget::BodyBudget;
use crate::config::Config;
use crate::http::{Metrics, State};
use crate::limits::{SENDS_MAX_BYTES, UPLOADS_MAX_BYTES};
use crate::tasks::Tasks;

/// Builds the result cache that a configuration describes.
pub fn cache(config: &Config, tasks: &Tasks, clock: &Arc<dyn Clock>) -> ResultCache {
    let Config { max_memory_bytes, max_entries, ttl, policy, .. } = *config;
    ResultCache::builder(Arc::new(tasks.clone()))
        .limits(Limits { max_bytes: max_memory_bytes, max_entries, ttl })
        .policy(policy)
        .clock(Arc::clone(clock))
        .build()
}

/// Builds the embedded backend that a configuration describes.
pub fn backend(config: &Config, clock: &Arc<dyn Clock>, metrics: &Arc<Metrics>) -> Arc<Relief> {
    let options = ReliefOptions {
        concurrency: config.concurrency,
        queue: config.queue,
        timeout: config.backend_timeout,
    };
    let metrics = Arc::clone(metrics);
    let relief =
        Relief::new(options, Arc::clone(clock), move |took| metrics.observe_generation(took));
    Arc::new(relief)
}

/// Builds the state of a server that listens on `address`.
pub fn state(config: Config, address: SocketAddr, tasks: Tasks) -> Arc<State> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let metrics = Arc::new(Metrics::new());
    Arc::new(State {
        cache: cache(&config, &tasks, &clock),
        backend: backend(&config, &clock, &metrics),
        started_at: clock.now(),
        clock,
        address,
        node: gethostname::gethostname().to_string_lossy().into_owned(),
        tasks,
        requests: TaskTracker::new(),
        uploads: BodyBudget::new(UPLOADS_MAX_BYTES),
        sends: BodyBudget::new(SENDS_MAX_BYTES),
        metrics,
        config,
    })
}
