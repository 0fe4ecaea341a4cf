//! What makes one shared tier different from another.

use std::sync::Arc;
use std::time::Duration;

use meshmemo::Clock;

use super::servers::Servers;

/// What makes one shared tier different from another.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RedisOptions {
    /// Where Redis is: one URL of a server, or several of the nodes of a Cluster.
    pub urls: Vec<String>,
    /// What all names in Redis begin with.
    pub prefix: String,
    /// Bytes that an entry may have to be shared.
    pub max_value_bytes: u64,
    /// How long a lease or a slot lasts that is not renewed: how long others wait for a gateway that has died,
    /// and how long one may be paused and keep what it holds.
    pub lease: Duration,
    /// Whether this gateway writes at all.
    pub is_written: bool,
    /// What this gateway is called among the others.
    pub node: String,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

impl RedisOptions {
    /// What all names in Redis begin with, unless configured.
    pub const PREFIX: &str = "meshmemo";
    /// Bytes that an entry may have to be shared, unless configured.
    pub const MAX_VALUE_BYTES: u64 = 256 << 20;
    /// How long a lease lasts that is not renewed, unless configured.
    pub const LEASE: Duration = Duration::from_secs(10);

    /// Checks URLs, and connects to nothing.
    ///
    /// # Errors
    /// What is wrong with them, in words that have no password.
    pub fn check_urls(urls: &[String]) -> Result<(), String> {
        Servers::new(urls).infos().map(drop).map_err(|failure| failure.detail)
    }

    /// Returns a URL as it may be shown: without passwords, and not at all if it can not be read.
    pub fn masked(url: &str) -> String {
        let Some(mut read) = ::redis::parse_redis_url(url) else { return "***".to_owned() };
        if read.password().is_some() && read.set_password(Some("***")).is_err() {
            return "***".to_owned();
        }
        if read.query().is_some() {
            read.set_query(Some("***"));
        }
        read.to_string()
    }

    /// Describes the shared tier of a gateway called `node`; the rest is as most people want it.
    pub fn new(urls: Vec<String>, node: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        Self {
            urls,
            prefix: Self::PREFIX.to_owned(),
            max_value_bytes: Self::MAX_VALUE_BYTES,
            lease: Self::LEASE,
            is_written: true,
            node: node.into(),
            clock,
        }
    }
}
