//! Why Redis could not do what it was asked to: one word for metrics, a sentence for people, and whether
//! the connection is still of use.

use std::fmt;
use std::time::Duration;

use ::redis::{ErrorKind as Kind, RedisError, ServerErrorKind};
use meshmemo::{Error, ErrorKind, Trouble};

/// Why Redis could not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// One word of a small set.
    pub(super) reason: &'static str,
    pub(super) detail: String,
    /// Whether what comes next on the connection may be another answer, or nothing.
    pub(super) ends_connection: bool,
}

impl Failure {
    /// Why something failed whose connection had broken.
    pub(super) const CUT: &str = "cut";

    /// Returns whether it says nothing of reading.
    pub(super) fn is_of_writes(&self) -> bool {
        matches!(self.reason, "full" | "read-only" | "not-writing")
    }

    /// It did not answer in time.
    pub(super) fn slow(limit: Duration) -> Self {
        let detail = format!("no answer within {limit:?}");
        Self { reason: "slow", detail, ends_connection: true }
    }

    /// What it answered makes no sense.
    pub(super) fn garbled(detail: impl Into<String>) -> Self {
        Self { reason: "garbled", detail: detail.into(), ends_connection: true }
    }

    /// It lost what it was just given, for want of memory.
    pub(super) fn evicting() -> Self {
        let detail =
            "parts of an entry were evicted while it was written: there is too little memory";
        Self { reason: "full", detail: detail.to_owned(), ends_connection: false }
    }

    /// No address that could be connected to.
    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        Self { reason: "malformed-url", detail: detail.into(), ends_connection: true }
    }

    pub(super) fn trouble(&self) -> Trouble {
        Trouble { reason: self.reason, detail: self.detail.clone() }
    }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        let (reason, ends_connection) = match (error.kind(), error.code()) {
            (_, Some("OOM")) => ("full", false),
            (_, Some("NOAUTH" | "WRONGPASS")) | (Kind::AuthenticationFailed, _) => ("auth", true),
            (_, Some("MISCONF" | "NOREPLICAS")) => ("not-writing", false),
            (_, Some("BUSY")) => ("slow", false),
            (Kind::Server(kind), _) => match kind {
                ServerErrorKind::NoPerm => ("auth", true),
                // The master has become a replica: the next connection may lead to the new one.
                ServerErrorKind::ReadOnly => ("read-only", true),
                ServerErrorKind::BusyLoading => ("loading", true),
                ServerErrorKind::MasterDown | ServerErrorKind::ClusterDown => {
                    ("failing-over", true)
                }
                ServerErrorKind::Moved | ServerErrorKind::Ask | ServerErrorKind::TryAgain => {
                    ("cluster", true)
                }
                _ => ("refused", false),
            },
            (Kind::Parse | Kind::UnexpectedReturnType, _) => ("garbled", true),
            (Kind::InvalidClientConfig, _) => ("malformed-url", true),
            (Kind::Io, _) if error.is_connection_refusal() => ("unreachable", true),
            (Kind::Io, _) if error.is_timeout() => ("slow", true),
            (Kind::Io, _) if error.to_string().contains("certificate") => ("tls", true),
            (Kind::Io, _) if error.is_connection_dropped() => (Self::CUT, true),
            (Kind::Extension, _) => ("refused", false),
            _ => ("unreachable", true),
        };
        let hint = match reason {
            "cluster" => {
                " (a node of a Cluster: give at least two of its nodes, separated by commas)"
            }
            _ => "",
        };
        Self { reason, detail: format!("{error}{hint}"), ends_connection }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "redis: {}: {}", self.reason, self.detail)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::new(ErrorKind::Storage, failure.to_string())
    }
}
