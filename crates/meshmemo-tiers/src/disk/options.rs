//! How a disk tier is opened, and why it can not be.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use meshmemo::{Clock, Error, ErrorKind};

#[cfg(feature = "testing")]
use super::faults::Faults;
use super::owner::Holder;

/// How a disk tier is opened.
#[derive(Debug)]
pub struct DiskOptions {
    /// The directory; made if it is not there.
    pub root: PathBuf,
    /// Bytes that everything below it may take, in whole blocks.
    pub max_bytes: u64,
    /// What an entry has gone through when it counts as stored.
    pub durability: Durability,
    /// What this process is, for whoever finds the directory taken.
    pub role: &'static str,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Faults that a test puts in.
    #[cfg(feature = "testing")]
    pub faults: Faults,
}

impl DiskOptions {
    /// Describes a disk tier with full durability.
    pub fn new(root: impl Into<PathBuf>, max_bytes: u64, clock: Arc<dyn Clock>) -> Self {
        Self {
            root: root.into(),
            max_bytes,
            durability: Durability::Full,
            role: "serve",
            clock,
            #[cfg(feature = "testing")]
            faults: Faults::default(),
        }
    }
}

/// What an entry has gone through when it counts as stored. Whatever is chosen, a process that is
/// killed loses nothing that was stored, and nothing torn is ever served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It is with the operating system: a power failure may lose it.
    None,
    /// Its bytes are on the disk: a power failure may lose its name.
    Data,
    /// Its bytes and its name are on the disk.
    Full,
}

impl Durability {
    /// Returns the level's name as the configuration spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Data => "data",
            Self::Full => "full",
        }
    }
}

impl FromStr for Durability {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        [Self::None, Self::Data, Self::Full].into_iter().find(|it| it.as_str() == text).ok_or_else(
            || {
                let message =
                    format!("the durability is `{text}`, but must be `none`, `data` or `full`");
                Error::new(ErrorKind::Invalid, message)
            },
        )
    }
}

/// Why a directory can not be used; everything else is waited for, and told by the tier's health.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process owns it.
    Held {
        /// The directory.
        root: PathBuf,
        /// Who owns it.
        holder: Holder,
    },
    /// The directory can not be made or read.
    Failed {
        /// The directory.
        root: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { root, holder } => {
                write!(f, "the data directory `{}` is held by {holder}", root.display())
            }
            Self::Failed { root, .. } => {
                write!(f, "the data directory `{}` can not be used", root.display())
            }
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Held { .. } => None,
            Self::Failed { source, .. } => Some(source),
        }
    }
}
