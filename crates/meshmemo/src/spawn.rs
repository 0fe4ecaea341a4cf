//! How the engine runs work of its own: the trait behind which the runtime stands.

use std::fmt::Debug;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::error::Result;

/// Runs tasks and measures waits.
pub trait Spawn: Debug + Send + Sync {
    /// Starts a task that nobody's leaving ends; the process counts it, and drains it when it ends.
    ///
    /// # Errors
    /// `Shutdown` when no new work is taken; the task is dropped then.
    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<()>;

    /// Waits for a duration.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}
