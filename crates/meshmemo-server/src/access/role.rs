//! What a key is for, and what that allows.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Models and statistics of its namespace.
    Read,
    /// That, and generations.
    Generate,
    /// Everything, in every namespace.
    Admin,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Generate, Self::Admin];

    /// Returns the name as the command line spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Generate => "generate",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|role| role.as_str() == name).ok_or(())
    }
}

/// What somebody may be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Have models made.
    Generate,
    /// Have models made anew that the cache has, at the cost of another generation.
    Regenerate,
    /// Fetch models by the digests of their bytes.
    Fetch,
    /// Read the statistics and the listing of one's own entries.
    Read,
    /// Read what concerns the whole server: its metrics and its limits.
    Observe,
    /// Change and remove.
    Manage,
}

impl Right {
    /// Names what is allowed, to go behind "may not".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Generate => "generate",
            Self::Regenerate => "generate anew what is cached (`no-cache`, `no-store`)",
            Self::Fetch => "fetch models",
            Self::Read => "read statistics and entries",
            Self::Observe => "read what concerns the whole server",
            Self::Manage => "change or remove anything",
        }
    }
}
