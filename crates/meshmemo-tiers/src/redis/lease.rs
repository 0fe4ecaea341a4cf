//! The right to generate, among all gateways: a key in Redis that lasts a while, renewed for as long as
//! its holder lives, and taken back only by who holds it.
//!
//! A holder that was paused for longer has lost it, and somebody else may generate the same: what both
//! publish is whole, and neither gives back the other's lease.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use meshmemo::{Acquired, HeldLease, Key, Lease, Released, Result};
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use super::failure::Failure;
use super::scripts::{ACQUIRE, RELEASE, RENEW};
use super::{Inner, Redis, ms, unique};
use crate::limits::REDIS_LOOK_LEAST;

impl Lease for Redis {
    fn acquire(&self, key: Key) -> BoxFuture<'_, Result<Acquired>> {
        acquire(&self.inner, key).boxed()
    }
}

async fn acquire(redis: &Arc<Inner>, key: Key) -> Result<Acquired> {
    let name: Arc<str> = redis.keys.lease(&key).into();
    let token = unique()?;
    let mut hearing = redis.wakes.hear();
    let mut asking =
        Asking { redis: Arc::clone(redis), name: Arc::clone(&name), token: token.clone() };
    loop {
        let mut acquire = ACQUIRE.prepare_invoke();
        acquire.key(&*name).key(redis.keys.entry(&key)).arg(&token).arg(ms(redis.lease));
        let answer: String = redis.step(&acquire).await?;
        match answer.as_str() {
            "held" => {
                asking.token.clear();
                return Ok(Acquired::Held(Box::new(Held::new(redis, name, token))));
            }
            "exempt" => return Ok(Acquired::Exempt),
            left_ms => {
                // Who holds it may die and say nothing: its lease ends then, at the latest.
                let left = left_ms.parse().unwrap_or_default();
                let left = Duration::from_millis(left).max(REDIS_LOOK_LEAST);
                let look = redis.wakes.look();
                if hearing.called(&name, left.min(look)).await.as_deref() == Some(PUBLISHED) {
                    return Ok(Acquired::Published);
                }
            }
        }
    }
}

/// Somebody who asks for a lease. What was taken while nobody waited for the answer any more is given back.
struct Asking {
    redis: Arc<Inner>,
    name: Arc<str>,
    token: String,
}

impl Drop for Asking {
    fn drop(&mut self) {
        let token = std::mem::take(&mut self.token);
        // Without a runtime it ends by itself.
        if let Ok(runtime) = Handle::try_current()
            && !token.is_empty()
        {
            let (redis, name) = (Arc::clone(&self.redis), Arc::clone(&self.name));
            runtime.spawn(async move { give_back(&redis, &name, &token, GIVEN_UP).await.ok() });
        }
    }
}

/// Gives a lease back, if it is held by this token; returns whether it was.
async fn give_back(redis: &Inner, name: &str, token: &str, word: &str) -> Result<u8, Failure> {
    let mut release = RELEASE.prepare_invoke();
    release.key(name).arg(token).arg(redis.keys.wakes()).arg(format!("{word} {name}"));
    redis.step(&release).await
}

/// What is said when a lease is given back after what it was for has been published.
const PUBLISHED: &str = "published";
/// What is said when it has not.
const GIVEN_UP: &str = "given-up";

/// A lease that is held here.
#[derive(Debug)]
struct Held {
    redis: Arc<Inner>,
    name: Arc<str>,
    token: String,
    _renewing: AbortOnDropHandle<()>,
}

impl Held {
    #[expect(clippy::disallowed_methods, reason = "the handle ends it")]
    fn new(redis: &Arc<Inner>, name: Arc<str>, token: String) -> Self {
        let renewing = renew(Arc::clone(redis), Arc::clone(&name), token.clone());
        let renewing = AbortOnDropHandle::new(tokio::spawn(renewing));
        Self { redis: Arc::clone(redis), name, token, _renewing: renewing }
    }
}

impl HeldLease for Held {
    fn release(self: Box<Self>, released: Released) -> BoxFuture<'static, ()> {
        async move {
            let word = match released {
                Released::Published => PUBLISHED,
                Released::GivenUp => GIVEN_UP,
            };
            match give_back(&self.redis, &self.name, &self.token, word).await {
                Ok(1) => {}
                Ok(_) => tracing::warn!(lease = %self.name, "a lease had ended before its work"),
                Err(failure) => tracing::debug!(%failure, "a lease ends by itself"),
            }
        }
        .boxed()
    }
}

/// Lets a lease live on for as long as it is polled, or until somebody else has it.
async fn renew(redis: Arc<Inner>, name: Arc<str>, token: String) {
    loop {
        tokio::time::sleep(redis.lease / 3).await;
        let mut renew = RENEW.prepare_invoke();
        renew.key(&*name).arg(&token).arg(ms(redis.lease));
        // What can not be renewed now may be before it ends.
        if let Ok(0) = redis.step::<u8>(&renew).await {
            tracing::warn!(lease = %name, "a lease was lost: somebody else may do the same work");
            return;
        }
    }
}
