//! The routes of the hosted API of Stability: a form in, a textured GLB out, and each one costs
//! credits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT, AUTHORIZATION};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::json;
use tokio::runtime::Handle;

use super::form::{self, Part};
use super::glb::glb;
use super::order::Order;
use super::photo::Photo;
use super::reply::{self, Reply};
use super::script::{Craft, Turn};
use super::{Server, uuid};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const FINISH_REASON: HeaderName = HeaderName::from_static("finish-reason");

const SIDE_MIN: u32 = 64;
const PIXELS_MIN: u64 = 4_096;
const PIXELS_MAX: u64 = 4_194_304;

/// A model of theirs.
#[derive(Debug)]
struct Engine3d {
    name: &'static str,
    credits: usize,
    fields: &'static [Field],
}

/// A field of a form, what it is by default, and what it may be.
type Field = (&'static str, &'static str, Allowed);

#[derive(Debug)]
enum Allowed {
    OneOf(&'static [&'static str]),
    Number(f64, f64),
    Whole(f64, f64),
}

const RESOLUTION: Field = ("texture_resolution", "1024", Allowed::OneOf(&["512", "1024", "2048"]));
const REMESH: Field = ("remesh", "none", Allowed::OneOf(&["none", "triangle", "quad"]));

static FAST: Engine3d = Engine3d {
    name: "stable-fast-3d",
    credits: 10,
    fields: &[
        RESOLUTION,
        ("foreground_ratio", "0.85", Allowed::Number(0.1, 1.0)),
        REMESH,
        ("vertex_count", "-1", Allowed::Whole(-1.0, 20_000.0)),
    ],
};

static POINT_AWARE: Engine3d = Engine3d {
    name: "stable-point-aware-3d",
    credits: 4,
    fields: &[
        RESOLUTION,
        ("foreground_ratio", "1.3", Allowed::Number(1.0, 2.0)),
        REMESH,
        ("target_type", "none", Allowed::OneOf(&["none", "vertex", "face"])),
        ("target_count", "1000", Allowed::Whole(100.0, 20_000.0)),
        ("guidance_scale", "3", Allowed::Number(1.0, 10.0)),
        ("seed", "0", Allowed::Whole(0.0, 4_294_967_294.0)),
    ],
};

pub(super) fn routes() -> Router<Arc<Server>> {
    Router::new()
        .route("/v2beta/3d/stable-fast-3d", post(fast))
        .route("/v2beta/3d/stable-point-aware-3d", post(point_aware))
}

pub(super) fn not_found() -> Response {
    reply::whole(refusal(404, "not_found", &["the requested resource does not exist".to_owned()]))
}

/// Adds what all answers have.
pub(super) fn sign(headers: &mut HeaderMap) {
    headers.insert(REQUEST_ID, uuid().replace('-', "").parse().unwrap());
}

async fn fast(server: State<Arc<Server>>, headers: HeaderMap, body: Bytes) -> Response {
    generate(server, &FAST, headers, body).await
}

async fn point_aware(server: State<Arc<Server>>, headers: HeaderMap, body: Bytes) -> Response {
    generate(server, &POINT_AWARE, headers, body).await
}

async fn generate(
    State(server): State<Arc<Server>>,
    engine: &'static Engine3d,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !is_authorized(&headers) {
        let errors = ["authorization: missing or invalid API key".to_owned()];
        return reply::whole(refusal(401, "unauthorized", &errors));
    }
    let parts = form::parts(&headers, body.clone()).await.unwrap_or_default();
    let order = match read(engine, &parts) {
        Ok(order) => order,
        Err(errors) => return reply::whole(refusal(400, "bad_request", &errors)),
    };
    let pack = if wants_json(&headers) { wrapped } else { file };
    // A task of its own: what has begun is paid for, whether its client waits or not.
    let generation = Handle::current().spawn(async move {
        let (turn, _under_way) = server.script.begin(body);
        server.script.wait_until_open().await;
        if matches!(turn, Turn::Exception) {
            let errors = ["an unexpected error occurred".to_owned()];
            return reply::whole(refusal(500, "internal_error", &errors));
        }
        let make = |craft| {
            server.credits_spent.fetch_add(engine.credits, Ordering::Relaxed);
            pack(model(&server, &order, craft))
        };
        turn.play(make).await
    });
    generation.await.unwrap()
}

/// Returns whether there is something that looks like a key.
fn is_authorized(headers: &HeaderMap) -> bool {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    given.and_then(|value| value.strip_prefix("Bearer sk-")).is_some_and(|key| !key.is_empty())
}

fn wants_json(headers: &HeaderMap) -> bool {
    let accepted = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|value| value.starts_with("application/json"))
}

/// Reads a form with its defaults filled in, or says all that is against it.
fn read(engine: &Engine3d, parts: &[Part]) -> Result<Order, Vec<String>> {
    let mut errors = Vec::new();
    let image = parts.iter().find(|part| part.name == "image");
    match image {
        None => errors.push("image: is required".to_owned()),
        Some(image) => errors.extend(complaint(&image.content)),
    }
    let mut fields = BTreeMap::from([("engine".to_owned(), engine.name.to_owned())]);
    for (name, default, allowed) in engine.fields {
        let given = parts.iter().find(|part| part.name == *name).map(Part::text);
        match allowed.read(given.as_deref().unwrap_or(default)) {
            Ok(value) => drop(fields.insert((*name).to_owned(), value)),
            Err(reason) => errors.push(format!("{name}: {reason}")),
        }
    }
    match image {
        Some(image) if errors.is_empty() => Ok(Order::new(image.content.to_vec(), fields)),
        _ => Err(errors),
    }
}

/// Says what is against a picture, if anything.
fn complaint(image: &[u8]) -> Option<String> {
    let Some(photo) = Photo::read(image).filter(|photo| !["GIF", "BMP"].contains(&photo.format))
    else {
        return Some("image: must be a valid jpeg, png or webp".to_owned());
    };
    if photo.width.min(photo.height) < SIDE_MIN {
        return Some(format!("image: every side must be at least {SIDE_MIN} pixels"));
    }
    let is_in_range = (PIXELS_MIN..=PIXELS_MAX).contains(&photo.pixels());
    (!is_in_range)
        .then(|| format!("image: total pixel count must be between {PIXELS_MIN} and {PIXELS_MAX}"))
}

impl Allowed {
    /// Returns a value as the server understands it, or what is against it.
    fn read(&self, value: &str) -> Result<String, String> {
        let (least, most, is_whole) = match self {
            Self::OneOf(names) if names.contains(&value) => return Ok(value.to_owned()),
            Self::OneOf(names) => return Err(format!("must be one of {}", names.join(", "))),
            Self::Number(least, most) => (*least, *most, false),
            Self::Whole(least, most) => (*least, *most, true),
        };
        let number = value.parse::<f64>().map_err(|_| "must be a number".to_owned())?;
        if is_whole && number.fract() != 0.0 {
            return Err("must be an integer".to_owned());
        }
        if (least..=most).contains(&number) {
            Ok(number.to_string())
        } else {
            Err(format!("must be between {least} and {most}"))
        }
    }
}

fn model(server: &Server, order: &Order, craft: Craft) -> Vec<u8> {
    let padding_bytes = server.padding_bytes.load(Ordering::Relaxed);
    craft.finish(glb(&order.tag(server), craft != Craft::Untextured, padding_bytes))
}

fn file(model: Vec<u8>) -> Reply {
    finished(reply::answer(200, "model/gltf-binary", model))
}

fn wrapped(model: Vec<u8>) -> Reply {
    let model = STANDARD.encode(model);
    finished(reply::json(200, json!({ "finish_reason": "SUCCESS", "model": model }).to_string()))
}

fn finished(mut reply: Reply) -> Reply {
    reply.headers_mut().insert(FINISH_REASON, HeaderValue::from_static("SUCCESS"));
    reply
}

fn refusal(status: u16, name: &str, errors: &[String]) -> Reply {
    let id = uuid().replace('-', "");
    reply::json(status, json!({ "errors": errors, "id": id, "name": name }).to_string())
}
