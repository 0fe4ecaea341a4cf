//! The routes of the `api_server.py` of Hunyuan3D-2 and Hunyuan3D-2.1.
//!
//! What looks wrong here is wrong there: a failed job is "processing" for ever, every exception is
//! a 404, and one generation of `/generate` blocks the whole server.

use std::future::pending;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ETAG, LAST_MODIFIED, SERVER,
};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::order::{Order, decode_base64};
use super::reply::{self, Reply};
use super::script::{Craft, Turn};
use super::{Protocol, Server, uuid};

/// The route that blocks the event loop, and so need not wait for it before it reads its body.
pub(super) const BLOCKING: &str = "/generate";

/// What Starlette guesses on a host that does not know the extension.
const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

/// What the models of 2.1 let through.
const RANGES: [(&str, f64, f64); 6] = [
    ("seed", 0.0, 4_294_967_295.0),
    ("octree_resolution", 64.0, 512.0),
    ("num_inference_steps", 1.0, 20.0),
    ("guidance_scale", 0.1, 20.0),
    ("num_chunks", 1_000.0, 20_000.0),
    ("face_count", 1_000.0, 100_000.0),
];

/// What has come of a generation of `/send`.
#[derive(Debug)]
pub(super) enum Job {
    /// The mesh is there, and its texture never will be: the real server of 2.1 does not tell.
    Texturing,
    Completed(Vec<u8>),
}

pub(super) fn routes(protocol: Protocol) -> Router<Arc<Server>> {
    let routes = Router::new()
        .route(BLOCKING, post(generate))
        .route("/send", post(send))
        .route("/status/{uid}", get(status));
    if protocol == Protocol::Hunyuan21 { routes.route("/health", get(health)) } else { routes }
}

/// Answers `OPTIONS` as the CORS middleware does, before any route is looked for.
pub(super) fn preflight() -> Response {
    let mut reply = reply::answer(200, PLAIN_TEXT, "OK");
    reply.headers_mut().insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("*"));
    reply::whole(reply)
}

/// Adds what all answers have.
pub(super) fn sign(headers: &mut HeaderMap) {
    headers.insert(SERVER, HeaderValue::from_static("uvicorn"));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
}

async fn generate(State(server): State<Arc<Server>>, body: Bytes) -> Response {
    let order = match read(server.protocol, &body) {
        Ok(order) => order,
        Err(rejected) => return reply::whole(rejected.into_reply()),
    };
    // A task of its own: the real one goes on, and blocks, though its client has left.
    let generation = Handle::current().spawn(async move {
        let _blocked = server.event_loop.lock().await;
        let make = |craft| model(&server, order.as_ref(), craft);
        server.script.generate(body, make).await
    });
    generation.await.unwrap()
}

async fn send(State(server): State<Arc<Server>>, body: Bytes) -> Response {
    let order = match read(server.protocol, &body) {
        Ok(order) => order,
        Err(rejected) => return reply::whole(rejected.into_reply()),
    };
    let uid = uuid();
    let accepted = reply::json(200, format!(r#"{{"uid":"{uid}"}}"#));
    let (turn, under_way) = server.script.begin(body);
    if !is_of_the_job(&turn) {
        server.script.wait_until_open().await;
        return turn.play(|_craft| accepted).await;
    }
    Handle::current().spawn(async move {
        server.script.wait_until_open().await;
        if let Some(job) = job(&server, order.as_ref(), turn).await {
            server.jobs.lock().unwrap().insert(uid, job);
        }
        drop(under_way);
    });
    reply::whole(accepted)
}

async fn status(State(server): State<Arc<Server>>, Path(uid): Path<String>) -> Response {
    let text = match server.jobs.lock().unwrap().get(&uid) {
        None => r#"{"status":"processing"}"#.to_owned(),
        Some(Job::Texturing) => r#"{"status":"texturing"}"#.to_owned(),
        Some(Job::Completed(model)) => {
            format!(r#"{{"status":"completed","model_base64":"{}"}}"#, STANDARD.encode(model))
        }
    };
    reply::whole(reply::json(200, text))
}

async fn health() -> Response {
    reply::whole(reply::json(200, r#"{"status":"healthy","worker_id":"abc123"}"#))
}

/// Returns whether a turn concerns the work of `/send`, and not its answer.
fn is_of_the_job(turn: &Turn) -> bool {
    match turn {
        Turn::Well | Turn::Untextured | Turn::Truncated | Turn::Exception | Turn::Hang => true,
        Turn::Answer(..) | Turn::CutAfter(_) | Turn::Hangup | Turn::Busy => false,
    }
}

/// Carries out a job; nothing, if it fails.
async fn job(server: &Server, order: Option<&Order>, turn: Turn) -> Option<Job> {
    match turn {
        Turn::Hang => pending().await,
        Turn::Exception => None,
        turn => finished(server, order?, turn.craft()),
    }
}

/// Makes what `/status` will find: nothing, if the file is not called `.glb`.
fn finished(server: &Server, order: &Order, craft: Craft) -> Option<Job> {
    let is_glb = order.field("type").is_none_or(|kind| kind == "glb");
    let has_failed = craft == Craft::Untextured && order.is_textured();
    if has_failed && server.protocol == Protocol::Hunyuan21 {
        return Some(Job::Texturing);
    }
    is_glb.then(|| Job::Completed(order.glb(server, craft)))
}

/// Answers a model as Starlette's `FileResponse` does.
fn model(server: &Server, order: Option<&Order>, craft: Craft) -> Reply {
    let made = order.and_then(|order| {
        let kind = order.field("type").unwrap_or("glb");
        order.file(server, kind, craft)
    });
    let Some(file) = made else { return reply::exception() };
    let hash = blake3::hash(&file).to_hex();
    let tag = format!("\"{}\"", &hash.as_str()[..32]);
    let mut reply = reply::answer(200, PLAIN_TEXT, file);
    let date = HeaderValue::from_static("Mon, 23 Jun 2025 08:00:00 GMT");
    reply.headers_mut().insert(ETAG, tag.parse().unwrap());
    reply.headers_mut().insert(LAST_MODIFIED, date);
    reply
}

/// Why a request never comes to a generation.
enum Rejected {
    Malformed,
    Invalid(Vec<Value>),
}

impl Rejected {
    fn into_reply(self) -> Reply {
        match self {
            Self::Malformed => reply::answer(500, PLAIN_TEXT, "Internal Server Error"),
            Self::Invalid(detail) => reply::json(422, json!({ "detail": detail }).to_string()),
        }
    }
}

/// Reads a request; an order that is missing is one that the generation will fail at.
fn read(protocol: Protocol, body: &[u8]) -> Result<Option<Order>, Rejected> {
    let json = serde_json::from_slice::<Value>(body);
    let json = match (protocol, json) {
        (_, Ok(json)) => json,
        (Protocol::Hunyuan21, Err(error)) => {
            let detail = json!({
                "type": "json_invalid", "loc": ["body", error.column()], "msg": "JSON decode error",
            });
            return Err(Rejected::Invalid(vec![detail]));
        }
        (_, Err(_)) => return Err(Rejected::Malformed),
    };
    let violations = if protocol == Protocol::Hunyuan21 { violations(&json) } else { Vec::new() };
    if violations.is_empty() {
        Ok(Order::from_json(&json, decode))
    } else {
        Err(Rejected::Invalid(violations))
    }
}

/// Decodes a picture. A data URI decodes to something, which nobody can read as a picture.
fn decode(text: &str) -> Option<Vec<u8>> {
    if text.starts_with("data:") { None } else { decode_base64(text) }
}

/// Returns what pydantic has against a request.
fn violations(json: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    match json.get("image") {
        None => found.push(violation("missing", "image", "Field required", json)),
        Some(image) if !image.is_string() => {
            found.push(violation("string_type", "image", "Input should be a valid string", image));
        }
        Some(_) => {}
    }
    for (name, least, most) in RANGES {
        found.extend(json.get(name).and_then(|value| out_of_range(name, value, least, most)));
    }
    if let Some(texture) = json.get("texture").filter(|texture| !texture.is_boolean()) {
        found.push(violation("bool_type", "texture", "Input should be a valid boolean", texture));
    }
    found
}

fn out_of_range(name: &str, value: &Value, least: f64, most: f64) -> Option<Value> {
    let (kind, message) = match value.as_f64() {
        None => ("float_type", "Input should be a valid number".to_owned()),
        Some(number) if number < least => {
            ("greater_than_equal", format!("Input should be greater than or equal to {least}"))
        }
        Some(number) if number > most => {
            ("less_than_equal", format!("Input should be less than or equal to {most}"))
        }
        Some(_) => return None,
    };
    Some(violation(kind, name, &message, value))
}

fn violation(kind: &str, field: &str, message: &str, input: &Value) -> Value {
    json!({ "type": kind, "loc": ["body", field], "msg": message, "input": input })
}
