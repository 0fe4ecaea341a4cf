//! The shared tier: entries in Redis or Valkey, one server or a Cluster, for all gateways that use the
//! same.
//!
//! An entry is one value: a hash of its manifest ([`manifest`]) and of chunks of its bytes. It is written
//! elsewhere and put in its place in one step, so that nothing torn is ever visible, and evicted whole; what is
//! read is verified by the same sums as on disk ([`envelope`](crate::envelope)). Every operation has a limit of its own, and
//! whatever goes wrong is an error of the tier: a miss, for who asks.

mod condition;
mod failure;
mod follower;
mod keys;
mod lease;
mod link;
mod listing;
mod look_up;
mod manifest;
mod notice;
mod options;
mod peers;
mod position;
mod pulse;
mod put;
mod reading;
mod records;
mod removal;
mod scripts;
mod secret;
mod servers;
mod slots;
mod traffic;
mod wakes;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use ::redis::{Cmd, FromRedisValue, ScriptInvocation};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use meshmemo::{
    Address, Clock, Cursor, Entry, Error, Gone, Key, Opened, Page, Put, Result, ResultCache, Scope,
    Selector, Ticket, Tier, TierStatus,
};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::limits::{REDIS_BULK_LINKS, REDIS_CHUNK_MAX, REDIS_CONTROL_MAX, REDIS_TRANSFERS_MAX};
use condition::{Condition, Use};
use failure::Failure;
use follower::Follower;
use keys::Keys;
use link::{Ask, Link};
pub use options::RedisOptions;
use peers::{Followed, Removals};
use records::Outbox;
use servers::Servers;
pub use traffic::RedisTraffic;
use traffic::Traffic;
use wakes::Wakes;

/// Entries in Redis; clones share the connections.
#[derive(Debug, Clone)]
pub struct Redis {
    inner: Arc<Inner>,
}

struct Inner {
    keys: Keys,
    servers: Arc<Servers>,
    /// For what is small and must be quick: what is large would be in its way.
    control: Link,
    /// For the bytes of entries.
    bulk: Vec<Link>,
    next_bulk: AtomicUsize,
    transfers: Arc<Semaphore>,
    max_value_bytes: u64,
    lease: Duration,
    node: String,
    clock: Arc<dyn Clock>,
    condition: Mutex<Condition>,
    wakes: Wakes,
    removals: Removals,
    outbox: Outbox,
    /// What all gateways have in common, once it is known.
    secret: OnceLock<[u8; 32]>,
    /// Whether this gateway writes at all.
    is_written: bool,
    traffic: Traffic,
}

impl Redis {
    /// What the tier is called.
    pub const NAME: &str = "redis";

    /// Describes the tier; nothing is connected to before the first use. URLs that can not be read show
    /// in its health.
    pub fn new(options: RedisOptions) -> Self {
        let RedisOptions { urls, prefix, max_value_bytes, lease, is_written, node, clock } =
            options;
        let servers = Arc::new(Servers::new(&urls));
        let mut condition = Condition::default();
        if let Err(failure) = servers.infos() {
            condition.note(Use::Write, Some(&failure));
        }
        let inner = Inner {
            keys: Keys::new(prefix),
            control: Link::new(&servers),
            bulk: (0..REDIS_BULK_LINKS).map(|_| Link::new(&servers)).collect(),
            servers,
            next_bulk: AtomicUsize::new(0),
            transfers: Arc::new(Semaphore::new(REDIS_TRANSFERS_MAX)),
            max_value_bytes,
            lease,
            node,
            clock,
            condition: Mutex::new(condition),
            wakes: Wakes::default(),
            removals: Removals::default(),
            outbox: Outbox::default(),
            secret: OnceLock::new(),
            is_written,
            traffic: Traffic::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Takes part in what gateways have in common, for a cache and for as long as it is polled: says that
    /// this one lives, hears what others publish, and removes here what they remove. How far it has come with
    /// removals outlives the process in a file, if there is one.
    pub async fn take_part(&self, cache: ResultCache, file: Option<PathBuf>) {
        self.inner.removals.followed.send_replace(Followed::NotNow);
        let follower = Follower::open(&self.inner, cache, file).await;
        let redis = || Arc::clone(&self.inner);
        tokio::join!(
            follower.run(),
            wakes::listen(redis()),
            records::write(redis()),
            pulse::beat(redis()),
        );
    }

    /// Returns the secret that all gateways have in common: the one that is there, or else this one.
    ///
    /// # Errors
    /// `Storage` if Redis does not answer.
    pub async fn common_secret(&self, own: [u8; 32]) -> Result<[u8; 32]> {
        Ok(secret::agree(&self.inner, own).await?)
    }

    /// Returns whether Redis did what it was last asked to.
    pub fn is_well(&self) -> bool {
        self.inner.condition().is_well()
    }

    /// Returns what has gone to Redis and come from it.
    pub fn traffic(&self) -> RedisTraffic {
        self.inner.traffic.view()
    }
}

impl Inner {
    fn condition(&self) -> MutexGuard<'_, Condition> {
        self.condition.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes how an operation has ended.
    fn note<T>(&self, what: Use, ended: &Result<T, Failure>) {
        self.condition().note(what, ended.as_ref().err());
    }

    /// Sends a small command that reads.
    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Failure> {
        self.small(Use::Read, Ask::Command(command)).await
    }

    /// Sends a small command that writes.
    async fn change<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Failure> {
        self.small(Use::Write, Ask::Command(command)).await
    }

    /// Runs a script, which writes.
    async fn step<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, Failure> {
        self.small(Use::Write, Ask::Script(script)).await
    }

    /// Does something small, and notes how it ended and how long it took.
    async fn small<T: FromRedisValue>(&self, what: Use, ask: Ask<'_>) -> Result<T, Failure> {
        let started_at = self.clock.now();
        let done = self.control.ask(REDIS_CONTROL_MAX, ask).await;
        self.note(what, &done);
        if done.is_ok() {
            self.traffic.note_latency(self.clock.now().saturating_sub(started_at));
        }
        done
    }

    /// Waits for a place among those who move bytes of entries.
    async fn transfer(&self) -> Result<SemaphorePermit<'_>, Failure> {
        match tokio::time::timeout(REDIS_CHUNK_MAX, self.transfers.acquire()).await {
            Ok(place) => Ok(place.expect("the places are never closed")),
            Err(_elapsed) => Err(Failure::slow(REDIS_CHUNK_MAX)),
        }
    }

    /// Returns a connection for bytes of entries: each in its turn.
    fn bulk(&self) -> &Link {
        &self.bulk[self.next_bulk.fetch_add(1, Ordering::Relaxed) % self.bulk.len()]
    }
}

/// Makes something that tells it from everything else: 128 random bits, as 32 hexadecimal digits.
fn unique() -> Result<String, Failure> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)
        .map_err(|error| Failure::malformed(format!("the system has no random bytes: {error}")))?;
    Ok(format!("{:032x}", u128::from_be_bytes(random)))
}

/// Returns a duration as Redis takes it.
fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX >> 1)
}

#[deny(clippy::missing_trait_methods)]
impl Tier for Redis {
    fn open(&self, address: Address) -> BoxFuture<'_, Result<Opened>> {
        look_up::open(&self.inner, address).map(|opened| opened.map_err(Error::from)).boxed()
    }

    fn put(&self, entry: Arc<Entry>, ticket: Ticket) -> BoxFuture<'_, Result<Put>> {
        put::put(&self.inner, entry, ticket).map(|put| put.map_err(Error::from)).boxed()
    }

    fn remove(&self, selector: Selector) -> BoxFuture<'_, Result<Vec<Gone>>> {
        removal::remove(&self.inner, selector).map(|gone| gone.map_err(Error::from)).boxed()
    }

    fn list(&self, scope: Scope, cursor: Option<Cursor>) -> BoxFuture<'_, Result<Page>> {
        listing::list(&self.inner, scope, cursor).map(|page| page.map_err(Error::from)).boxed()
    }

    /// Redis counts uses itself, where its policy wants them.
    fn touch(&self, _key: Key) {}

    fn status(&self) -> TierStatus {
        TierStatus { health: self.inner.condition().health(), usage: None }
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("servers", &self.servers).finish_non_exhaustive()
    }
}
