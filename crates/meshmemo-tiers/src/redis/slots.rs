//! Slots at backends, counted among all gateways: sets in Redis of who works where, and one line of who waits.
//!
//! A slot lasts a while and is renewed for as long as its holder lives. A holder that was paused for longer has
//! lost it, and may work beside the next one: a backend can not be told to stop.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use meshmemo::{HeldSlot, Result, Slots, TakenSlot, Wanted};
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use super::failure::Failure;
use super::scripts::{LEAVE_SLOT, RENEW_SLOT, TAKE_SLOT};
use super::{Inner, Redis, ms, unique};
use crate::limits::REDIS_SLOT_UNSEEN_MAX;

/// What is called when a slot may be free.
const SLOTS: &str = "slots";

impl Slots for Redis {
    fn take<'a>(
        &'a self,
        wanted: &'a (dyn Fn() -> Vec<Wanted> + Send + Sync),
    ) -> BoxFuture<'a, Result<TakenSlot>> {
        take(&self.inner, wanted).boxed()
    }
}

async fn take(
    redis: &Arc<Inner>,
    wanted: &(dyn Fn() -> Vec<Wanted> + Send + Sync),
) -> Result<TakenSlot> {
    let token = unique()?;
    let mut standing =
        Standing { redis: Arc::clone(redis), token: token.clone(), may_be_at: BTreeSet::new() };
    let mut hearing = redis.wakes.hear();
    loop {
        let wanted = wanted();
        let pairs: Vec<_> = wanted.iter().map(|it| (&*it.name, it.concurrency)).collect();
        let pairs = serde_json::to_string(&pairs).expect("names and numbers are JSON");
        // From now on, whatever becomes of the answer.
        standing.may_be_at.extend(wanted.iter().map(|it| it.name.clone()));
        let mut take = TAKE_SLOT.prepare_invoke();
        for what in ["line", "seen", "wants", "numbers"] {
            take.key(redis.keys.slots(what));
        }
        take.key(redis.keys.held_slots()).arg(&token).arg(ms(redis.lease));
        take.arg(ms(REDIS_SLOT_UNSEEN_MAX)).arg(&pairs);
        let taken: usize = redis.step(&take).await?;
        if let Some(at) = taken.checked_sub(1) {
            let nowhere = || Failure::garbled(format!("there is no backend {taken}"));
            let name = wanted.get(at).ok_or_else(nowhere)?.name.clone();
            return Ok(TakenSlot { held: Box::new(Held::new(standing, &name)), name });
        }
        let _called = hearing.called(SLOTS, redis.wakes.look()).await;
    }
}

/// Somebody in the line, or at work; dropping it leaves.
#[derive(Debug)]
struct Standing {
    redis: Arc<Inner>,
    token: String,
    /// The backends at which it has a slot, perhaps: an answer may not have been waited for.
    may_be_at: BTreeSet<String>,
}

impl Drop for Standing {
    fn drop(&mut self) {
        // Without a runtime it ends by itself.
        let Ok(runtime) = Handle::try_current() else { return };
        let (redis, token) = (Arc::clone(&self.redis), std::mem::take(&mut self.token));
        let may_be_at = std::mem::take(&mut self.may_be_at);
        runtime.spawn(async move {
            let mut leave = LEAVE_SLOT.prepare_invoke();
            for what in ["line", "seen", "wants"] {
                leave.key(redis.keys.slots(what));
            }
            for backend in may_be_at {
                leave.key(format!("{}{backend}", redis.keys.held_slots()));
            }
            leave.arg(token).arg(redis.keys.wakes()).arg(format!("left {SLOTS}"));
            if let Err(failure) = redis.step::<u8>(&leave).await {
                tracing::debug!(%failure, "a slot ends by itself");
            }
        });
    }
}

/// A slot that is held here.
#[derive(Debug)]
struct Held {
    _renewing: AbortOnDropHandle<()>,
    _standing: Standing,
}

impl Held {
    #[expect(clippy::disallowed_methods, reason = "the handle ends it")]
    fn new(standing: Standing, backend: &str) -> Self {
        let name = format!("{}{backend}", standing.redis.keys.held_slots());
        let renewing = renew(Arc::clone(&standing.redis), name, standing.token.clone());
        let renewing = AbortOnDropHandle::new(tokio::spawn(renewing));
        Self { _renewing: renewing, _standing: standing }
    }
}

impl HeldSlot for Held {}

/// Lets a slot live on for as long as it is polled.
async fn renew(redis: Arc<Inner>, name: String, token: String) {
    loop {
        tokio::time::sleep(redis.lease / 3).await;
        let mut renew = RENEW_SLOT.prepare_invoke();
        renew.key(&name).arg(&token).arg(ms(redis.lease));
        if let Ok(1) = redis.step::<u8>(&renew).await {
            tracing::warn!(
                slot = name,
                "a slot was lost: its backend may be given more than it takes"
            );
        }
    }
}
