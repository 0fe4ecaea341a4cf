//! `GET /openapi.json`: the contract, generated from the handlers.

use axum::response::Response;
use utoipa::{OpenApi, ToSchema};

use super::{generate, health, json, management, metrics, models};

/// The document.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "meshmemo",
        description = "A result cache for image-to-3D generation: generate once, serve for ever."
    ),
    paths(
        generate::generate,
        models::model,
        management::stats,
        management::config,
        management::change_config,
        management::clear,
        management::warm,
        management::purge,
        management::entries,
        management::entry,
        management::remove_entry,
        health::health,
        health::ready,
        metrics::metrics,
        openapi,
    )
)]
pub(super) struct Document;

/// What may be asked of a generation.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes the form, which is read field by field")]
pub(super) struct GenerateForm {
    /// A PNG, JPEG or WebP; in JSON, base64 or a data URI.
    #[schema(value_type = String, format = Binary)]
    image: Vec<u8>,
    /// `glb`, `stl`, `obj` or `ply`.
    #[schema(default = "glb")]
    format: Option<String>,
    /// From 1 (coarse) to 10 (fine).
    #[schema(default = 7, minimum = 1, maximum = 10)]
    quality: Option<u8>,
    #[schema(default = 100.0, minimum = 1.0, maximum = 2000.0)]
    width_mm: Option<f64>,
    #[schema(default = 100.0, minimum = 1.0, maximum = 2000.0)]
    height_mm: Option<f64>,
    #[schema(default = 20.0, minimum = 0.5, maximum = 2000.0)]
    depth_mm: Option<f64>,
    /// Part of the key, though the relief generator draws nothing at random.
    seed: Option<u64>,
    /// A name for people; the file's, if left out. Not part of the key.
    label: Option<String>,
}

/// Returns this document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "operation",
    responses((status = 200, description = "This document", content_type = "application/json"))
)]
pub(super) async fn openapi() -> Response {
    json::answer(&Document::openapi())
}
