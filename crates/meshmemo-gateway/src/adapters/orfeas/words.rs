//! What the studio answers: JSON with its fields in the order of the alphabet, and a line's end.

use http::StatusCode;
use meshmemo::Progress;
use meshmemo_gen::Format;
use serde_json::{Value as Json, json};

use super::order::Order;
use super::output_file;
use super::pictures::Picture;
use crate::adapter::Reply;

/// From which part of its progress on the studio works on the mesh.
const MESH_FROM: f32 = 0.5;

/// Answers an upload that was taken under a name.
pub fn uploaded(id: &str, file_name: &str, picture: &Picture) -> Reply {
    let head = picture.head;
    let image_info = json!({
        "file_size": picture.bytes.len(),
        "format": head.kind.name(),
        "has_transparency": matches!(head.mode, "RGBA" | "LA"),
        "mode": head.mode,
        "size": [head.width, head.height],
    });
    ok(&json!({
        "filename": file_name,
        "image_info": image_info,
        "job_id": id,
        "original_filename": picture.original_name,
        "preview_url": format!("/api/preview/{file_name}"),
        "status": "uploaded",
    }))
}

/// Answers an order that was taken.
pub fn ordered(id: &str, order: &Order) -> Reply {
    ok(&json!({
        "dimensions": order.sizes(),
        "format": order.format.as_str(),
        "job_id": id,
        "quality": order.quality,
        "status": "generating_3d",
    }))
}

/// Answers an order for a job that is under way.
pub fn under_way(id: &str) -> Reply {
    let conflict = json!({
        "error": "Generation already in progress",
        "job_id": id,
        "message": "This job is under way: wait for its end, or upload the picture once more.",
        "status": "conflict",
    });
    reply(StatusCode::CONFLICT, &conflict)
}

/// Answers who is to come back later.
pub fn busy(error: &str, retry_after_seconds: u64) -> Reply {
    let busy = json!({ "error": error, "retry_after": retry_after_seconds, "status": "busy" });
    reply(StatusCode::SERVICE_UNAVAILABLE, &busy)
}

/// Tells how far a job is.
pub fn working(progress: Progress) -> Reply {
    let (progress, status, step) = match progress {
        Progress::Working { fraction, .. } if fraction >= MESH_FROM => {
            (percent(fraction), "processing", "Generating 3D mesh...".to_owned())
        }
        Progress::Working { fraction, .. } => {
            (percent(fraction), "processing", "Processing image...".to_owned())
        }
        Progress::Queued { ahead } => {
            (0, "initializing", format!("Waiting for a free GPU, {ahead} before this one..."))
        }
        _ => (0, "initializing", "Starting 3D generation...".to_owned()),
    };
    ok(&json!({ "progress": progress, "status": status, "step": step }))
}

/// Tells of a job that has ended well.
pub fn completed(id: &str, format: Format, is_cached: bool) -> Reply {
    let file = output_file(id, format);
    let mut told = json!({
        "download_url": format!("/api/download/{id}/{file}"),
        "output_file": file,
        "progress": 100,
        "status": "completed",
        "step": "3D model generation complete!",
    });
    if is_cached {
        told["cached"] = true.into();
        told["step"] = "3D model retrieved from cache!".into();
    }
    ok(&told)
}

/// Tells of a job that has not.
pub fn failed(error: &str) -> Reply {
    ok(&json!({ "error": error, "status": "failed" }))
}

/// Answers with a model in base64, of so many bytes.
pub fn in_base64(file: &str, bytes: u64) -> Reply {
    let rest = json!({
        "encoded_size": bytes.div_ceil(3) * 4,
        "filename": file,
        "original_size": bytes,
        "status": "success",
    });
    let rest = rest.to_string();
    let (before, after) = ("{\"data\":\"".to_owned(), format!("\",{}\n", &rest[1..]));
    Reply { status: StatusCode::OK, media_type: JSON, before, after: Some(after) }
}

/// Answers who asks for a file that is not there.
pub fn no_file() -> Reply {
    reply(StatusCode::NOT_FOUND, &json!({ "error": "File not found" }))
}

/// Answers a batch that was taken.
pub fn batch(ids: &[String], estimated_seconds: u64) -> Reply {
    ok(&json!({
        "estimated_time_seconds": estimated_seconds,
        "job_ids": ids,
        "message": format!("Batch generation started: {} jobs queued", ids.len()),
        "success": true,
        "total_jobs": ids.len(),
    }))
}

const JSON: &str = "application/json";

fn ok(body: &Json) -> Reply {
    reply(StatusCode::OK, body)
}

fn reply(status: StatusCode, body: &Json) -> Reply {
    Reply { status, media_type: JSON, before: format!("{body}\n"), after: None }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is 0 to 100")]
fn percent(fraction: f32) -> u8 {
    (fraction.clamp(0.0, 1.0) * 100.0).round() as u8
}
