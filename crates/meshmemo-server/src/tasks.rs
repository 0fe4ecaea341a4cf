//! The process's own tasks: counted while it runs, drained when it ends.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use meshmemo::{Error, ErrorKind, Result, Spawn};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

/// Runs tasks on a tokio runtime until it is closed; clones share it.
#[derive(Debug, Clone)]
pub struct Tasks {
    runtime: Handle,
    tracker: TaskTracker,
}

impl Tasks {
    /// Takes the current runtime. Panics outside of one.
    pub fn new() -> Self {
        Self { runtime: Handle::current(), tracker: TaskTracker::new() }
    }

    /// Starts a task whose result somebody waits for; it runs to its end whoever leaves.
    ///
    /// # Errors
    /// `Shutdown` if it takes no more tasks.
    pub fn start<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Result<JoinHandle<T>> {
        if self.tracker.is_closed() {
            let message = "the server is shutting down and takes no new work";
            return Err(Error::new(ErrorKind::Shutdown, message));
        }
        Ok(self.tracker.spawn_on(task, &self.runtime))
    }

    /// Takes no more tasks, and waits for those that run; returns how many did not end in time.
    pub async fn drain(&self, limit: Duration) -> usize {
        self.tracker.close();
        let _elapsed = tokio::time::timeout(limit, self.tracker.wait()).await;
        self.tracker.len()
    }

    /// Returns how many tasks run.
    pub fn len(&self) -> usize {
        self.tracker.len()
    }

    /// Returns whether none runs.
    pub fn is_empty(&self) -> bool {
        self.tracker.is_empty()
    }

    /// Returns whether it takes no more tasks.
    pub fn is_closed(&self) -> bool {
        self.tracker.is_closed()
    }
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

impl Spawn for Tasks {
    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<()> {
        self.start(task).map(drop)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(duration).boxed()
    }
}
