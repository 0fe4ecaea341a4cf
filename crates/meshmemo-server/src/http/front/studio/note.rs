//! What was ordered of an upload, as it is noted for a process that comes after this one; and the jobs of
//! the one before, which are gone on with.

use std::fmt;
use std::sync::Arc;

use axum::http::HeaderMap;
use meshmemo::{Digest, Error, ErrorKind, Freshness, Scope};
use meshmemo_gateway::orfeas::Order;
use meshmemo_gateway::{FoundJob, Gateway, Owner, Wanted};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::task::spawn_blocking;

use super::order::{Ordered, begin};
use super::upload::unread;
use crate::access::Caller;
use crate::body_budget::BodyBudget;
use crate::http::state::State;
use crate::limits::RETRY_AFTER;

/// An order, and the keyed hash of what its client showed the studio.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Note {
    order: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    credentials: Option<String>,
    /// Whether the model was to be made anew, and whether it is kept.
    #[serde(default)]
    is_fresh: bool,
    #[serde(default)]
    is_kept_nowhere: bool,
}

impl Note {
    pub(super) fn of(order: &Order, owner: &Owner, freshness: Freshness) -> Self {
        let credentials = owner.credentials.map(|hash| hash.to_string());
        let (is_fresh, is_kept_nowhere) =
            (freshness == Freshness::Refresh, freshness == Freshness::Bypass);
        Self { order: order.to_json(), credentials, is_fresh, is_kept_nowhere }
    }

    fn freshness(&self) -> Freshness {
        match self {
            Self { is_kept_nowhere: true, .. } => Freshness::Bypass,
            Self { is_fresh: true, .. } => Freshness::Refresh,
            _ => Freshness::Cached,
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// Goes on with the jobs that ran when the process before ended: their clients will ask after them.
pub(crate) async fn go_on(state: &Arc<State>) {
    let Some(gateway) = state.backend.gateway().filter(|_| state.backend.takes_uploads()) else {
        return;
    };
    for id in state.jobs.take_interrupted() {
        match go_on_with(state, gateway, &id).await {
            Ok(true) => tracing::info!(id, "a job goes on that was interrupted"),
            Ok(false) => tracing::warn!(id, "a job was interrupted, and its upload is gone"),
            Err(error) => tracing::warn!(id, %error, "a job was interrupted, and does not go on"),
        }
    }
}

/// Goes on with a job, if it is known what was ordered.
async fn go_on_with(state: &Arc<State>, gateway: &Arc<Gateway>, id: &str) -> Result<bool, Error> {
    let Some(upload) = state.kept_uploads.find(id, &Scope::All) else { return Ok(false) };
    let (uploads, of) = (Arc::clone(&state.kept_uploads), Arc::clone(&upload));
    let reading = spawn_blocking(move || uploads.ordered(&of.id).zip(uploads.read(&of)));
    let Some((note, photo)) = reading.await.map_err(|panic| unread(&panic))? else {
        return Ok(false);
    };
    let busy = || {
        let message = "too many photos are on their way already";
        Error::new(ErrorKind::Busy { retry_after: RETRY_AFTER }, message)
    };
    let share = state.uploads.take(photo.len() as u64).ok_or_else(busy)?;
    let photo = BodyBudget::hold(photo, Box::new(share));
    let damaged = |why: String| Error::new(ErrorKind::Corrupt, format!("its order: {why}"));
    let note: Note = serde_json::from_str(&note).map_err(|error| damaged(error.to_string()))?;
    let order = Order::read(note.order.to_string().as_bytes()).map_err(|error| damaged(error.0))?;
    let freshness = state.freshness(note.freshness());
    let credentials = note.credentials.map(|hash| hash.parse::<Digest>());
    let credentials = credentials.transpose().map_err(|error| damaged(error.to_string()))?;
    let owner = Owner { namespace: upload.namespace.clone(), credentials };
    let label = Some(upload.label.clone());
    let wanted = Wanted { label, freshness, quota: None };
    let (sent_on, order) = (HeaderMap::new(), &order);
    let key = match state.jobs.find(id, &Scope::All) {
        FoundJob::Job(job) => Some(job.key),
        _ => return Ok(false),
    };
    let ordered = Ordered { upload: &upload, order, photo, owner, sent_on, wanted, key };
    begin(state, gateway, &Caller::itself(), ordered).await?;
    Ok(true)
}
