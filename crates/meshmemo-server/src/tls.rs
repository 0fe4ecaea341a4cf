//! TLS: the server's certificate, read again when its files change.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::TlsFiles;
use crate::watched_file::WatchedFile;

/// The first byte of a TLS connection: a handshake record.
pub(crate) const HANDSHAKE: u8 = 22;

/// The server's certificate.
pub(crate) struct Tls {
    cert: WatchedFile,
    key: WatchedFile,
    config: RwLock<Arc<ServerConfig>>,
    /// Why the files could not be read again; the certificate that was read before holds.
    trouble: Mutex<Option<String>>,
}

impl Tls {
    /// Reads a certificate and its key.
    ///
    /// # Errors
    /// A file that can not be read or has none in PEM, or a key that is of another certificate.
    pub(crate) fn open(files: &TlsFiles) -> Result<Self> {
        let (cert, key) =
            (WatchedFile::new(files.cert.clone()), WatchedFile::new(files.key.clone()));
        let looks = (cert.look(), key.look());
        let config = RwLock::new(Arc::new(read(cert.path(), key.path())?));
        cert.note_read(looks.0);
        key.note_read(looks.1);
        Ok(Self { cert, key, config, trouble: Mutex::default() })
    }

    /// Returns why the certificate that holds now may be out of date.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns what turns a connection into one over TLS, with the certificate that holds now.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&config))
    }

    /// Reads the files again if one of them has changed by this wall time. Until both are good
    /// together, the certificate that was read before goes on to hold, and they are tried again.
    pub(crate) fn renew(&self, wall: Duration) {
        let (cert, key) = (self.cert.look(), self.key.look());
        let is_unread =
            self.cert.is_unread(cert.as_ref(), wall) || self.key.is_unread(key.as_ref(), wall);
        if !is_unread {
            return;
        }
        let trouble = match read(self.cert.path(), self.key.path()) {
            Ok(config) => {
                *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                self.cert.note_read(cert);
                self.key.note_read(key);
                None
            }
            Err(error) => Some(format!("the TLS certificate can not be read again: {error:#}")),
        };
        let mut told = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = *told != trouble;
        told.clone_from(&trouble);
        drop(told);
        match trouble {
            Some(trouble) if is_new => {
                tracing::error!("{trouble}; the one that was read before holds");
            }
            _ => {}
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
