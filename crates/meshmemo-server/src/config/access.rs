//! The settings that say who may ask, and how.

use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Result, bail};
use axum::http::HeaderValue;
use ipnet::IpNet;

use super::Resolved;
use crate::access::{Access, Auth};
use crate::tls::Tls;

/// Who may ask for what, and how.
#[derive(Debug, Clone)]
pub struct AccessConfig {
    /// The file of the API keys, if there is one.
    pub api_keys: Option<PathBuf>,
    /// Who needs a key.
    pub auth: Auth,
    /// Which addresses may come; all, if there are none.
    pub allow_from: Vec<IpNet>,
    /// Whose pages may read: origins such as `https://shop.example`, or `*` for all.
    pub cors_origins: Vec<HeaderValue>,
    /// The server's certificate, if it speaks TLS.
    pub tls: Option<TlsFiles>,
}

/// Where a server's certificate is.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate and those between it and its root, in PEM.
    pub cert: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

impl AccessConfig {
    pub(super) fn read(resolved: &Resolved) -> Result<Self> {
        let api_keys = resolved.api_keys();
        let auth: Auth =
            resolved.check("auth", "`all`, `admin` or `none`", |it| it.parse().ok())?;
        if auth != Auth::None && api_keys.is_none() {
            bail!(
                "`auth` is `{}` (from {}), but there are no keys: give --api-keys FILE",
                auth.as_str(),
                resolved.source("auth")
            );
        }
        let tls = match (resolved.file("tls_cert"), resolved.file("tls_key")) {
            (Some(cert), Some(key)) => Some(TlsFiles { cert, key }),
            (None, None) => None,
            (Some(_), None) => bail!("`tls_cert` is given without `tls_key`"),
            (None, Some(_)) => bail!("`tls_key` is given without `tls_cert`"),
        };
        let range = "networks or addresses such as `10.0.0.0/8,192.168.1.5`";
        let allow_from = resolved.check("allow_from", range, |text| list(text, network))?;
        let range = "`*`, or origins such as `https://shop.example:8443`";
        let cors_origins = resolved.check("cors_origin", range, |text| list(text, origin))?;
        Ok(Self { api_keys, auth, allow_from, cors_origins, tls })
    }
}

impl AccessConfig {
    /// Reads the files that are named, and forgets what is in them.
    ///
    /// # Errors
    /// One can not be read, or is not what it should be.
    pub(crate) fn check_files(&self) -> Result<()> {
        Access::open(self.auth, self.api_keys.as_deref())?;
        self.tls.as_ref().map(Tls::open).transpose()?;
        Ok(())
    }
}

/// Reads what stands between commas; nothing, if any of it can not be read.
fn list<T>(text: &str, read: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    match text.trim() {
        "" => Some(Vec::new()),
        text => text.split(',').map(|item| read(item.trim())).collect(),
    }
}

fn network(text: &str) -> Option<IpNet> {
    let address = || text.parse().ok().map(|address: IpAddr| address.to_canonical().into());
    text.parse().ok().or_else(address)
}

/// Reads an origin as browsers write it.
fn origin(text: &str) -> Option<HeaderValue> {
    let is_origin = text == "*"
        || reqwest::Url::parse(text).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text
        });
    is_origin.then(|| HeaderValue::from_str(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_and_single_addresses_are_read() {
        let read = |text| list(text, network).map(|it| it.iter().map(IpNet::to_string).collect());
        let networks: Option<Vec<String>> = read("10.0.0.0/8, 192.168.1.5,fd00::/8,::1");
        assert_eq!(networks.unwrap(), ["10.0.0.0/8", "192.168.1.5/32", "fd00::/8", "::1/128"]);
        assert_eq!(read(""), Some(Vec::<String>::new()));
        for wrong in ["10.0.0.0/33", "10.0.0", "host.example", "10.0.0.0/8,", "a,b"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn origins_are_read_as_browsers_write_them() {
        for right in ["*", "https://shop.example", "http://127.0.0.1:3000"] {
            assert!(origin(right).is_some(), "{right}");
        }
        for wrong in [
            "shop.example",
            "https://shop.example/",
            "https://shop.example:443",
            "https://Shop.example",
            "https://a@shop.example",
            "null",
            "file:///etc",
        ] {
            assert!(origin(wrong).is_none(), "{wrong}");
        }
    }
}
