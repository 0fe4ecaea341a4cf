//! The settings of what makes the models, and of what becomes of them.

use anyhow::{Result, anyhow, bail};
use axum::http::Uri;
use meshmemo_gateway::{ADAPTERS, GenericRoutes, Unseeded};

use super::Resolved;
use super::resolve::Source;

/// The name of the embedded backend.
const RELIEF: &str = "relief";
/// The adapter of the embedded backend.
const NATIVE: &str = "native";

/// What makes the models.
#[derive(Debug, Clone)]
pub enum BackendConfig {
    /// The embedded generator.
    Relief,
    /// A server.
    Remote(Box<RemoteConfig>),
}

/// A server that makes the models.
#[derive(Debug, Clone)]
pub struct RemoteConfig {
    /// Where it is.
    pub url: Uri,
    /// The protocol that it speaks.
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
        let range = "`relief`, or one URL such as `http://127.0.0.1:8081`";
        let url = resolved.check("backend", range, url)?;
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
            url,
            adapter,
            routes,
            unseeded,
            credentials,
            is_model_named,
        })))
    }

    /// Returns the name of the model if nobody has named it.
    pub(super) fn default_model_id(&self) -> &str {
        match self {
            Self::Relief => RELIEF,
            Self::Remote(remote) => &remote.adapter,
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

/// Reads where a server is.
fn url(text: &str) -> Option<Uri> {
    let url: Uri = text.parse().ok()?;
    let is_http = matches!(url.scheme_str(), Some("http" | "https"));
    let authority = url.authority()?.as_str();
    let port = authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
    let is_port = port.is_none_or(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0));
    let is_plain =
        url.query().is_none() && !authority.contains('@') && !text.contains('#') && is_port;
    (is_http && is_plain && !text.contains(',')).then_some(url)
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

    #[test]
    fn a_url_is_one_of_a_server() {
        for good in ["http://127.0.0.1:8081", "https://gpu.example/base", "http://[::1]:80/"] {
            assert!(url(good).is_some(), "{good}");
        }
        for wrong in [
            "gpu",
            "ftp://gpu",
            "http://a,http://b",
            "http://u:p@gpu",
            "http://gpu/?a=1",
            "http://",
            "http://gpu:99999",
            "http://gpu/#a",
        ] {
            assert!(url(wrong).is_none(), "{wrong}");
        }
    }
}
