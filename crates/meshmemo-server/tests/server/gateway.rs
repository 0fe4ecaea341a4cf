//! A gateway of the test's own in front of a stand-in, and clients of its protocol.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::answer::{Answer, send};
use crate::house::{House, read_photo};
use crate::stand_in::{Protocol, StandIn};

/// The description of the generic stand-in, as an operator writes it.
pub(crate) const GENERIC: &str = r#"
adapter = "generic"

[generic]
path = "/v1/3d/generations"
images = ["image"]
irrelevant = ["request_id"]
defaults = { texture = false, resolution = 1024 }
seed = "seed"
random_seeds = [-1]
texture_field = "texture"
"#;

/// A gateway in front of a stand-in.
pub(crate) struct Gateway {
    pub(crate) house: House,
    pub(crate) backend: StandIn,
}

impl Gateway {
    /// Starts both, with this adapter and these flags.
    pub(crate) fn with(adapter: &str, flags: &[&str]) -> Self {
        Self::in_dir(&Arc::new(tempfile::tempdir().unwrap()), adapter, flags)
    }

    /// Starts both where a gateway was before.
    pub(crate) fn in_dir(dir: &Arc<TempDir>, adapter: &str, flags: &[&str]) -> Self {
        let protocol = match adapter {
            "hunyuan3d-2" => Protocol::Hunyuan2,
            "generic" => Protocol::Generic,
            "orfeas" => Protocol::Orfeas,
            "stability" => Protocol::Stability,
            _ => Protocol::Hunyuan21,
        };
        if adapter == "generic" {
            std::fs::write(dir.path().join("meshmemo.toml"), GENERIC).unwrap();
        }
        Self::before(StandIn::start(protocol), dir, adapter, flags)
    }

    /// Starts a gateway before a stand-in that is there.
    pub(crate) fn before(
        backend: StandIn,
        dir: &Arc<TempDir>,
        adapter: &str,
        flags: &[&str],
    ) -> Self {
        let url = backend.url();
        let own = ["--backend", &url, "--adapter", adapter, "--model-id", "model-1"];
        let house = House::in_dir(dir, &[&own, flags].concat());
        Self { house, backend }
    }

    /// Prepares a JSON request.
    pub(crate) fn ask(&self, path: &str, body: &Value) -> RequestBuilder {
        self.raw(path, body.to_string())
    }

    /// Prepares a request with this JSON, to the byte.
    pub(crate) fn raw(&self, path: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        let request = self.house.request(Method::POST, path);
        request.header("content-type", "application/json").body(body)
    }

    /// Has a model made as clients of the protocol do.
    pub(crate) fn generate(&self, body: &Value) -> Answer {
        send(self.ask("/generate", body))
    }

    /// Prepares a generation by the native door.
    pub(crate) fn by_door(&self, photo: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        self.house.ask_at("/-/meshmemo/api/generate", photo, fields)
    }

    /// Returns the counters.
    pub(crate) fn stats(&self) -> Value {
        self.house.stats()
    }

    /// Waits until so many clients of the same request wait for its result: who does holds its body once,
    /// in whole KiB; while it is read, it is charged twice.
    pub(crate) fn wait_until_held(&self, count: usize, body: &Value) {
        let all = count * body.to_string().len().div_ceil(1024);
        let wanted = f64::from(u32::try_from(all).unwrap());
        self.house.wait_until(|house| {
            let held = house.metric("meshmemo_body_bytes{direction=\"in\"}") / 1024.0;
            house.open_requests() >= count && (held - wanted).abs() < f64::EPSILON
        });
    }

    /// Submits a job, and returns its name.
    pub(crate) fn submit(&self, body: &Value) -> String {
        let answer = send(self.ask("/send", body)).ok();
        answer.json()["uid"].as_str().unwrap().to_owned()
    }

    /// Asks how a job stands.
    pub(crate) fn status(&self, id: &str) -> Answer {
        self.house.get(&format!("/status/{id}"))
    }

    /// Asks until a job has ended.
    pub(crate) fn end_of(&self, id: &str) -> Answer {
        let is_under_way =
            |answer: &Answer| answer.status == 200 && answer.json()["status"] == "processing";
        self.house.wait_until(|_| !is_under_way(&self.status(id)));
        self.status(id)
    }
}

/// Returns a photo in base64.
pub(crate) fn base64(photo: &str) -> String {
    STANDARD.encode(read_photo(photo))
}

/// Returns the request for the model of a photo, with more fields.
pub(crate) fn body(photo: &str, more: &Value) -> Value {
    let mut body = json!({ "image": base64(photo) });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// Returns the model that a job's answer carries.
pub(crate) fn model_of(status: &Answer) -> Vec<u8> {
    let status = status.json();
    assert_eq!(status["status"], "completed");
    STANDARD.decode(status["model_base64"].as_str().unwrap()).unwrap()
}
