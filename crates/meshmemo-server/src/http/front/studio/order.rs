//! An order: a job for the model of an upload. The studio hears of it only if the model is not there.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use meshmemo::{Error, ErrorKind, Key};
use meshmemo_gateway::orfeas::{self, Order};
use meshmemo_gateway::{Gateway, JobState, Owner, Reply, Unclear, Upload, Wanted};
use serde_json::Value;
use tokio::task::spawn_blocking;

use super::note::Note;
use super::upload::unread;
use super::{Studio, said};
use crate::access::Caller;
use crate::body_budget::BodyBudget;
use crate::http::front::generation::wanted;
use crate::http::front::owner;
use crate::http::job::{Begins, Named, Speaks, start_named};
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::limits::RETRY_AFTER;

/// Of whom and of what a model is ordered.
pub(in crate::http::front) struct Ordered<'a> {
    pub(super) upload: &'a Upload,
    pub(super) order: &'a Order,
    pub(super) photo: Bytes,
    pub(super) owner: Owner,
    pub(super) sent_on: HeaderMap,
    pub(super) wanted: Wanted,
    /// What the job makes, where that is known: another order of the same upload is not gone on with.
    pub(super) key: Option<Key>,
}

impl Studio<'_> {
    /// Takes an order for an upload that is here; any other is the studio's to answer.
    pub(super) async fn order(&self, request: Request) -> Result<Response, Problem> {
        let arrived = self.receive(request).await?;
        let fields: Value = serde_json::from_slice(&arrived.body).unwrap_or_default();
        let id = fields["job_id"].as_str().unwrap_or_default();
        let Some(upload) = self.state.kept_uploads.find(id, &self.own()) else {
            return self.pass_on(arrived).await;
        };
        let order = match Order::read(&arrived.body) {
            Ok(order) => order,
            Err(Unclear(why)) => {
                tracing::debug!(why, "an order is the studio's to answer");
                return self.pass_on(arrived).await;
            }
        };
        if self.job(id).await.is_some_and(|job| matches!(job.state, JobState::Running)) {
            return Ok(said(orfeas::words::under_way(id)));
        }
        let (uploads, reading) = (Arc::clone(&self.state.kept_uploads), Arc::clone(&upload));
        let reading = spawn_blocking(move || uploads.read(&reading));
        let Some(photo) = reading.await.map_err(|panic| unread(&panic))? else {
            return self.pass_on(arrived).await;
        };
        let Some(share) = self.state.uploads.take(photo.len() as u64) else {
            let busy = "too many photos are on their way already";
            return Ok(said(orfeas::words::busy(busy, RETRY_AFTER.as_secs())));
        };
        let photo = BodyBudget::hold(photo, Box::new(share));
        let taken = self.begin((&upload, photo), &order, (&arrived.headers, arrived.sent_on)).await;
        Ok(said(match taken {
            Ok(()) => orfeas::words::ordered(id, &order),
            Err(error) => refusal(id, error)?,
        }))
    }

    /// Begins the job of an order, under the name of its upload.
    pub(super) async fn begin(
        &self,
        (upload, photo): (&Upload, Bytes),
        order: &Order,
        (headers, sent_on): (&HeaderMap, HeaderMap),
    ) -> Result<(), Error> {
        let (state, gateway, caller) = (self.state, self.gateway, self.caller);
        let owner = owner(state, caller, headers);
        let label = Some(upload.label.clone());
        let wanted = Wanted { label, ..wanted(state, caller, headers) };
        let note = Note::of(order, &owner, wanted.freshness).to_string();
        let (uploads, id) = (Arc::clone(&state.kept_uploads), upload.id.clone());
        let ordered = Ordered { upload, order, photo, owner, sent_on, wanted, key: None };
        begin(state, gateway, caller, ordered).await?;
        // An order that is not taken leaves the note of the one that was.
        let noting = spawn_blocking(move || uploads.note_order(&id, &note));
        noting.await.map_err(|panic| unread(&panic))
    }
}

/// Begins the job of an order.
pub(super) async fn begin(
    state: &Arc<State>,
    gateway: &Arc<Gateway>,
    caller: &Caller,
    ordered: Ordered<'_>,
) -> Result<(), Error> {
    let Ordered { upload, order, photo, owner, sent_on, wanted, key } = ordered;
    let letter = orfeas::letter(order, photo, sent_on);
    let (reading, read) = (Arc::clone(gateway), letter.clone());
    let reading = spawn_blocking(move || {
        let mut digest = reading.digest(&owner, &read.head);
        digest.add(&read.body);
        reading.recall(&digest).unwrap_or_else(|| reading.read(&owner, &read, &digest))
    });
    let known = reading.await.map_err(|panic| unread(&panic))?;
    let request = gateway.request(&known, letter, wanted);
    if key.is_some_and(|key| key != request.key()) {
        let message = "what is noted of it is another order";
        return Err(Error::new(ErrorKind::Corrupt, message));
    }
    let begins = if key.is_some() { Begins::OnceReached } else { Begins::AtOnce };
    let named = Named { id: &upload.id, namespace: &upload.namespace, begins };
    start_named(state, caller, Speaks::Backends, (named, request)).await
}

/// Says in the studio's words why an order is not taken, if it has words for that.
fn refusal(id: &str, error: Error) -> Result<Reply, Problem> {
    match error.kind() {
        ErrorKind::Invalid => Ok(orfeas::words::under_way(id)),
        ErrorKind::Busy { retry_after } | ErrorKind::OverQuota { retry_after } => {
            Ok(orfeas::words::busy(&error.to_string(), retry_after.as_secs().max(1)))
        }
        _ => Err(error.into()),
    }
}
