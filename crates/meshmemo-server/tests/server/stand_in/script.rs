//! What a stand-in does with each generation, and which of them have begun.
//!
//! One mutex holds all of it; it is never held while anything is waited for.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use axum::response::Response;
use bytes::Bytes;
use tokio::sync::watch;

use super::reply::{self, Reply};

/// How long generations may take to begin before the test has failed.
const BEGIN_WAIT: Duration = Duration::from_mins(1);
/// How much is missing of a truncated model.
const MISSING_BYTES: usize = 16;

/// What it does with the next generation, instead of doing it well.
#[derive(Debug, Clone)]
pub(crate) enum Turn {
    /// Does it well (the default when nothing is scripted).
    Well,
    /// Answers this status with this content type and body.
    Answer(u16, &'static str, Vec<u8>),
    /// The server's own error: 404 with its JSON body, as for every exception.
    Exception,
    /// Answers a GLB whose last bytes are missing, with a Content-Length that is right for what is
    /// sent.
    Truncated,
    /// Announces the whole length, sends this many bytes, and cuts the connection.
    CutAfter(usize),
    /// Closes the connection without any answer.
    Hangup,
    /// 200 with an untextured mesh whatever was asked for.
    Untextured,
    /// 503 busy with a JSON body, and `Retry-After: 7`.
    Busy,
    /// Never answers (until the stand-in is dropped).
    Hang,
}

impl Turn {
    /// Returns how well a model is made, where one is.
    pub(super) fn craft(&self) -> Craft {
        match self {
            Self::Untextured => Craft::Untextured,
            Self::Truncated => Craft::Truncated,
            _ => Craft::Whole,
        }
    }

    /// Answers as the turn says; `make` makes the answer with a model.
    pub(super) async fn play(self, make: impl FnOnce(Craft) -> Reply + Send) -> Response {
        let craft = self.craft();
        match self {
            Self::Well | Self::Untextured | Self::Truncated => reply::whole(make(craft)),
            Self::CutAfter(bytes) => reply::cut_after(make(craft), bytes),
            Self::Answer(status, content_type, body) => {
                reply::whole(reply::answer(status, content_type, body))
            }
            Self::Exception => reply::whole(reply::exception()),
            Self::Busy => reply::whole(reply::busy()),
            Self::Hangup => reply::hangup(),
            Self::Hang => pending().await,
        }
    }
}

/// How well a model is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Craft {
    Whole,
    Untextured,
    Truncated,
}

impl Craft {
    /// Takes off a finished file what is not to be there.
    pub(super) fn finish(self, mut file: Vec<u8>) -> Vec<u8> {
        if self == Self::Truncated {
            file.truncate(file.len() - MISSING_BYTES);
        }
        file
    }
}

/// The script, and how far it has come.
#[derive(Debug)]
pub(super) struct Script {
    progress: Mutex<Progress>,
    has_begun: Condvar,
    is_open: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Progress {
    /// What is to come.
    turns: VecDeque<Turn>,
    /// The bodies of the generations that have begun.
    bodies: Vec<Bytes>,
    under_way: usize,
    most_at_once: usize,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            progress: Mutex::default(),
            has_begun: Condvar::new(),
            is_open: watch::Sender::new(true),
        }
    }
}

impl Script {
    /// Adds the next turns.
    pub(super) fn extend(&self, turns: impl IntoIterator<Item = Turn>) {
        self.progress().turns.extend(turns);
    }

    /// Opens or closes the gate.
    pub(super) fn set_open(&self, is_open: bool) {
        self.is_open.send_replace(is_open);
    }

    /// Begins a generation; it is under way until the second value is dropped.
    pub(super) fn begin(self: &Arc<Self>, body: Bytes) -> (Turn, UnderWay) {
        let mut progress = self.progress();
        progress.bodies.push(body);
        progress.under_way += 1;
        progress.most_at_once = progress.most_at_once.max(progress.under_way);
        let turn = progress.turns.pop_front().unwrap_or(Turn::Well);
        drop(progress);
        self.has_begun.notify_all();
        (turn, UnderWay { script: Arc::clone(self) })
    }

    /// Waits while the gate is closed.
    pub(super) async fn wait_until_open(&self) {
        let mut gate = self.is_open.subscribe();
        drop(gate.wait_for(|is_open| *is_open).await);
    }

    /// Carries out a whole generation; `make` makes the answer with a model.
    pub(super) async fn generate(
        self: &Arc<Self>,
        body: Bytes,
        make: impl FnOnce(Craft) -> Reply + Send,
    ) -> Response {
        let (turn, _under_way) = self.begin(body);
        self.wait_until_open().await;
        turn.play(make).await
    }

    pub(super) fn bodies(&self) -> Vec<Bytes> {
        self.progress().bodies.clone()
    }

    pub(super) fn most_at_once(&self) -> usize {
        self.progress().most_at_once
    }

    pub(super) fn wait_until_begun(&self, count: usize) {
        let is_awaited = |progress: &mut Progress| progress.bodies.len() < count;
        let waited = self.has_begun.wait_timeout_while(self.progress(), BEGIN_WAIT, is_awaited);
        // The guard goes first: a panic that holds it would poison the stand-in.
        let begun = waited.unwrap().0.bodies.len();
        assert!(begun >= count, "only {begun} of {count} generations have begun");
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap()
    }
}

/// Counts a generation as under way.
#[derive(Debug)]
pub(super) struct UnderWay {
    script: Arc<Script>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.script.progress().under_way -= 1;
    }
}
