//! Small records that all gateways can read: written in the order in which they were given, from a bounded
//! queue, each with the name of who wrote it.

use std::sync::{Arc, Mutex, PoisonError};

use ::redis::cmd;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use meshmemo::{Records, Result, SharedRecord};
use tokio::sync::{mpsc, oneshot};

use super::{Inner, Redis, ms};
use crate::limits::{REDIS_RECORD_TTL, REDIS_RECORDS_WAITING_MAX};

/// What the names of records have in common.
const KIND: &str = "job";

/// Records on their way.
#[derive(Debug)]
pub(super) struct Outbox {
    records: mpsc::Sender<Record>,
    /// Taken by who writes them.
    waiting: Mutex<Option<mpsc::Receiver<Record>>>,
}

#[derive(Debug)]
struct Record {
    name: String,
    text: String,
    written: oneshot::Sender<()>,
}

impl Default for Outbox {
    fn default() -> Self {
        let (records, waiting) = mpsc::channel(REDIS_RECORDS_WAITING_MAX);
        Self { records, waiting: Mutex::new(Some(waiting)) }
    }
}

impl Records for Redis {
    fn keep(&self, name: &str, text: String) -> BoxFuture<'static, ()> {
        let (written, wait) = oneshot::channel();
        let record = Record { name: name.to_owned(), text, written };
        if self.inner.is_written && self.inner.outbox.records.try_send(record).is_err() {
            tracing::warn!("Redis does not keep up: a job is known to this gateway alone");
        }
        wait.map(drop).boxed()
    }

    fn read(&self, name: &str) -> BoxFuture<'_, Result<Option<SharedRecord>>> {
        let name = self.inner.keys.record(KIND, name);
        async move {
            let found: Option<String> = self.inner.ask(cmd("GET").arg(name)).await?;
            let Some((keeper, text)) = found.as_deref().and_then(|it| it.split_once('\n')) else {
                return Ok(None);
            };
            let keeper = self.inner.keys.record("node", keeper);
            let is_keeper_alive = self.inner.ask(cmd("EXISTS").arg(keeper)).await?;
            Ok(Some(SharedRecord { text: text.to_owned(), is_keeper_alive }))
        }
        .boxed()
    }
}

/// Writes records for as long as it is polled. One that can not be written is left out: the next one of its
/// name makes good for it.
pub(super) async fn write(redis: Arc<Inner>) {
    let waiting = redis.outbox.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(mut waiting) = waiting else { return };
    while let Some(Record { name, text, written }) = waiting.recv().await {
        let mut set = cmd("SET");
        set.arg(redis.keys.record(KIND, &name)).arg(format!("{}\n{text}", redis.node));
        if let Err(failure) = redis.change::<()>(set.arg("PX").arg(ms(REDIS_RECORD_TTL))).await {
            tracing::debug!(%failure, "a job is known to this gateway alone");
        }
        // Who does not wait for it has left.
        let _nobody_waits = written.send(());
    }
}
