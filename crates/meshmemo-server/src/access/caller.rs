//! Somebody who asks, and what they may.

use std::net::IpAddr;
use std::sync::Arc;

use meshmemo::Scope;
use meshmemo_gateway::PlaceQuota;
use meshmemo_gen::canonical::NAMESPACE;

use super::Auth;
use super::keyring::ApiKey;
use super::role::Right;

/// Somebody who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who it is.
    pub who: Who,
    /// Where it asks from.
    pub from: Option<IpAddr>,
}

/// Who asks.
#[derive(Debug, Clone)]
pub enum Who {
    /// Somebody with a key.
    Key(Arc<ApiKey>),
    /// Somebody without one, where so much is open.
    Anyone(Auth),
}

impl Caller {
    /// Returns the server itself, for what it goes on with of its own.
    pub fn itself() -> Self {
        Self { who: Who::Anyone(Auth::All), from: None }
    }

    /// Returns whether they may do something.
    pub fn may(&self, right: Right) -> bool {
        match &self.who {
            Who::Key(key) => key.record.may(right),
            Who::Anyone(Auth::None) => true,
            Who::Anyone(Auth::Admin) => matches!(right, Right::Generate | Right::Fetch),
            Who::Anyone(Auth::All) => false,
        }
    }

    /// Returns whose entries they see.
    pub fn scope(&self) -> Scope {
        match &self.who {
            Who::Key(key) => key.scope(),
            Who::Anyone(Auth::None) => Scope::All,
            Who::Anyone(_) => Scope::Namespace(NAMESPACE.into()),
        }
    }

    /// Returns the namespace of what they have made.
    pub fn namespace(&self) -> &str {
        match &self.who {
            Who::Key(key) => &key.record.namespace,
            Who::Anyone(_) => NAMESPACE,
        }
    }

    /// Returns their quota of places in the queue.
    pub fn places(&self) -> Option<Arc<PlaceQuota>> {
        match &self.who {
            Who::Key(key) => Some(key.places()),
            Who::Anyone(_) => None,
        }
    }

    /// Returns the key they have shown.
    pub fn key(&self) -> Option<&Arc<ApiKey>> {
        match &self.who {
            Who::Key(key) => Some(key),
            Who::Anyone(_) => None,
        }
    }

    /// Names them, for logs.
    pub fn name(&self) -> &str {
        self.key().map_or("anonymous", |key| &key.record.name)
    }
}
