//! Work whose client comes back for it: started here, and carried to its end whoever leaves.

use std::sync::Arc;

use meshmemo::{Error, ErrorKind, Freshness, Identity, Key, Outcome, Request, Served, Stored};
use meshmemo_gateway::{BackendAnswer, Done, RunningJob};

use super::generate::obtain;
use super::state::State;
use crate::access::Caller;
use crate::limits::JOB_HIT_MAX;

/// Whose protocol the client of a job speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    /// This server's: what is not as it was asked for is a failure.
    Ours,
    /// The backend's, which would have told of what it made.
    Backends,
}

/// Starts a job, and returns its name. If the cache has its result, the job has ended by then.
///
/// # Errors
/// `Busy` if there is no room for what it would have generated.
pub(super) async fn start(
    state: &Arc<State>,
    caller: &Caller,
    speaks: Speaks,
    request: Request,
) -> Result<String, Error> {
    let id = new_name(state)?;
    let named = Named { id: &id, namespace: caller.namespace(), begins: Begins::AtOnce };
    start_named(state, caller, speaks, (named, request)).await?;
    Ok(id)
}

/// What a job is called, whose it is, and when it begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) id: &'a str,
    pub(super) namespace: &'a str,
    pub(super) begins: Begins,
}

/// When the work of a job begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begins {
    /// Now.
    AtOnce,
    /// When a backend can be reached: it may come back later than this process does.
    OnceReached,
}

/// Starts a job under a name, in the place of one that has ended. If the cache has its result, the job has
/// ended by then.
///
/// # Errors
/// As [`start`]; `Invalid` if a job of this name is under way.
pub(super) async fn start_named(
    state: &Arc<State>,
    caller: &Caller,
    speaks: Speaks,
    (Named { id, namespace, begins }, request): (Named<'_>, Request),
) -> Result<(), Error> {
    let key = request.key();
    let source_key = request.source_key();
    let is_there = is_there(state, &request).await;
    let is_under_way = state.cache.progress(&key, source_key.as_ref()).is_some();
    if !is_there && !is_under_way {
        state.backend.queue().check_room(caller.places().as_deref())?;
    }
    let job = state.jobs.take(namespace, key, source_key, id.to_owned()).await?;
    let (working, caller) = (Arc::clone(state), caller.clone());
    let identity = Arc::clone(&request.identity);
    let work = state.tasks.start(async move {
        if begins == Begins::OnceReached && !is_there {
            working.backend.reached().await;
        }
        let served = obtain(&working, caller, request).await;
        let is_kept = match &served {
            Ok(served) => is_kept(&working, key, &*served.stored).await,
            Err(_) => false,
        };
        end(job, served, (is_kept, speaks, identity)).await;
    })?;
    state.jobs.attach(id, work.abort_handle());
    if is_there {
        // It may have left the cache meanwhile: then the job goes on.
        let _ended = tokio::time::timeout(JOB_HIT_MAX, work).await;
    }
    Ok(())
}

/// Returns whether a request is answered without a generation.
pub(super) async fn is_there(state: &State, request: &Request) -> bool {
    match (request.freshness, request.source_key()) {
        (Freshness::OnlyIfCached, _) => true,
        (Freshness::Refresh | Freshness::Bypass, _) => false,
        (Freshness::Cached, source) => {
            let keys = [Some(request.key()), source].into_iter().flatten();
            for key in keys {
                if state.cache.peek(key).await.is_some() {
                    return true;
                }
            }
            false
        }
    }
}

/// Returns whether a tier has this very result, and not another one under its key.
pub(super) async fn is_kept(state: &State, key: Key, stored: &dyn Stored) -> bool {
    let kept = state.cache.peek(key).await;
    kept.is_some_and(|kept| kept.meta().digest == stored.meta().digest)
}

/// Says what a job came to. A whole model that is not to be kept is its result all the same, as it would
/// be without a cache.
async fn end(
    job: RunningJob,
    served: Result<Served, Error>,
    (is_kept, speaks, identity): (bool, Speaks, Arc<Identity>),
) {
    match served {
        Ok(Served { stored, outcome, .. }) => {
            let meta = stored.meta();
            let (digest, variant) = (meta.digest, meta.variant.clone());
            let is_cached = matches!(outcome, Outcome::Hit { .. } | Outcome::Derived);
            let held = (!is_kept).then_some(stored);
            job.done(Done { digest, variant, is_cached, held }).await;
        }
        Err(error) => match BackendAnswer::of_error(&error).and_then(|it| it.as_entry(&identity)) {
            Some(entry) if speaks == Speaks::Backends => {
                let held: Arc<dyn Stored> = Arc::new(entry);
                let (digest, variant) = (held.meta().digest, held.meta().variant.clone());
                job.done(Done { digest, variant, is_cached: false, held: Some(held) }).await;
            }
            _ => job.failed(error.to_string()).await,
        },
    }
}

/// Lets a result that no tier has wait for its client, as that of a job; returns the job's name.
pub(super) async fn hold(
    state: &State,
    namespace: &str,
    key: Key,
    stored: Arc<dyn Stored>,
) -> Result<String, Error> {
    let job = state.jobs.take(namespace, key, None, new_name(state)?).await?;
    let id = job.id().to_owned();
    let (digest, variant) = (stored.meta().digest, stored.meta().variant.clone());
    job.done(Done { digest, variant, is_cached: false, held: Some(stored) }).await;
    Ok(id)
}

/// Makes a name that no job has.
pub(super) fn new_name(state: &State) -> Result<String, Error> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::new(ErrorKind::Storage, format!("the system has no random bytes: {error}"))
    })?;
    Ok(state.jobs.name(bytes))
}
