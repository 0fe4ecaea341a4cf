//! Those who wait for a generation: what they are told, and whether there still are any.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

use crate::sync::Mutex;

/// Those who wait for a generation; clones are of the same ones.
#[derive(Clone)]
pub struct Audience {
    state: Arc<Mutex<State>>,
}

/// How far a generation has got.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub enum Progress {
    /// It is looked for where it may be already.
    #[default]
    LookedFor,
    /// It waits for its turn.
    Queued {
        /// How many are before it.
        ahead: usize,
    },
    /// It is being made.
    Working {
        /// How much of it is done, from 0 to 1.
        fraction: f32,
        /// What is being done.
        step: &'static str,
    },
}

struct State {
    waiting: usize,
    /// Wakes who wants to know that nobody waits any more.
    watcher: Option<Waker>,
    told: Told,
}

#[derive(Clone)]
enum Told {
    Nothing,
    Queued(Arc<dyn Fn() -> usize + Send + Sync>),
    Working(f32, &'static str),
}

impl Audience {
    /// Makes one of so many.
    pub fn of(waiting: usize) -> Self {
        let state = State { waiting, watcher: None, told: Told::Nothing };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Tells that the work waits for its turn; `ahead` says how many are before it at any time.
    pub fn tell_queued(&self, ahead: impl Fn() -> usize + Send + Sync + 'static) {
        self.tell(Told::Queued(Arc::new(ahead)));
    }

    /// Tells how much of the work is done, from 0 to 1, and what is being done.
    pub fn tell_working(&self, fraction: f32, step: &'static str) {
        self.tell(Told::Working(fraction, step));
    }

    /// Returns what was told last.
    pub fn progress(&self) -> Progress {
        let told = self.state.lock().told.clone();
        match told {
            Told::Nothing => Progress::LookedFor,
            Told::Queued(ahead) => Progress::Queued { ahead: ahead() },
            Told::Working(fraction, step) => Progress::Working { fraction, step },
        }
    }

    /// Waits until nobody waits any more. Somebody may come afterwards. Cancel safe; of several calls
    /// at a time, the last one is woken.
    pub async fn left(&self) {
        poll_fn(|context| {
            let waker = context.waker().clone();
            let mut state = self.state.lock();
            if state.waiting == 0 {
                return Poll::Ready(());
            }
            let before = state.watcher.replace(waker);
            drop(state);
            drop(before);
            Poll::Pending
        })
        .await;
    }

    pub(crate) fn join(&self) {
        self.state.lock().waiting += 1;
    }

    pub(crate) fn leave(&self) {
        let watcher = {
            let mut state = self.state.lock();
            state.waiting -= 1;
            if state.waiting == 0 { state.watcher.take() } else { None }
        };
        if let Some(watcher) = watcher {
            watcher.wake();
        }
    }

    fn tell(&self, told: Told) {
        let before = std::mem::replace(&mut self.state.lock().told, told);
        drop(before);
    }
}

impl fmt::Debug for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audience").field("progress", &self.progress()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn who_watches_is_told_when_the_last_one_has_left() {
        let audience = Audience::of(1);
        audience.join();
        let mut left = Box::pin(audience.left());
        assert!((&mut left).now_or_never().is_none());
        audience.leave();
        assert!((&mut left).now_or_never().is_none());
        audience.leave();
        assert!(left.now_or_never().is_some());
    }

    #[test]
    fn what_was_told_last_is_what_is_known() {
        let audience = Audience::of(1);
        assert_eq!(audience.progress(), Progress::LookedFor);
        audience.tell_queued(|| 3);
        assert_eq!(audience.progress(), Progress::Queued { ahead: 3 });
        audience.tell_working(0.5, "surface");
        assert_eq!(audience.progress(), Progress::Working { fraction: 0.5, step: "surface" });
    }
}
