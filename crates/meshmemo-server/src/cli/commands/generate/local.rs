//! Models made in this process, with the server's own cache, disk and backend.

use std::pin::pin;
use std::time::Duration;

use anyhow::{Result, anyhow};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use meshmemo::{Freshness, Health, ResultCache, Tier, read_entry};
use meshmemo_gateway::{Ask, Shown, credentials};
use meshmemo_gen::Parameters;
use meshmemo_gen::canonical::NAMESPACE;
use meshmemo_tiers::{Holder, OpenError, holder};
use tokio::runtime::Runtime;

use super::progress::Bar;
use super::{Given, Made};
use crate::backend::{Backend, Order};
use crate::cli::args::Generate;
use crate::cli::client::backend_authorization;
use crate::cli::{Usage, output};
use crate::config::Config;
use crate::http::MODEL_NOT_NAMED;
use crate::wire::{self, Parts};

/// How often it is shown how far a generation is.
const BAR_INTERVAL: Duration = Duration::from_millis(100);
/// How long what follows an answer may take at the end.
const END_WAIT: Duration = Duration::from_secs(30);
/// How often a server that has just taken the directory is asked where it listens, and how long it
/// is waited for in between.
const ASKED_MAX: usize = 100;
const ASKED_PAUSE: Duration = Duration::from_millis(20);

pub(super) struct Local {
    runtime: Runtime,
    cache: ResultCache,
    backend: Backend,
    parts: Parts,
    /// What is shown to a server of who asks.
    shown: Option<Shown>,
}

/// Where models are made.
pub(super) enum Place {
    Here(Box<Local>),
    /// A server has the data directory.
    At(String),
}

impl Local {
    /// Takes the data directory; if a server has it, tells which.
    pub(super) fn open(args: &Generate) -> Result<Place> {
        let config = Config::load(args.config.as_deref(), &args.given()).map_err(Usage)?;
        if !config.backend.is_model_named() {
            output::note(MODEL_NOT_NAMED);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let entered = runtime.enter();
        let opened = Parts::new(&config, "generate").map_err(anyhow::Error::downcast::<OpenError>);
        let mut parts = match opened {
            Ok(parts) => parts,
            Err(Ok(OpenError::Held { root, holder: first })) => {
                let holder = wait_for_url(&config, first);
                let held = OpenError::Held { root, holder: holder.clone() };
                check_trust(&held, &holder)?;
                return holder.url.map(Place::At).ok_or_else(|| {
                    let what_to_do =
                        "wait until it ends, or give another --data-dir, or --disk-max off";
                    Usage(anyhow!("{held}: {what_to_do}")).into()
                });
            }
            Err(Ok(error)) => return Err(Usage(error.into()).into()),
            Err(Err(error)) => return Err(error),
        };
        runtime.block_on(parts.join_others(&config))?;
        let (cache, backend) = (wire::cache(&config, &parts), wire::backend(&config, &parts)?);
        drop(entered);
        let disk = parts.disk.as_ref().map(|disk| disk.status().health);
        if let Some(trouble) = disk.as_ref().and_then(Health::trouble) {
            output::note(&format!("models are not kept: {trouble}"));
        }
        let shown = shown(&config, &parts)?;
        Ok(Place::Here(Box::new(Self { runtime, cache, backend, parts, shown })))
    }

    pub(super) fn make(
        &self,
        photo: Vec<u8>,
        label: &str,
        (parameters, given): (&Parameters, &Given),
        is_refresh: bool,
    ) -> Result<Made> {
        let bar = Bar::new(label);
        let freshness = if is_refresh { Freshness::Refresh } else { Freshness::Cached };
        let (namespace, label) = (NAMESPACE, label.to_owned());
        let given = given.iter().map(|(name, _)| (*name).to_owned()).collect();
        let ask = Ask { photo: photo.into(), parameters: parameters.clone(), given };
        let (shown, quota) = (self.shown.clone(), None);
        let order = Order { namespace, label, freshness, shown, quota };
        let request = self.backend.request(ask, order)?;
        let source = request.source_key();
        let (key, format) = (request.key(), request.variant.parse()?);
        let started_at = self.parts.clock.now();
        let made = self.runtime.block_on(async {
            let mut serving = pin!(self.cache.get_or_generate(request));
            let served = loop {
                match tokio::time::timeout(BAR_INTERVAL, &mut serving).await {
                    Ok(served) => break served?,
                    Err(_elapsed) => {
                        bar.show(self.cache.progress(&key, source.as_ref()).unwrap_or_default());
                    }
                }
            };
            let entry = read_entry(&*served.stored).await?;
            Ok((entry.body().to_vec(), served.outcome.as_str().to_owned()))
        });
        bar.finish();
        let (body, outcome) = made.map_err(|error: meshmemo::Error| anyhow::Error::new(error))?;
        let took = self.parts.clock.now().saturating_sub(started_at);
        Ok(Made { body, outcome, key: key.to_string(), took, format })
    }

    /// Lets what follows the answers end, and lets the directory go.
    pub(super) fn close(self) {
        self.runtime.block_on(self.parts.tasks.drain(END_WAIT));
        if let Some(disk) = &self.parts.disk {
            disk.close();
        }
    }
}

/// Returns what the environment says is to be shown to a server.
fn shown(config: &Config, parts: &Parts) -> Result<Option<Shown>> {
    let Some(authorization) = backend_authorization()? else { return Ok(None) };
    let secret = wire::secret(config, parts)?;
    let alone = HeaderMap::from_iter([(AUTHORIZATION, authorization.clone())]);
    let hash = secret.credentials(&credentials(&alone, "", (None, &[])));
    let hash = hash.filter(|_| !config.backend.shares_credentials());
    Ok(Some(Shown::new(authorization, hash)))
}

/// Refuses to send photos, and a key, to whatever another user says is a server.
fn check_trust(held: &OpenError, holder: &Holder) -> Result<()> {
    let own = nix::unistd::geteuid().as_raw();
    match holder.uid {
        Some(uid) if uid != 0 && uid != own && holder.url.is_some() => {
            let message = "it is another user's: name its server with --url, if you trust it";
            Err(Usage(anyhow!("{held}: {message}")).into())
        }
        _ => Ok(()),
    }
}

/// A server says where it listens shortly after it has taken the directory.
fn wait_for_url(config: &Config, first: Holder) -> Holder {
    let mut last = first;
    for _ in 0..ASKED_MAX {
        if last.url.is_some() || last.role != "serve" {
            break;
        }
        std::thread::sleep(ASKED_PAUSE);
        match holder(&config.data_dir) {
            Some(now) => last = now,
            None => break,
        }
    }
    last
}
