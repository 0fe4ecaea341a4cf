//! Generations of many pictures at once, which nobody can ask after.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use serde_json::json;
use tokio::runtime::Handle;

use super::super::form::{self, Part};
use super::super::order::Order;
use super::super::reply::{self, Reply};
use super::super::{Server, uuid};
use super::generate::output;
use super::studio::{Delivery, Output};
use super::upload::{inspect, secure};
use super::{Refusal, answer};

pub(super) async fn generate(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let parts = form::parts(&headers, body).await.unwrap_or_default();
    reply::whole(start(&server, &parts).unwrap_or_else(Refusal::into_reply))
}

fn start(server: &Arc<Server>, parts: &[Part]) -> Result<Reply, Refusal> {
    let files: Vec<_> = parts
        .iter()
        .filter(|part| part.name == "files")
        .filter_map(|part| part.file_name.as_deref().map(|name| (name, &part.content)))
        .collect();
    if files.is_empty() {
        return Err(Refusal::new(400, "No files provided"));
    }
    let (format, quality) = (field(parts, "format_type", "stl"), field(parts, "quality", "medium"));
    let at_once = field(parts, "batch_size", "4");
    let Ok(at_once) = at_once.trim().parse::<i64>() else {
        let text = format!("invalid literal for int() with base 10: '{at_once}'");
        return Err(Refusal::new(500, &text));
    };
    let is_good = |(name, content): &(&str, &Bytes)| inspect(name, content).is_ok();
    let ids: Vec<_> = files
        .into_iter()
        .filter(is_good)
        .map(|(name, content)| enqueue(server, name, content.clone(), &format, &quality))
        .collect();
    if ids.is_empty() {
        return Err(Refusal::new(400, "No valid image files provided"));
    }
    // What has begun goes on: the division is the last thing that is done.
    if at_once == 0 {
        return Err(Refusal::new(500, "division by zero"));
    }
    let seconds_each = match quality.as_str() {
        "low" => 20,
        "high" => 60,
        _ => 40,
    };
    let count = i64::try_from(ids.len()).unwrap();
    Ok(answer(
        200,
        &json!({
            "estimated_time_seconds": count * seconds_each / at_once,
            "job_ids": ids,
            "message": format!("Batch generation started: {count} jobs queued"),
            "success": true,
            "total_jobs": count,
        }),
    ))
}

/// Returns a field of the form, or what it is by default.
fn field(parts: &[Part], name: &str, default: &str) -> String {
    let given = parts.iter().find(|part| part.name == name && part.file_name.is_none());
    given.map_or_else(|| default.to_owned(), Part::text)
}

/// Begins one picture of a batch; the body of its generation is the picture.
fn enqueue(
    server: &Arc<Server>,
    name: &str,
    picture: Bytes,
    format: &str,
    quality: &str,
) -> String {
    let id = uuid();
    let input = Output { content: picture.clone(), delivery: Delivery::Whole };
    server.studio().open(&id, secure(name), input);
    let asked = [("format", format), ("quality", quality)];
    let fields: BTreeMap<_, _> =
        asked.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let order = Order::new(picture.to_vec(), fields);
    let (turn, under_way) = server.script.begin(picture);
    let (server, job_id, format) = (Arc::clone(server), id.clone(), format.to_owned());
    Handle::current().spawn(async move {
        server.script.wait_until_open().await;
        if let Some(made) = output(&server, &order, &format, turn).await {
            server.studio().put(&job_id, format!("model_{job_id}.{format}"), made);
        }
        drop(under_way);
    });
    id
}
