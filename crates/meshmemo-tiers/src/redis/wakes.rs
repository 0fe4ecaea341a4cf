//! Waking those who wait for something that another gateway has: messages on one channel, heard on a
//! connection of its own. A message may be lost: who waits looks now and then all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::redis::Client;
use futures_util::StreamExt;
use tokio::sync::broadcast;

use super::Inner;
use super::failure::Failure;
use crate::limits::{
    REDIS_CONNECT_MAX, REDIS_HEARD_MAX, REDIS_LOOK, REDIS_LOOK_DEAF, REDIS_REST_MAX, REDIS_REST_MIN,
};

/// What wakes those who wait; a message names what for.
#[derive(Debug)]
pub(super) struct Wakes {
    heard: broadcast::Sender<Arc<str>>,
    is_listening: AtomicBool,
}

impl Default for Wakes {
    fn default() -> Self {
        Self {
            heard: broadcast::Sender::new(REDIS_HEARD_MAX),
            is_listening: AtomicBool::new(false),
        }
    }
}

impl Wakes {
    /// Returns how long who waits does so without a look: longer, where messages are heard.
    pub(super) fn look(&self) -> Duration {
        if self.is_listening.load(Ordering::Acquire) { REDIS_LOOK } else { REDIS_LOOK_DEAF }
    }

    /// Begins to hear; what is said from now on is not missed.
    pub(super) fn hear(&self) -> Hearing {
        Hearing(self.heard.subscribe())
    }
}

/// Hears what is said since it was made.
#[derive(Debug)]
pub(super) struct Hearing(broadcast::Receiver<Arc<str>>);

impl Hearing {
    /// Waits until `name` is called, or for a time; returns the word that was said with it.
    pub(super) async fn called(&mut self, name: &str, limit: Duration) -> Option<String> {
        let called = async {
            loop {
                match self.0.recv().await {
                    Ok(message) => match message.split_once(' ') {
                        Some((word, called)) if called == name => return Some(word.to_owned()),
                        _ => {}
                    },
                    // Some were missed: better look.
                    Err(broadcast::error::RecvError::Lagged(_)) => return None,
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        tokio::time::timeout(limit, called).await.ok().flatten()
    }
}

/// Hears messages for as long as it is polled, from whichever server answers.
pub(super) async fn listen(redis: Arc<Inner>) {
    let mut pause = REDIS_REST_MIN;
    for attempt in 0.. {
        let started = listen_once(&redis, attempt, &mut pause).await;
        redis.wakes.is_listening.store(false, Ordering::Release);
        if let Err(failure) = started {
            tracing::debug!(%failure, "other gateways are not heard");
        }
        tokio::time::sleep(pause).await;
        pause = (2 * pause).min(REDIS_REST_MAX);
    }
}

/// Hears messages until the connection ends.
async fn listen_once(redis: &Inner, attempt: usize, pause: &mut Duration) -> Result<(), Failure> {
    let infos = redis.servers.infos()?;
    let client = Client::open(infos[attempt % infos.len()].clone())?;
    let subscribing = async {
        let mut messages = client.get_async_pubsub().await?;
        messages.subscribe(redis.keys.wakes()).await?;
        Ok::<_, Failure>(messages)
    };
    let subscribed = tokio::time::timeout(REDIS_CONNECT_MAX, subscribing).await;
    let mut messages = subscribed.map_err(|_elapsed| Failure::slow(REDIS_CONNECT_MAX))??;
    redis.wakes.is_listening.store(true, Ordering::Release);
    *pause = REDIS_REST_MIN;
    let mut messages = messages.on_message();
    while let Some(message) = messages.next().await {
        if let Ok(text) = message.get_payload::<String>() {
            // Nobody may be waiting now.
            let _listeners = redis.wakes.heard.send(text.into());
        }
    }
    Ok(())
}
