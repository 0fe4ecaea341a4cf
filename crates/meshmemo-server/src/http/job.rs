//! Work whose client comes back for it: started here, and carried to its end whoever leaves.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, header};
use meshmemo::{Error, ErrorKind, Outcome, Request, Served, Stored};
use meshmemo_gateway::{BackendAnswer, Done, RunningJob};

use super::generate::{fetch, note_refusal};
use super::problem::Problem;
use super::state::State;
use crate::access::Caller;

/// Starts a job, and returns its name. If the cache has its result, the job has ended by then.
pub(super) async fn start(
    state: &Arc<State>,
    caller: &Caller,
    namespace: &str,
    request: Request,
) -> Result<String, Problem> {
    let key = request.key();
    let source = request.generation.variants().source_of(&request.variant);
    let source_key = source.map(|source| request.generation_key.key(source));
    let job = state.jobs.take(namespace, key, source_key, random()?)?;
    let id = job.id().to_owned();
    let is_there = state.cache.peek(key).await.is_some();
    let (working, caller) = (Arc::clone(state), caller.clone());
    let work = state.tasks.start(async move {
        let served = fetch(working.cache.clone(), caller, request).await;
        if let Err(error) = &served {
            note_refusal(&working, error);
        }
        let is_kept = working.cache.peek(key).await.is_some();
        end(job, served, is_kept);
    })?;
    state.jobs.attach(&id, work.abort_handle());
    if is_there {
        // What is read from a tier is read within a bound; how it ended, the job says.
        let _ended = work.await;
    }
    Ok(id)
}

/// Says what a job came to. An answer of the backend that is not to be kept is its result all the same,
/// as it would be without a cache.
fn end(job: RunningJob, served: Result<Served, Error>, is_kept: bool) {
    match served {
        Ok(Served { stored, outcome, .. }) => {
            let meta = stored.meta();
            let (digest, variant) = (meta.digest, meta.variant.clone());
            let is_cached = matches!(outcome, Outcome::Hit { .. } | Outcome::Derived);
            let held = (!is_kept).then_some(stored);
            job.done(Done { digest, variant, is_cached, held });
        }
        Err(error) => match BackendAnswer::of_error(&error).and_then(BackendAnswer::as_entry) {
            Some(entry) => {
                let held: Arc<dyn Stored> = Arc::new(entry);
                let (digest, variant) = (held.meta().digest, held.meta().variant.clone());
                job.done(Done { digest, variant, is_cached: false, held: Some(held) });
            }
            None => job.failed(error.to_string()),
        },
    }
}

fn random() -> Result<[u8; 8], Problem> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::new(ErrorKind::Storage, format!("the system has no random bytes: {error}"))
    })?;
    Ok(bytes)
}

/// Says that an answer with a job's name is for nobody else.
pub(super) fn write_head(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}
