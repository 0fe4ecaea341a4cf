//! `meshmemo serve`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use meshmemo::{Mode, Warm, Warmed};
use meshmemo_gateway::TUNNELS_MAX;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;

use crate::access::{Auth, Refusal};
use crate::cli::args::Serve;
use crate::cli::{Done, Usage, output};
use crate::config::{BackendConfig, Config};
use crate::http::{MODEL_NOT_NAMED, State, Stopped, go_on, serve};
use crate::limits::{
    BACKEND_WATCH_INTERVAL, CONNECTIONS_MAX, FILES_BESIDE_CONNECTIONS, WATCH_INTERVAL,
    WRONG_KEYS_INTERVAL,
};
use crate::units::show_size;
use crate::wire::{self, Parts};

/// How long the disk may take to find out what it has before memory stays cold.
const WARM_WAIT: Duration = Duration::from_hours(1);

pub(crate) fn run(args: &Serve) -> Result<Done> {
    let given = args.settings.given();
    let config = Config::load(args.settings.config.as_deref(), &given).map_err(Usage)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let stopped = runtime.block_on(serve_until_told(config))?;
    // What still runs in the blocking pool belongs to nobody any more.
    runtime.shutdown_background();
    Ok(if stopped == (Stopped { requests_dropped: 0, generations_dropped: 0 }) {
        Done::Well
    } else {
        Done::Badly
    })
}

async fn serve_until_told(config: Config) -> Result<Stopped> {
    outlive_file_size_limit()?;
    raise_open_file_limit();
    let mut parts = Parts::new(&config, "serve").map_err(|error| {
        Usage(anyhow!("{error}: end it, or give another --data-dir, or --disk-max off"))
    })?;
    parts.join_others(&config).await?;
    let wanted = config.listen;
    let listener = TcpListener::bind(wanted)
        .await
        .with_context(|| format!("`{wanted}` can not be listened on"))?;
    let address = listener.local_addr()?;
    let stop = stop_signal()?;
    let (memory, entries) = (show_size(config.max_memory_bytes), config.max_entries);
    let drain_timeout = config.drain_timeout;
    let (disk, data_dir) = (parts.disk.clone(), config.data_dir.display().to_string());
    let disk_max = config.disk_max_bytes.map_or_else(|| "off".to_owned(), show_size);
    let state = wire::state(config, address, parts).map_err(Usage)?;
    state.apply_shares(&state.access.shares());
    let url = format!("{}://{}", state.scheme(), reachable(address));
    if let Some(disk) = &disk {
        disk.announce(url.clone());
    }
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(version, %memory, entries, %disk_max, %data_dir, "meshmemo serves");
    warn_of_exposure(&state);
    warn_of_backend(&state);
    output::say(&format!("meshmemo listens on {}://{address}", state.scheme()))?;
    let watching = start_watching(&state);
    go_on(&state).await;
    let warming = AbortOnDropHandle::new(start_warming(&state));
    let stopped = serve(listener, Arc::clone(&state), stop).await;
    drop((warming, watching));
    if let Some(disk) = disk {
        let closing = tokio::task::spawn_blocking(move || disk.close());
        if tokio::time::timeout(drain_timeout, closing).await.is_err() {
            tracing::warn!("the disk does not end: the order of use is not saved");
        }
    }
    let Stopped { requests_dropped, generations_dropped } = stopped;
    if requests_dropped + generations_dropped == 0 {
        tracing::info!("everything under way has ended");
    } else {
        tracing::warn!(
            requests_dropped,
            generations_dropped,
            "the drain timeout was over: what was still under way is dropped"
        );
    }
    Ok(stopped)
}

/// Brings from disk into memory what the configuration wants, once the disk knows what it has.
async fn warm(state: Arc<State>) {
    if let Some(disk) = &state.disk
        && state.config.warm != Warm::Top(0)
        && disk.ready(WARM_WAIT).await
    {
        let what = state.config.warm.clone();
        let Warmed { loaded, bytes, .. } = state.cache.warm(what).await;
        if loaded > 0 {
            tracing::info!(entries = loaded, size = %show_size(bytes), "memory was warmed from disk");
        }
    }
}

/// Not one of the process's tasks: nobody waits for it at the end.
#[expect(clippy::disallowed_methods, reason = "its handle ends it")]
fn start_warming(state: &Arc<State>) -> JoinHandle<()> {
    tokio::spawn(warm(Arc::clone(state)))
}

/// Does something again and again, each time to its end: it touches files, whose disk may hang.
async fn again_and_again(state: Arc<State>, look: fn(&State)) {
    loop {
        tokio::time::sleep(WATCH_INTERVAL).await;
        let looked = Arc::clone(&state);
        if let Err(panic) = tokio::task::spawn_blocking(move || look(&looked)).await {
            tracing::error!(%panic, "files could not be looked at for changes");
        }
    }
}

fn look_at_keys(state: &State) {
    state.access.renew(state.clock.wall(), |shares| state.apply_shares(shares));
}

fn look_at_certificate(state: &State) {
    state.tls.iter().for_each(|tls| tls.renew(state.clock.wall()));
}

/// Looks whether the backends can be reached, so that one that can not is given no work while there are
/// others.
async fn look_at_backends(state: Arc<State>) {
    // One that stands alone is given all work whatever is found.
    let Some(gateway) = state.backend.gateway() else { return };
    if gateway.backends().views().len() < 2 {
        return;
    }
    loop {
        gateway.backends().probe().await;
        tokio::time::sleep(BACKEND_WATCH_INTERVAL).await;
    }
}

/// Tells of wrong keys now and then, however many there are.
async fn tell_of_wrong_keys(state: Arc<State>) {
    let mut told = 0;
    loop {
        tokio::time::sleep(WRONG_KEYS_INTERVAL).await;
        let wrong = state.access.refusals.of(Refusal::WrongKey);
        if wrong > told {
            tracing::warn!(requests = wrong - told, "requests came with wrong API keys");
            told = wrong;
        }
    }
}

/// Takes part in what gateways share.
async fn take_part(state: Arc<State>) {
    let Some(redis) = &state.redis else { return };
    let seen = state.disk.as_ref().map(|_| state.config.data_dir.join("removals"));
    redis.take_part(state.cache.clone(), seen).await;
}

/// Takes slots at backends that other gateways use too.
async fn take_slots(state: Arc<State>) {
    let (Some(redis), Some(gateway)) = (&state.redis, state.backend.gateway()) else { return };
    if state.config.redis.as_ref().is_none_or(|redis| redis.mode == Mode::ReadOnly) {
        return;
    }
    let backends = gateway.backends();
    let names = backends.views().into_iter().map(|view| shared_name(&view.url, &state.node));
    let names = names.collect();
    backends.queue().take_slots(Arc::new(redis.clone()), names).await;
}

/// Returns what a backend is called by all gateways: one that listens on loopback is another one on each host.
fn shared_name(url: &str, host: &str) -> String {
    let address = url.split_once("://").map_or(url, |(_, address)| address);
    let is_loopback = ["127.", "localhost", "[::1]"].iter().any(|it| address.starts_with(it));
    if is_loopback { format!("{host} {url}") } else { url.to_owned() }
}

/// Not among the process's tasks: nobody waits for them at the end.
#[expect(clippy::disallowed_methods, reason = "their handles end them")]
fn start_watching(state: &Arc<State>) -> [AbortOnDropHandle<()>; 6] {
    let state = || Arc::clone(state);
    [
        tokio::spawn(again_and_again(state(), look_at_keys)),
        tokio::spawn(again_and_again(state(), look_at_certificate)),
        tokio::spawn(tell_of_wrong_keys(state())),
        tokio::spawn(look_at_backends(state())),
        tokio::spawn(take_part(state())),
        tokio::spawn(take_slots(state())),
    ]
    .map(AbortOnDropHandle::new)
}

/// Returns where this machine reaches a server that listens on an address.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Tells of what is open that the operator may not know of.
fn warn_of_exposure(state: &State) {
    let access = &state.access;
    let (keys, auth) = (access.len(), access.auth());
    match auth {
        Auth::None if access.path().is_some() => {
            tracing::warn!("there are API keys, but `--auth none`: nobody needs one");
        }
        Auth::None => {}
        _ if access.is_empty() => tracing::warn!("there are no API keys yet: nobody has one"),
        _ => tracing::info!(keys, auth = auth.as_str(), "API keys are needed"),
    }
    if state.tls.is_none() && !state.address.ip().is_loopback() {
        tracing::warn!(
            "keys and models travel unencrypted: give --tls-cert and --tls-key, or put a \
                        proxy with TLS in front"
        );
    }
}

/// Tells of what the operator should know of the backend.
fn warn_of_backend(state: &State) {
    let config = &state.config;
    if let Some(missing) = &config.missing_data_dir {
        tracing::warn!("{missing}");
    }
    let BackendConfig::Remote(remote) = &config.backend else { return };
    let (adapter, cache) = (&remote.adapter, config.cache.as_str());
    for url in &remote.urls {
        tracing::info!(%url, adapter, model_id = config.model_id, cache, "in front of a server");
    }
    if !remote.is_model_named {
        tracing::warn!("{MODEL_NOT_NAMED}");
    }
}

/// Lets there be as many open files as the system allows: connections are among them.
fn raise_open_file_limit() {
    let needed = (2 * (CONNECTIONS_MAX + TUNNELS_MAX) + FILES_BESIDE_CONNECTIONS) as u64;
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        let raised = hard.min(needed.max(soft));
        setrlimit(Resource::RLIMIT_NOFILE, raised, hard).map(|()| raised)
    });
    match raised {
        Ok(raised) if raised >= needed => {}
        Ok(raised) => tracing::warn!(
            "only {raised} files may be open at a time: fewer than {CONNECTIONS_MAX} connections are \
             served, unless the limit is raised to {needed} (`ulimit -n`)"
        ),
        Err(error) => tracing::warn!(%error, "the limit on open files can not be raised"),
    }
}

/// Lets a write beyond the limit on the size of files fail, instead of ending the process: the disk
/// tier tells of it, and requests go on.
fn outlive_file_size_limit() -> Result<()> {
    /// The number that Linux and macOS give to SIGXFSZ.
    const SIGXFSZ: i32 = 25;
    // Once a signal is listened for, it has no default any more, whoever stops listening.
    drop(signal(SignalKind::from_raw(SIGXFSZ))?);
    Ok(())
}

/// Returns a future that ends at the first SIGINT or SIGTERM; a second one ends the process.
fn stop_signal() -> Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        let watch = std::thread::Builder::new().name("second-signal".to_owned());
        let runtime = tokio::runtime::Handle::current();
        let second = watch.spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            });
            output::note("a second signal: ending at once");
            abort();
        });
        if let Err(error) = second {
            tracing::warn!(%error, "a second signal will not be heard");
        }
    })
}

#[expect(clippy::exit, reason = "somebody who signals twice does not want to wait")]
fn abort() -> ! {
    std::process::exit(1);
}
