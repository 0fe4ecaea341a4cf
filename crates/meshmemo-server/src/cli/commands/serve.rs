//! `meshmemo serve`.

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::args::Serve;
use crate::cli::{Done, Usage, output};
use crate::config::Config;
use crate::http::{Stopped, serve};
use crate::units::show_size;
use crate::{Tasks, wire};

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
    let wanted = config.listen;
    let listener = TcpListener::bind(wanted)
        .await
        .with_context(|| format!("`{wanted}` can not be listened on"))?;
    let address = listener.local_addr()?;
    let stop = stop_signal()?;
    let (memory, entries) = (show_size(config.max_memory_bytes), config.max_entries);
    let state = wire::state(config, address, Tasks::new());
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %memory, entries, "meshmemo serves");
    output::say(&format!("meshmemo listens on http://{address}"))?;
    let stopped = serve(listener, state, stop).await;
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
