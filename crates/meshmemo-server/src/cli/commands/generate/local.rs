//! Models made in this process, with the server's own cache and backend.

use std::sync::Arc;

use anyhow::Result;
use meshmemo::{Clock, Freshness, ResultCache, SystemClock, read_entry};
use meshmemo_gateway::{Relief, ReliefGeneration};
use meshmemo_gen::Parameters;
use tokio::runtime::Runtime;

use super::Made;
use super::progress::Bar;
use crate::cli::Usage;
use crate::cli::args::Generate;
use crate::config::{Config, Given};
use crate::http::Metrics;
use crate::{Tasks, wire};

pub(super) struct Local {
    runtime: Runtime,
    cache: ResultCache,
    backend: Arc<Relief>,
    clock: Arc<dyn Clock>,
    model_id: String,
}

impl Local {
    pub(super) fn new(args: &Generate) -> Result<Self> {
        let config = Config::load(args.config.as_deref(), &Given::new()).map_err(Usage)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let entered = runtime.enter();
        let cache = wire::cache(&config, &Tasks::new(), &clock);
        drop(entered);
        let backend = wire::backend(&config, &clock, &Arc::new(Metrics::new()));
        Ok(Self { runtime, cache, backend, clock, model_id: config.model_id })
    }

    pub(super) fn make(
        &self,
        photo: Vec<u8>,
        label: &str,
        parameters: &Parameters,
        is_refresh: bool,
    ) -> Result<Made> {
        let bar = Bar::new(label);
        let generation = ReliefGeneration::new(
            Arc::clone(&self.backend),
            photo.into(),
            parameters.clone(),
            bar.reporter(),
        );
        let freshness = if is_refresh { Freshness::Refresh } else { Freshness::Cached };
        let request = generation.into_request(&self.model_id, label.to_owned(), freshness);
        let key = request.key().to_string();
        let started_at = self.clock.now();
        let made = self.runtime.block_on(async {
            let served = self.cache.get_or_generate(request).await?;
            let entry = read_entry(&*served.stored).await?;
            Ok((entry.body().to_vec(), served.outcome.as_str().to_owned()))
        });
        bar.finish();
        let (body, outcome) = made.map_err(|error: meshmemo::Error| anyhow::Error::new(error))?;
        let took = self.clock.now().saturating_sub(started_at);
        Ok(Made { body, outcome, key, took })
    }
}
