//! Runs the engine's tasks on tokio.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use crate::error::Result;
use crate::spawn::Spawn;

/// Runs tasks on the tokio runtime in which it was made; under a paused clock, waits take no time.
#[derive(Debug, Clone)]
pub struct TokioSpawn {
    runtime: Handle,
}

impl TokioSpawn {
    /// Takes the current runtime. Panics outside of one.
    pub fn new() -> Self {
        Self { runtime: Handle::current() }
    }
}

impl Default for TokioSpawn {
    fn default() -> Self {
        Self::new()
    }
}

impl Spawn for TokioSpawn {
    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<()> {
        self.runtime.spawn(task);
        Ok(())
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(duration).boxed()
    }
}
