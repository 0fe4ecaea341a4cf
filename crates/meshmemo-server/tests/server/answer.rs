//! What a server answers, whole, and what a test wants to know of it.

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

/// How long an answer may take before the test has failed.
pub(crate) const ANSWER_WAIT: Duration = Duration::from_mins(2);

pub(crate) static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());

/// A whole answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Returns the answer if it is a 200.
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    /// Returns a header that must be there.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no `{name}`: {self:?}"));
        value.to_str().unwrap()
    }

    /// Returns what the body weighs in MB.
    pub(crate) fn size_mb(&self) -> f64 {
        mb(self.body.len())
    }

    pub(crate) fn cache_status(&self) -> &str {
        self.header("cache-status")
    }

    pub(crate) fn key(&self) -> &str {
        self.header("x-meshmemo-cache-key")
    }

    /// Returns the path under which the model is fetched again.
    pub(crate) fn model_path(&self) -> String {
        let link = self.header("link").strip_prefix('<').unwrap();
        link.strip_suffix(">; rel=\"alternate\"").unwrap().to_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Returns the detail of a problem document of this status.
    pub(crate) fn problem(&self, status: u16) -> String {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{text}");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert!(problem["type"].is_string() && problem["title"].is_string(), "{problem}");
        problem["detail"].as_str().unwrap().to_owned()
    }
}

/// Sends a request and reads the whole answer.
pub(crate) fn send(request: RequestBuilder) -> Answer {
    try_send(request).unwrap()
}

/// Sends a request that may get no answer.
pub(crate) fn try_send(request: RequestBuilder) -> reqwest::Result<Answer> {
    RUNTIME.block_on(exchange(request))
}

/// Sends all requests at once; the answers are in their order.
pub(crate) fn send_all(requests: Vec<RequestBuilder>) -> Vec<Answer> {
    let answers = RUNTIME.block_on(join_all(requests.into_iter().map(exchange)));
    answers.into_iter().map(Result::unwrap).collect()
}

/// Returns bytes as MB.
pub(crate) fn mb(bytes: usize) -> f64 {
    f64::from(u32::try_from(bytes).unwrap()) / 1_048_576.0
}

/// Sends a request whose client may be made to leave.
pub(crate) fn start(request: RequestBuilder) -> tokio::task::JoinHandle<reqwest::Result<Answer>> {
    RUNTIME.spawn(exchange(request))
}

async fn exchange(request: RequestBuilder) -> reqwest::Result<Answer> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Answer { status, headers, body: response.bytes().await? })
}
