//! How a [`Cache`] is described before it is built.

use std::fmt;
use std::hash::Hash;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use foldhash::quality::RandomState;

use super::{Cache, Inner, Listener, NamespaceOf, Weigher};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind};
use crate::flight::Flights;
use crate::limits::Limits;
use crate::memory::ExactLru;
use crate::stats::Cause;
use crate::sync::Mutex;

/// Which entry leaves when room is needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy {
    /// The one whose last use is oldest.
    #[default]
    Lru,
}

impl Policy {
    /// Returns the policy's name as the configuration spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lru => "lru",
        }
    }
}

impl FromStr for Policy {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "lru" => Ok(Self::Lru),
            other => Err(Error::new(
                ErrorKind::Invalid,
                format!("the policy is `{other}`, but must be `lru`"),
            )),
        }
    }
}

/// Describes a [`Cache`]; what is not said is not bounded.
#[must_use = "a builder does nothing until it builds"]
pub struct Builder<K, V> {
    limits: Limits,
    policy: Policy,
    clock: Arc<dyn Clock>,
    weigher: Box<Weigher<K, V>>,
    namespace_of: Option<Box<NamespaceOf<K, V>>>,
    listener: Option<Box<Listener<K, V>>>,
}

impl<K: Hash + Eq + Clone, V: Clone> Builder<K, V> {
    pub(super) fn new() -> Self {
        Self {
            limits: Limits::UNLIMITED,
            policy: Policy::default(),
            clock: Arc::new(SystemClock::new()),
            weigher: Box::new(|_, _| size_of::<(K, V)>() as u64),
            namespace_of: None,
            listener: None,
        }
    }

    /// Bounds what all entries together may weigh; zero keeps only entries that weigh nothing.
    pub fn max_bytes(mut self, max_bytes: u64) -> Self {
        self.limits.max_bytes = max_bytes;
        self
    }

    /// Bounds how many entries there may be; zero keeps none.
    pub fn max_entries(mut self, max_entries: usize) -> Self {
        self.limits.max_entries = max_entries;
        self
    }

    /// Sets how long an entry lives that brings no time to live of its own; zero keeps none.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.limits.ttl = Some(ttl);
        self
    }

    /// Sets all limits at once.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Chooses which entry leaves when room is needed.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets what an entry weighs, in bytes; without it, `size_of::<(K, V)>()`.
    ///
    /// Called once per insertion, outside any lock; may use the cache.
    pub fn weigher(mut self, weigher: impl Fn(&K, &V) -> u64 + Send + Sync + 'static) -> Self {
        self.weigher = Box::new(weigher);
        self
    }

    /// Sets whose each entry is; without it, nobody's.
    pub(crate) fn namespace_of(
        mut self,
        namespace_of: impl Fn(&K, &V) -> Arc<str> + Send + Sync + 'static,
    ) -> Self {
        self.namespace_of = Some(Box::new(namespace_of));
        self
    }

    /// Sets who is told, exactly once each, of every entry that leaves.
    ///
    /// Called outside any lock, after the departure, on the thread that caused it; may use the
    /// cache. A panic is caught and counted, and the listener goes on being called.
    pub fn on_remove(mut self, listener: impl Fn(&K, &V, Cause) + Send + Sync + 'static) -> Self {
        self.listener = Some(Box::new(listener));
        self
    }

    /// Sets where time comes from; without it, the operating system.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Builds the cache.
    pub fn build(self) -> Cache<K, V> {
        let Policy::Lru = self.policy;
        let inner = Inner {
            memory: Mutex::new(ExactLru::new(self.limits)),
            flights: Flights::new(),
            hasher: RandomState::default(),
            clock: self.clock,
            weigher: self.weigher,
            namespace_of: self.namespace_of,
            listener: self.listener,
            listener_panics: AtomicU64::new(0),
            is_mortal: AtomicBool::new(self.limits.ttl.is_some()),
        };
        Cache { inner: Arc::new(inner) }
    }
}

impl<K, V> fmt::Debug for Builder<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("limits", &self.limits)
            .field("policy", &self.policy)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
