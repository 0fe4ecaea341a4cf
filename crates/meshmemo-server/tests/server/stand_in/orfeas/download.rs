//! The files of a job, as they are and in JSON: any that is in its directory.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::super::Server;
use super::super::reply::{self, Reply};
use super::studio::{Delivery, Output};
use super::{Refusal, answer};

pub(super) async fn file(
    State(server): State<Arc<Server>>,
    Path((id, file_name)): Path<(String, String)>,
) -> Response {
    deliver(find(&server, &id, &file_name), |output| {
        let mut reply = reply::answer(200, "application/octet-stream", output.content.clone());
        let disposition = format!("attachment; filename={file_name}").parse().unwrap();
        reply.headers_mut().insert(CONTENT_DISPOSITION, disposition);
        let never = HeaderValue::from_static("no-cache, no-store, must-revalidate");
        reply.headers_mut().insert(CACHE_CONTROL, never);
        reply
    })
}

pub(super) async fn base64(
    State(server): State<Arc<Server>>,
    Path((id, file_name)): Path<(String, String)>,
) -> Response {
    deliver(find(&server, &id, &file_name), |output| {
        let data = STANDARD.encode(&output.content);
        answer(
            200,
            &json!({
                "data": data,
                "encoded_size": data.len(),
                "filename": file_name,
                "original_size": output.content.len(),
                "status": "success",
            }),
        )
    })
}

fn find(server: &Server, id: &str, file_name: &str) -> Result<Output, Refusal> {
    let studio = server.studio();
    let files = studio.files(id).ok_or_else(|| Refusal::new(404, "Job not found"))?;
    files.get(file_name).cloned().ok_or_else(|| Refusal::new(404, "File not found"))
}

fn deliver(found: Result<Output, Refusal>, pack: impl FnOnce(&Output) -> Reply) -> Response {
    match found {
        Err(refusal) => reply::whole(refusal.into_reply()),
        Ok(output) => match output.delivery {
            Delivery::Whole => reply::whole(pack(&output)),
            Delivery::CutAfter(bytes) => reply::cut_after(pack(&output), bytes),
            Delivery::Hangup => reply::hangup(),
        },
    }
}
