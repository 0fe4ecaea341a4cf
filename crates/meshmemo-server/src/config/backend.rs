//! The settings of what makes the models, and of what becomes of them.

use std::collections::HashSet;

use anyhow::{Result, anyhow, bail};
use axum::http::Uri;
use meshmemo_gateway::{ADAPTERS, GenericRoutes, Unseeded};

use super::Resolved;
use super::resolve::Source;
use crate::backend::RELIEF;

/// How many servers may do the same work.
const BACKENDS_MAX: usize = 64;
/// The adapter of the embedded backend.
const NATIVE: &str = "native";

/// What makes the models.
#[derive(Debug, Clone)]
pub enum BackendConfig {
    /// The embedded generator.
    Relief,
    /// One server, or several that do the same work.
    Remote(Box<RemoteConfig>),
}

/// Servers that make the models.
#[derive(Debug, Clone)]
pub struct RemoteConfig {
    /// Where they are: at least one.
    pub urls: Vec<Uri>,
    /// The protocol that they speak.
    pub adapter: String,
    /// What is said of a server of one's own.
    pub routes: GenericRoutes,
    /// What becomes of results that are drawn at random.
    pub unseeded: Unseeded,
    /// Whether clients with different credentials for the backend share what is kept.
    pub credentials: Credentials,
    /// Whether somebody has named the model.
    pub is_model_named: bool,
}

/// Whose is what was made for a client that shows the backend who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credentials {
    /// Theirs alone.
    Separate,
    /// Everybody's.
    Share,
}

/// What the cache is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheUse {
    /// For answers.
    On,
    /// For nothing but to count what it would have answered.
    Observe,
    /// For nothing.
    Off,
}

impl CacheUse {
    /// Returns the name as the configuration spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Observe => "observe",
            Self::Off => "off",
        }
    }

    pub(super) fn read(resolved: &Resolved, backend: &BackendConfig) -> Result<Self> {
        let cache = resolved.check("cache", "`on`, `observe` or `off`", |text| match text {
            "on" => Some(Self::On),
            "observe" => Some(Self::Observe),
            "off" => Some(Self::Off),
            _ => None,
        })?;
        if cache == Self::Observe && matches!(backend, BackendConfig::Relief) {
            bail!(
                "`cache` is `observe` (from {}), which is for a server behind a URL: the embedded \
                 generator forwards nothing",
                resolved.source("cache")
            );
        }
        let has_several = matches!(backend, BackendConfig::Remote(remote) if remote.urls.len() > 1);
        if cache == Self::Observe && has_several {
            bail!(
                "`cache` is `observe` (from {}), which is for one backend: what is forwarded as it is does \
                 not stand in a line",
                resolved.source("cache")
            );
        }
        let is_in_steps =
            matches!(backend, BackendConfig::Remote(remote) if remote.adapter == "orfeas");
        if cache == Self::Observe && is_in_steps {
            bail!(
                "`cache` is `observe` (from {}), which the adapter `orfeas` can not do: what a request asks \
                 for is only known where its upload was kept",
                resolved.source("cache")
            );
        }
        Ok(cache)
    }
}

impl BackendConfig {
    pub(super) fn read(resolved: &Resolved) -> Result<Self> {
        let backend = resolved.text("backend");
        if backend == RELIEF {
            let range = "`native`, which is that of the embedded generator; the others need \
                         `--backend URL`";
            resolved.check("adapter", range, |text| (text == NATIVE).then_some(()))?;
            return Ok(Self::Relief);
        }
        if backend.split_once("://").is_some_and(|(_, rest)| rest.contains('@')) {
            bail!(
                "`backend` (from {}) has a name or a password in it: clients send their own credentials, \
                 which reach the server",
                resolved.source("backend")
            );
        }
        let range = format!(
            "`relief`, or up to {BACKENDS_MAX} URLs such as `http://127.0.0.1:8081`, with commas between \
             them, each once"
        );
        let urls = resolved.check("backend", &range, urls)?;
        let names = ADAPTERS.join("`, `");
        if *resolved.source("adapter") == Source::Default {
            bail!(
                "`backend` is a URL (from {}), so `--adapter` must say which protocol it speaks: \
                 `{names}`",
                resolved.source("backend")
            );
        }
        let range = format!("one of `{names}`, for a backend behind a URL");
        let adapter = resolved
            .check("adapter", &range, |text| ADAPTERS.contains(&text).then(|| text.to_owned()))?;
        let range = "`keep` (the first result answers all that follow) or `pass`";
        let unseeded = resolved.check("unseeded", range, |text| match text {
            "keep" => Some(Unseeded::Keep),
            "pass" => Some(Unseeded::Pass),
            _ => None,
        })?;
        let credentials =
            resolved.check("credentials", "`separate` or `share`", |text| match text {
                "separate" => Some(Credentials::Separate),
                "share" => Some(Credentials::Share),
                _ => None,
            })?;
        let routes = routes(resolved, &adapter)?;
        let is_model_named = *resolved.source("model_id") != Source::Default;
        Ok(Self::Remote(Box::new(RemoteConfig {
            urls,
            adapter,
            routes,
            unseeded,
            credentials,
            is_model_named,
        })))
    }

    /// Reads the name of the model: one for all servers, or one for each. Servers with different models
    /// would answer the same request differently.
    pub(super) fn model_id(&self, resolved: &Resolved) -> Result<String> {
        let named = resolved.text("model_id");
        let remote = match self {
            Self::Relief if named.is_empty() => return Ok(RELIEF.to_owned()),
            Self::Remote(remote) if named.is_empty() => return Ok(remote.adapter.clone()),
            Self::Remote(remote) if remote.urls.len() > 1 && named.contains(',') => remote,
            _ => return Ok(named.to_owned()),
        };
        let names: Vec<&str> = named.split(',').map(str::trim).collect();
        let source = resolved.source("model_id");
        if names.len() != remote.urls.len() {
            bail!(
                "`model_id` is `{named}` (from {source}), but must be one name for all of the {} backends, \
                 or one for each",
                remote.urls.len()
            );
        }
        if names.iter().any(|name| name.is_empty()) {
            bail!("`model_id` is `{named}` (from {source}): a name in it is empty");
        }
        if let Some(other) = names.iter().position(|name| *name != names[0]) {
            bail!(
                "`model_id` (from {source}) says that {} has the model `{}`, and {} the model `{}`: \
                 backends behind one server must have the same model; start another server for the other \
                 one",
                remote.urls[0],
                names[0],
                remote.urls[other],
                names[other]
            );
        }
        Ok(names[0].to_owned())
    }

    /// Returns whether what was made for one client's credentials is for all others too.
    pub fn shares_credentials(&self) -> bool {
        match self {
            Self::Relief => false,
            Self::Remote(remote) => remote.credentials == Credentials::Share,
        }
    }

    /// Returns whether somebody has named the model, where that is for somebody to do.
    pub fn is_model_named(&self) -> bool {
        match self {
            Self::Relief => true,
            Self::Remote(remote) => remote.is_model_named,
        }
    }

    /// Returns whether clients speak this server's own protocol, and its routes stand at the root.
    pub fn is_native(&self) -> bool {
        matches!(self, Self::Relief)
    }
}

/// Reads where the servers are; the same one twice would be given twice the work.
fn urls(text: &str) -> Option<Vec<Uri>> {
    let urls: Vec<Uri> = text.split(',').map(|part| url(part.trim())).collect::<Option<_>>()?;
    let place = |url: &Uri| {
        let port =
            url.port_u16().unwrap_or(if url.scheme_str() == Some("https") { 443 } else { 80 });
        let host = url.host().unwrap_or_default().to_ascii_lowercase();
        (host, port, url.path().trim_end_matches('/').to_owned())
    };
    let different: HashSet<_> = urls.iter().map(place).collect();
    (different.len() == urls.len() && urls.len() <= BACKENDS_MAX).then_some(urls)
}

/// Reads where a server is.
fn url(text: &str) -> Option<Uri> {
    let url: Uri = text.parse().ok()?;
    let is_http = matches!(url.scheme_str(), Some("http" | "https"));
    let authority = url.authority()?.as_str();
    let port = authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
    let is_port = port.is_none_or(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0));
    let is_plain =
        url.query().is_none() && !authority.contains('@') && !text.contains('#') && is_port;
    (is_http && is_plain).then_some(url)
}

/// Reads what is said of a server of one's own.
fn routes(resolved: &Resolved, adapter: &str) -> Result<GenericRoutes> {
    let (text, source) = (resolved.text("generic"), resolved.source("generic"));
    if !text.is_empty() && adapter != "generic" {
        bail!("`generic` is described (from {source}), but `adapter` is `{adapter}`");
    }
    if text.is_empty() {
        if adapter == "generic" {
            bail!(
                "the adapter `generic` needs a table `[generic]` in the configuration file, with at \
                 least `path` and `images`"
            );
        }
        return Ok(GenericRoutes::default());
    }
    let file: RoutesFile =
        toml::from_str(text).map_err(|error| anyhow!("`generic` (from {source}): {error}"))?;
    file.generic.check().map_err(|error| anyhow!("{error} (from {source})"))?;
    Ok(file.generic)
}

#[derive(serde::Deserialize)]
struct RoutesFile {
    generic: GenericRoutes,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Given};

    #[test]
    fn a_url_is_one_of_a_server() {
        for good in ["http://127.0.0.1:8081", "https://gpu.example/base", "http://[::1]:80/"] {
            assert!(url(good).is_some(), "{good}");
        }
        for wrong in [
            "gpu",
            "ftp://gpu",
            "http://u:p@gpu",
            "http://gpu/?a=1",
            "http://",
            "http://gpu:99999",
            "http://gpu/#a",
        ] {
            assert!(url(wrong).is_none(), "{wrong}");
        }
        assert_eq!(urls("http://a, http://b:1").unwrap().len(), 2);
        let twice = ["http://a,http://a/", "http://a,http://A:80", "https://a:80,http://a"];
        for wrong in [&["http://a,", "http://a,b"], &twice[..]].concat() {
            assert!(urls(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn servers_with_different_models_are_refused() {
        let model_id = |backend: &str, model_id: &str| {
            let given = Given::from([
                ("backend", backend.to_owned()),
                ("adapter", "hunyuan3d-2".to_owned()),
                ("model_id", model_id.to_owned()),
            ]);
            Config::load(None, &given).map(|config| config.model_id).map_err(|it| it.to_string())
        };
        let two = "http://a:1,http://b:1";
        assert_eq!(model_id(two, "turbo").unwrap(), "turbo");
        assert_eq!(model_id(two, "turbo, turbo").unwrap(), "turbo");
        assert_eq!(model_id("http://a:1", "a,b").unwrap(), "a,b");
        let refused = model_id(two, "turbo,mini").unwrap_err();
        assert!(refused.contains("`turbo`") && refused.contains("http://b:1/"), "{refused}");
        assert!(model_id(two, "a,a,a").unwrap_err().contains("2 backends"));
        assert!(model_id(two, ",").unwrap_err().contains("empty"));
    }
}
