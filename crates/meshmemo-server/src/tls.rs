//! TLS: the server's certificate, read again when its files change.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{Context, Result, bail};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::access::WatchedFile;
use crate::config::TlsFiles;

/// The first byte of a TLS connection: a handshake record.
pub(crate) const HANDSHAKE: u8 = 22;

/// The server's certificate.
pub(crate) struct Tls {
    cert: WatchedFile,
    key: WatchedFile,
    config: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads a certificate and its key.
    ///
    /// # Errors
    /// A file that can not be read or has none in PEM, or a key that is of another certificate.
    pub(crate) fn open(files: &TlsFiles) -> Result<Self> {
        let (cert, key) =
            (WatchedFile::new(files.cert.clone()), WatchedFile::new(files.key.clone()));
        let config = RwLock::new(Arc::new(read(cert.path(), key.path())?));
        Ok(Self { cert, key, config })
    }

    /// Returns what turns a connection into one over TLS, with the certificate that holds now.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&config))
    }

    /// Reads the files again if one of them has changed. Until both are good together, the
    /// certificate that was read before goes on to hold.
    pub(crate) fn renew(&self) {
        let changed = [&self.cert, &self.key].map(WatchedFile::has_changed);
        if !changed.contains(&true) {
            return;
        }
        match read(self.cert.path(), self.key.path()) {
            Ok(config) => {
                *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                tracing::info!("the TLS certificate was read again");
            }
            Err(error) => tracing::error!("{error:#}: the one that was read before holds"),
        }
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("cert", &self.cert).finish_non_exhaustive()
    }
}

/// Lets TLS clients of this process use the same cryptography as the server.
pub(crate) fn install_provider() {
    let _installed_already = default_provider().install_default();
}

fn read(cert: &Path, key: &Path) -> Result<ServerConfig> {
    let unreadable = |path: &Path| format!("the TLS file {} can not be read", path.display());
    let chain = CertificateDer::pem_file_iter(cert).with_context(|| unreadable(cert))?;
    let chain: Vec<_> = chain.collect::<Result<_, _>>().with_context(|| unreadable(cert))?;
    if chain.is_empty() {
        bail!("the TLS file {} has no certificate in PEM", cert.display());
    }
    let private = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("the TLS file {} has no private key in PEM", key.display()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .context("TLS can not be set up")?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .with_context(|| format!("{} and {} do not go together", cert.display(), key.display()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
