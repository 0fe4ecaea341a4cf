//! The routes of a server that is nobody's in particular.
//!
//! It has what other ones have, without their flaws: it fails only where the script says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_DISPOSITION;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;
use tokio::runtime::Handle;

use super::Server;
use super::form;
use super::order::{Order, decode_base64};
use super::reply::{self, Reply};

/// How a model is put into an answer.
type Pack = fn(&Order, Vec<u8>) -> Reply;

pub(super) fn routes() -> Router<Arc<Server>> {
    Router::new()
        .route("/v1/3d/generations", post(file_of_json))
        .route("/multipart", post(file_of_form))
        .route("/json", post(json_of_json))
}

async fn file_of_json(State(server): State<Arc<Server>>, body: Bytes) -> Response {
    generate(server, read_json(&body), body, file).await
}

async fn file_of_form(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let order = read_form(&headers, body.clone()).await;
    generate(server, order, body, file).await
}

async fn json_of_json(State(server): State<Arc<Server>>, body: Bytes) -> Response {
    generate(server, read_json(&body), body, artifacts).await
}

async fn generate(server: Arc<Server>, order: Option<Order>, body: Bytes, pack: Pack) -> Response {
    let Some(order) = order else {
        return reply::whole(reply::json(400, r#"{"error":"an image is needed"}"#));
    };
    // A task of its own, since most servers go on though their client has left.
    let generation = Handle::current().spawn(async move {
        let make = |craft| pack(&order, order.glb(&server, craft));
        server.script.generate(body, make).await
    });
    generation.await.unwrap()
}

fn file(_order: &Order, model: Vec<u8>) -> Reply {
    let mut reply = reply::answer(200, "model/gltf-binary", model);
    let name = HeaderValue::from_static("attachment; filename=\"x.glb\"");
    reply.headers_mut().insert(CONTENT_DISPOSITION, name);
    reply
}

fn artifacts(order: &Order, model: Vec<u8>) -> Reply {
    let seed = order.field("seed").and_then(|seed| seed.parse::<i64>().ok()).unwrap_or(0);
    let model = STANDARD.encode(model);
    reply::json(200, format!(r#"{{"artifacts":[{{"base64":"{model}"}}],"seed":{seed}}}"#))
}

fn read_json(body: &[u8]) -> Option<Order> {
    let json: Value = serde_json::from_slice(body).ok()?;
    Order::from_json(&json, decode)
}

/// Reads a form; nothing, if it is none or has no image.
async fn read_form(headers: &HeaderMap, body: Bytes) -> Option<Order> {
    let (mut image, mut fields) = (None, BTreeMap::new());
    for part in form::parts(headers, body).await? {
        if part.name == "image" {
            image = Some(part.content.to_vec());
        } else {
            let text = part.text();
            fields.insert(part.name, text);
        }
    }
    Some(Order::new(image?, fields))
}

/// Decodes base64, or a data URI of it.
fn decode(text: &str) -> Option<Vec<u8>> {
    let data = text.split_once(";base64,").map_or(text, |(_type, data)| data);
    decode_base64(data)
}
