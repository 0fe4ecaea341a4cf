//! Talks to a running server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use meshmemo_gateway::{BACKEND_AUTHORIZATION, is_own_key};
use reqwest::header::{CACHE_CONTROL, HeaderMap, HeaderValue};
use reqwest::multipart::{Form, Part};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::Usage;
use super::args::Remote;
use crate::http::PREFIX;
use crate::tls;

const DEFAULT_URL: &str = "http://127.0.0.1:8080";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a management call may take; a generation may take as long as the server lets it.
const CALL_TIMEOUT: Duration = Duration::from_mins(1);

/// A server, by its URL.
pub(super) struct Client {
    url: String,
    http: reqwest::Client,
    runtime: Runtime,
}

/// A model from a server.
pub(super) struct Fetched {
    pub(super) body: Vec<u8>,
    pub(super) headers: HeaderMap,
}

impl Client {
    /// Takes the server that flags or the environment name.
    pub(super) fn new(remote: &Remote) -> Result<Self> {
        let url = remote.url.clone().or_else(|| environment("MESHMEMO_URL"));
        let url = url.unwrap_or_else(|| DEFAULT_URL.to_owned());
        let url = url.trim_end_matches('/').to_owned();
        if !url.starts_with("http://") && !url.starts_with("https://") {
            let message = anyhow!("the server is `{url}`, but must be an http:// or https:// URL");
            return Err(Usage(message).into());
        }
        let mut headers = HeaderMap::new();
        if let Some(key) = remote.api_key.clone().or_else(|| environment("MESHMEMO_API_KEY")) {
            let mut value = HeaderValue::from_str(&key).map_err(|_| {
                Usage(anyhow!("the API key has characters that no header can have"))
            })?;
            value.set_sensitive(true);
            headers.insert("x-meshmemo-api-key", value);
        }
        let ca_cert = remote.ca_cert.clone();
        let ca_cert = ca_cert.or_else(|| environment("MESHMEMO_CA_CERT").map(PathBuf::from));
        let mut http = reqwest::Client::builder();
        tls::install_provider();
        for certificate in ca_cert.iter().map(|path| certificates(path)) {
            http = http.tls_certs_merge(certificate.map_err(Usage)?);
        }
        let http = http
            .connect_timeout(CONNECT_TIMEOUT)
            .default_headers(headers)
            .no_proxy()
            // A key goes to the server it was given for, and nowhere else.
            .redirect(Policy::none())
            .build()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { url, http, runtime })
    }

    /// Makes a management call; returns the server's JSON.
    pub(super) fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        request = request.timeout(CALL_TIMEOUT);
        if let Some(body) = body {
            request = request.json(body);
        }
        self.runtime.block_on(async {
            let response = self.send(request).await?;
            response.json().await.context("the server's answer is not JSON")
        })
    }

    /// Reads a path, with its query.
    pub(super) fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value> {
        let mut url = reqwest::Url::parse(&format!("{}{path}", self.url))?;
        url.query_pairs_mut().extend_pairs(query);
        let request = self.http.get(url).timeout(CALL_TIMEOUT);
        self.runtime.block_on(async {
            let response = self.send(request).await?;
            response.json().await.context("the server's answer is not JSON")
        })
    }

    /// Has a model made of a photo; `cache_control` as the server reads it.
    pub(super) fn generate(
        &self,
        photo: Vec<u8>,
        file_name: &str,
        fields: &[(&str, String)],
        cache_control: Option<&'static str>,
    ) -> Result<Fetched> {
        let image = Part::bytes(photo).file_name(file_name.to_owned());
        let mut form = Form::new().part("image", image);
        for (name, value) in fields {
            form = form.text((*name).to_owned(), value.clone());
        }
        let mut request =
            self.http.post(format!("{}{PREFIX}/api/generate", self.url)).multipart(form);
        // To nothing else: only generations need it.
        if let Some(authorization) = backend_authorization()? {
            request = request.header(BACKEND_AUTHORIZATION, authorization);
        }
        if let Some(cache_control) = cache_control {
            request = request.header(CACHE_CONTROL, cache_control);
        }
        self.runtime.block_on(async {
            let response = self.send(request).await?;
            let headers = response.headers().clone();
            let body = response.bytes().await.context("the model did not arrive whole")?;
            Ok(Fetched { body: body.into(), headers })
        })
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response> {
        let response = request.send().await.map_err(|error| {
            if error.is_connect() && self.url.starts_with("https://") {
                anyhow!(error).context(format!("no TLS connection to {}", self.url))
            } else if error.is_connect() {
                anyhow!("no server answers at {}: start one with `meshmemo serve`", self.url)
            } else {
                anyhow!(error).context(format!("the server at {} did not answer", self.url))
            }
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let problem: Value = response.json().await.unwrap_or_default();
        let detail = problem["detail"].as_str().unwrap_or("the server says no more");
        Err(Refused { status, detail: detail.to_owned() }.into())
    }
}

/// Returns what is shown to the server behind meshmemo; by no flag, as other processes see those.
pub(super) fn backend_authorization() -> Result<Option<HeaderValue>> {
    let Some(text) = environment("MESHMEMO_BACKEND_AUTHORIZATION") else { return Ok(None) };
    let mut value = HeaderValue::from_str(&text).map_err(|_| {
        Usage(anyhow!("MESHMEMO_BACKEND_AUTHORIZATION has characters that no header can have"))
    })?;
    if is_own_key(&value) {
        bail!(
            "MESHMEMO_BACKEND_AUTHORIZATION is a key of meshmemo, and not of the server behind it"
        );
    }
    value.set_sensitive(true);
    Ok(Some(value))
}

/// Reads the certificates of a file.
fn certificates(path: &Path) -> Result<Vec<Certificate>> {
    let pem = std::fs::read(path)
        .with_context(|| format!("the certificate {} can not be read", path.display()))?;
    let certificates = Certificate::from_pem_bundle(&pem).ok().filter(|all| !all.is_empty());
    certificates.with_context(|| format!("{} has no certificate in PEM", path.display()))
}

/// An answer that is none.
#[derive(Debug)]
struct Refused {
    status: StatusCode,
    detail: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (HTTP {})", self.detail, self.status)
    }
}

impl std::error::Error for Refused {}

/// Returns whether the server answered with this status.
pub(super) fn is_refused_with(error: &anyhow::Error, status: StatusCode) -> bool {
    error.downcast_ref::<Refused>().is_some_and(|refused| refused.status == status)
}

/// Returns a header as text.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str> {
    match headers.get(name).map(HeaderValue::to_str) {
        Some(Ok(text)) => Ok(text),
        _ => bail!("the server's answer has no `{name}`: is it meshmemo?"),
    }
}

#[expect(clippy::disallowed_methods, reason = "which server is no setting of a server")]
pub(super) fn environment(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}
