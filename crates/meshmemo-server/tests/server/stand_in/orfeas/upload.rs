//! Pictures: how they come in, what is held against them, and how they are shown.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, ETAG, LAST_MODIFIED};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use bytes::Bytes;
use serde_json::json;

use super::super::form::{self, Part};
use super::super::photo::Photo;
use super::super::reply::{self, Reply};
use super::super::{Server, uuid};
use super::studio::Upload;
use super::{Refusal, answer, error};

const UPLOAD_BYTES_MAX: usize = 50 << 20;
const NAME_LENGTH_MAX: usize = 50;
const SIDE_MIN: u32 = 32;
const SIDE_MAX: u32 = 4096;
/// What is bigger when it is decoded is taken for a bomb.
const EXPANSION_MAX: u64 = 1000;

pub(super) async fn upload(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if body.len() > UPLOAD_BYTES_MAX {
        return reply::whole(error(413, "File too large (max 50MB)"));
    }
    let parts = form::parts(&headers, body).await.unwrap_or_default();
    reply::whole(match file_of(&parts) {
        Err(refusal) => refusal.into_reply(),
        Ok((file_name, content)) => match inspect(file_name, content) {
            Err(reason) => error(400, &format!("Security validation failed: {reason}")),
            Ok(photo) => keep(&server, file_name, content.clone(), photo),
        },
    })
}

pub(super) async fn preview(
    State(server): State<Arc<Server>>,
    Path(file_name): Path<String>,
) -> Response {
    let Some(upload) = server.studio().upload_called(&file_name).cloned() else {
        return reply::whole(error(404, "Image not found"));
    };
    let content_type = match extension(&file_name).as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "bmp" => "image/bmp",
        "webp" => "image/webp",
        _ => "application/octet-stream",
    };
    let hash = blake3::hash(&upload.content).to_hex();
    let mut reply = reply::answer(200, content_type, upload.content);
    for (name, value) in [
        (CONTENT_DISPOSITION, format!("inline; filename={file_name}")),
        (ETAG, format!("\"{}\"", &hash.as_str()[..32])),
    ] {
        reply.headers_mut().insert(name, value.parse().unwrap());
    }
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let date = HeaderValue::from_static("Thu, 23 Oct 2025 09:20:34 GMT");
    reply.headers_mut().insert(LAST_MODIFIED, date);
    reply::whole(reply)
}

/// Says what is against a picture, if its beginning says it.
pub(super) fn inspect(file_name: &str, content: &[u8]) -> Result<Photo, String> {
    if content.len() < 12 {
        return Err("File too small to be valid image".to_owned());
    }
    let extension = extension(file_name);
    if !["png", "jpg", "jpeg", "gif", "bmp", "tiff", "webp"].contains(&extension.as_str()) {
        return Err(format!("Invalid file extension: {extension}"));
    }
    let Some(photo) = Photo::read(content) else {
        return Err(format!(
            "File magic number doesn't match {extension} format (possible spoofing)"
        ));
    };
    let Photo { width, height, .. } = photo;
    if width.min(height) < SIDE_MIN {
        return Err(format!("Image too small: {width}x{height} (min {SIDE_MIN}x{SIDE_MIN})"));
    }
    if width.max(height) > SIDE_MAX {
        return Err(format!("Image too large: {width}x{height} (max {SIDE_MAX}x{SIDE_MAX})"));
    }
    let expansion = photo.pixels() * 3 / content.len() as u64;
    if expansion > EXPANSION_MAX {
        return Err(format!(
            "Suspicious compression ratio: {expansion}.0x (possible decompression bomb)"
        ));
    }
    Ok(photo)
}

/// Returns a name that is safe as a file's, as Werkzeug writes it.
pub(super) fn secure(file_name: &str) -> String {
    let words: Vec<_> = file_name.split_whitespace().collect();
    let mut name = words.join("_");
    name.retain(|letter| letter.is_ascii_alphanumeric() || "_.-".contains(letter));
    name.trim_matches(['.', '_']).to_owned()
}

/// Returns the extension of a file's name in lower case, without its dot.
pub(super) fn extension(file_name: &str) -> String {
    file_name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase()
}

fn file_of(parts: &[Part]) -> Result<(&str, &Bytes), Refusal> {
    let images = parts.iter().filter(|part| part.name == "image");
    let mut files =
        images.filter_map(|part| part.file_name.as_deref().map(|name| (name, &part.content)));
    match files.next() {
        None => Err(Refusal::new(400, "No image file provided")),
        Some(("", _)) => Err(Refusal::new(400, "No file selected")),
        Some(file) => Ok(file),
    }
}

fn keep(server: &Server, file_name: &str, content: Bytes, photo: Photo) -> Reply {
    let id = uuid();
    let (stem, extension) = file_name.rsplit_once('.').expect("its extension was looked at");
    let kept = format!("{id}_20251023_092034_{}.{extension}", plain(stem));
    let uploaded = answer(
        200,
        &json!({
            "filename": kept,
            "image_info": {
                "file_size": content.len(),
                "format": photo.format,
                "has_transparency": photo.has_transparency(),
                "mode": photo.mode,
                "size": [photo.width, photo.height],
            },
            "job_id": id,
            "original_filename": secure(file_name),
            "preview_url": format!("/api/preview/{kept}"),
            "status": "uploaded",
        }),
    );
    server.studio().keep(id, Upload { file_name: kept, content });
    uploaded
}

/// Makes a part of a kept file's name of what its client called it.
fn plain(stem: &str) -> String {
    let ascii = stem.chars().filter(char::is_ascii);
    let letters = ascii.map(|letter| {
        let is_safe = letter.is_ascii_alphanumeric() || letter == '-';
        if is_safe { letter.to_ascii_lowercase() } else { '_' }
    });
    let mut name: String = letters.collect();
    while name.contains("__") {
        name = name.replace("__", "_");
    }
    let mut name = name.trim_matches('_').to_owned();
    name.truncate(NAME_LENGTH_MAX);
    if name.is_empty() { "unnamed".to_owned() } else { name }
}
