//! `GET /openapi.json`: the contract, generated from the handlers.

use std::sync::Arc;

use axum::extract::State as Extract;
use axum::http::Method;
use axum::response::Response;
use utoipa::openapi::path::Operation;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::{Modify, OpenApi, ToSchema};

use super::doors::CACHE;
use super::router::routes;
use super::routes::{Needs, Route};
use super::state::State;
use super::{backends, batch, generate, health, jobs, json, management, metrics, models};

/// The document.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "meshmemo",
        description = "A result cache for image-to-3D generation: generate once, serve for ever."
    ),
    paths(
        generate::generate,
        batch::batch,
        jobs::job,
        jobs::events,
        jobs::leave,
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
        backends::backends,
        backends::drain,
        backends::resume,
        health::health,
        health::ready,
        metrics::metrics,
        openapi,
    ),
    modifiers(&Keys)
)]
pub(super) struct Document;

/// Says of each operation whether it needs a key, where a server has keys.
struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let schemes = document.components.get_or_insert_default();
        let header = ApiKey::Header(ApiKeyValue::new("X-Meshmemo-Api-Key"));
        schemes.add_security_scheme("api_key", SecurityScheme::ApiKey(header));
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        schemes.add_security_scheme("bearer", bearer);
        for Route { method, path, needs } in routes() {
            let Some(item) = document.paths.paths.get_mut(path) else { continue };
            let operation = match method {
                Method::GET => &mut item.get,
                Method::POST => &mut item.post,
                _ => &mut item.delete,
            };
            if let (Some(operation), Needs::Right(_)) = (operation, needs) {
                need_key(operation);
            }
        }
    }
}

fn need_key(operation: &mut Operation) {
    let schemes = ["api_key", "bearer"];
    let either = schemes.map(|name| SecurityRequirement::new(name, [""; 0])).to_vec();
    operation.security = Some(either);
    for (status, description) in [
        ("401", "An API key is needed, or this one does not hold"),
        ("403", "The key may not do this, or the request is from a foreign page"),
        ("429", "The key has used up what it may use; see `Retry-After`"),
    ] {
        let responses = &mut operation.responses.responses;
        responses
            .entry(status.to_owned())
            .or_insert_with(|| ResponseBuilder::new().description(description).build().into());
    }
}

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

/// Says where this server's own paths stand.
fn placed(mut document: utoipa::openapi::OpenApi, state: &State) -> utoipa::openapi::OpenApi {
    let paths = std::mem::take(&mut document.paths.paths);
    let place = |path: String| if path.starts_with(CACHE) { path } else { state.own(&path) };
    document.paths.paths = paths.into_iter().map(|(path, item)| (place(path), item)).collect();
    document
}

/// Returns this document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "operation",
    responses((status = 200, description = "This document", content_type = "application/json"))
)]
pub(super) async fn openapi(Extract(state): Extract<Arc<State>>) -> Response {
    json::answer(&placed(Document::openapi(), &state))
}
