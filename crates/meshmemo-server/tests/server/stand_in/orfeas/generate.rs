//! Generations of what was uploaded, and how they stand.

use std::future::pending;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use serde_json::json;
use tokio::runtime::Handle;

use super::super::Server;
use super::super::order::Order;
use super::super::reply::{self, Reply};
use super::super::script::{Turn, UnderWay};
use super::asked::Asked;
use super::studio::{Delivery, Output};
use super::upload::extension;
use super::{answer, error};

pub(super) async fn generate(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = match Asked::read(&headers, &body) {
        Ok(asked) => asked,
        Err(refusal) => return reply::whole(refusal.into_reply()),
    };
    let accepted = accepted(&asked);
    match begin(&server, &asked, body) {
        Begun::Conflict => reply::whole(conflict(&asked.job_id)),
        Begun::WithoutPicture => reply::whole(accepted),
        Begun::Answer(turn, _under_way) => {
            server.script.wait_until_open().await;
            turn.play(|_craft| accepted).await
        }
        Begun::Job(order, turn, under_way) => {
            Handle::current().spawn(work(server, asked, order, turn, under_way));
            reply::whole(accepted)
        }
    }
}

pub(super) async fn status(State(server): State<Arc<Server>>, Path(id): Path<String>) -> Response {
    let progress = server.studio().look_at(&id);
    reply::whole(
        progress.map_or_else(|| error(404, "Job not found"), |progress| answer(200, &progress)),
    )
}

/// What comes of a request that is in order.
enum Begun {
    /// The job is under way already.
    Conflict,
    /// The job has failed at once, though the client is not told so.
    WithoutPicture,
    /// The script has an answer of its own.
    Answer(Turn, UnderWay),
    Job(Order, Turn, UnderWay),
}

fn begin(server: &Server, asked: &Asked, body: Bytes) -> Begun {
    let id = &asked.job_id;
    let mut studio = server.studio();
    if studio.is_under_way(id) {
        return Begun::Conflict;
    }
    // Pictures of WebP are accepted, and never found.
    let upload = studio.upload(id).filter(|upload| extension(&upload.file_name) != "webp");
    let Some(upload) = upload.cloned() else {
        studio.fail(id, "No input image found");
        return Begun::WithoutPicture;
    };
    let (turn, under_way) = server.script.begin(body);
    if matches!(turn, Turn::Answer(..) | Turn::Busy) {
        return Begun::Answer(turn, under_way);
    }
    studio.begin(id);
    Begun::Job(Order::new(upload.content.to_vec(), asked.fields()), turn, under_way)
}

async fn work(server: Arc<Server>, asked: Asked, order: Order, turn: Turn, under_way: UnderWay) {
    server.script.wait_until_open().await;
    let file_name = format!("model_{}.{}", asked.job_id, asked.format);
    let made = output(&server, &order, &asked.format, turn).await.map(|output| (file_name, output));
    server.studio().end(&asked.job_id, made);
    drop(under_way);
}

/// Carries out a generation; nothing, if it fails.
pub(super) async fn output(
    server: &Server,
    order: &Order,
    format: &str,
    turn: Turn,
) -> Option<Output> {
    match turn {
        Turn::Hang => pending().await,
        Turn::Exception | Turn::Answer(..) | Turn::Busy => None,
        turn => {
            let content = order.file(server, format, turn.craft())?.into();
            Some(Output { content, delivery: Delivery::of(&turn) })
        }
    }
}

fn accepted(asked: &Asked) -> Reply {
    answer(
        200,
        &json!({
            "dimensions": asked.dimensions,
            "format": asked.format,
            "job_id": asked.job_id,
            "quality": asked.quality,
            "status": "generating_3d",
        }),
    )
}

fn conflict(id: &str) -> Reply {
    answer(
        409,
        &json!({
            "error": "Generation already in progress",
            "job_id": id,
            "message": "This job is currently being processed. \
                        Wait for completion or use a different job_id.",
            "status": "conflict",
        }),
    )
}
