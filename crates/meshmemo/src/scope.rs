//! Whose entries are meant.

use std::sync::Arc;

/// Whose entries are meant. What lies outside of a scope is as if it were not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everybody's: what the operator sees.
    All,
    /// Those of one namespace.
    Namespace(Arc<str>),
}

impl Scope {
    /// Returns whether entries of a namespace are meant.
    pub fn covers(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Namespace(own) => **own == *namespace,
        }
    }
}
