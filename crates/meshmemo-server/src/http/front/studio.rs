//! The steps of a studio: uploads are kept here, orders become jobs, and what is asked of those is
//! answered here. What is no step of a job of ours is the studio's to answer.

mod batch;
mod files;
mod note;
mod order;
mod upload;

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use bytes::Bytes;
use meshmemo::Scope;
use meshmemo_gateway::{Gateway, JobState, JobView, StudioDoor, orfeas, whole};

use super::replay::let_pages_read;
use super::{arrival, plain, through, timed};
use crate::access::Caller;
use crate::body_budget::Share;
use crate::http::problem::Problem;
use crate::http::session::cookie_name;
use crate::http::state::State;
use crate::http::upload::read_body;

pub(crate) use note::go_on;

/// Who asks, and whom.
struct Studio<'a> {
    state: &'a Arc<State>,
    gateway: &'a Arc<Gateway>,
    caller: &'a Caller,
}

/// Answers a step.
pub(super) async fn answer(
    state: &Arc<State>,
    gateway: &Arc<Gateway>,
    caller: &Caller,
    (door, request): (StudioDoor<'_>, Request),
) -> Result<Response, Problem> {
    let studio = Studio { state, gateway, caller };
    let origin = request.headers().get(axum::http::header::ORIGIN).cloned();
    let mut response = match door {
        StudioDoor::Upload => studio.upload(request).await?,
        StudioDoor::Order => studio.order(request).await?,
        StudioDoor::Batch => studio.batch(request).await?,
        StudioDoor::Status(id) => match studio.job(id).await {
            Some(job) => said(studio.standing(&job).await),
            None => through(state, gateway, request).await?,
        },
        StudioDoor::Download(id, file) => match studio.job(id).await {
            Some(job) => studio.download(&job, file).await?,
            None => through(state, gateway, request).await?,
        },
        StudioDoor::InBase64(id, file) => match studio.job(id).await {
            Some(job) => studio.download_in_base64(&job, file).await?,
            None => through(state, gateway, request).await?,
        },
        StudioDoor::Preview(file) => match studio.preview(file).await {
            Some(response) => response,
            None => through(state, gateway, request).await?,
        },
    };
    let_pages_read(gateway, origin.as_ref(), response.headers_mut());
    Ok(response)
}

/// Names a step for the measurements.
pub(super) fn name(door: StudioDoor<'_>) -> &'static str {
    match door {
        StudioDoor::Upload => "backend upload",
        StudioDoor::Order => "backend order",
        StudioDoor::Batch => "backend batch",
        StudioDoor::Status(_) => "backend status",
        StudioDoor::Download(..) | StudioDoor::InBase64(..) => "backend download",
        StudioDoor::Preview(_) => "backend preview",
    }
}

/// A request whose body is all there.
struct Arrived {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    /// The headers as they are sent on.
    sent_on: HeaderMap,
    body: Bytes,
    share: Share,
}

impl Studio<'_> {
    /// Returns the scope of who asks.
    fn own(&self) -> Scope {
        Scope::Namespace(self.caller.namespace().into())
    }

    /// Finds a job of who asks.
    async fn job(&self, id: &str) -> Option<Box<JobView>> {
        match self.state.jobs.find_anywhere(id, &self.own()).await {
            meshmemo_gateway::FoundJob::Job(job) => Some(job),
            _ => None,
        }
    }

    /// Says how a job stands.
    async fn standing(&self, job: &JobView) -> meshmemo_gateway::Reply {
        match &job.state {
            JobState::Running => {
                let progress = self.state.cache.progress(&job.key, job.source_key.as_ref());
                orfeas::words::working(progress.unwrap_or_default())
            }
            JobState::Failed(words) => orfeas::words::failed(words),
            JobState::Done(done) => match self.model(job).await {
                Some((_, format)) => orfeas::words::completed(&job.id, format, done.is_cached),
                None => {
                    orfeas::words::failed("its model is not in the cache any more: order it anew")
                }
            },
        }
    }

    /// Reads all of a request.
    async fn receive(&self, request: Request) -> Result<Arrived, Problem> {
        let cookie = cookie_name(self.state);
        let arrival = arrival(self.state, &request, &cookie);
        let headers = request.headers().clone();
        let sent_on = meshmemo_gateway::forward(headers.clone(), arrival);
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let (body, share) = read_body(self.state, request, |_| {}).await?;
        Ok(Arrived { method, uri, headers, sent_on, body, share })
    }

    /// Has the studio answer what can not be answered here.
    async fn pass_on(&self, arrived: Arrived) -> Result<Response, Problem> {
        let Arrived { method, uri, sent_on, body, share, .. } = arrived;
        let mut request = axum::http::Request::new(whole(body));
        (*request.method_mut(), *request.uri_mut()) = (method, uri);
        *request.headers_mut() = sent_on;
        let response = meshmemo_gateway::send_on(self.gateway.backends(), request).await?;
        drop(share);
        Ok(response.map(timed))
    }
}

/// Answers with words that are all there.
fn said(reply: meshmemo_gateway::Reply) -> Response {
    plain(reply.status, reply.media_type, reply.before)
}
