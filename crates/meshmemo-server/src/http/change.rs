//! A change is carried to its end, and told of, whoever asked for it and left.

use meshmemo::{Error, ErrorKind};

use crate::tasks::Tasks;

/// Carries a change out as a task of the process, and waits for it.
///
/// # Errors
/// `Shutdown` if no more are taken, `Storage` if it ends in a panic.
pub(super) async fn carry_out<T: Send + 'static>(
    tasks: &Tasks,
    change: impl Future<Output = T> + Send + 'static,
) -> Result<T, Error> {
    let changed = tasks.start(change)?.await;
    changed.map_err(|panic| {
        let message = "the change ended in a panic";
        Error::with_source(ErrorKind::Storage, message, panic)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use futures_util::FutureExt;
    use tokio::sync::oneshot;

    use super::*;

    /// Whoever left right after asking had the change made half, and told of nowhere.
    #[tokio::test]
    async fn a_change_goes_on_when_nobody_waits_for_it() {
        let (tasks, is_done) = (Tasks::new(), Arc::new(AtomicBool::new(false)));
        let (go_on, may_go_on) = oneshot::channel::<()>();
        let noted = Arc::clone(&is_done);
        let change = async move {
            may_go_on.await.unwrap();
            noted.store(true, Ordering::SeqCst);
        };
        let mut waiting = Box::pin(carry_out(&tasks, change));
        assert!((&mut waiting).now_or_never().is_none());
        drop(waiting);
        go_on.send(()).unwrap();
        assert_eq!(tasks.drain(Duration::from_mins(1)).await, 0);
        assert!(is_done.load(Ordering::SeqCst));
    }
}
