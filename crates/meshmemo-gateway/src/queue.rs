//! The bounded line in front of a backend: first come, first served.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};
use meshmemo::{Audience, Error, ErrorKind, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::places::{Places, Taken};
use crate::quota::PlaceQuota;

/// The least and the most that a caller is told to wait before it tries again.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
const RETRY_AFTER_MAX: Duration = Duration::from_mins(2);

/// Lets a number of callers work at a time and a number wait for their turn.
#[derive(Debug)]
pub struct Queue {
    gate: Arc<Semaphore>,
    concurrency: usize,
    waiting: Arc<Places>,
    line: Arc<Line>,
    /// How long the last piece of work took: what a caller who is sent away is told.
    last_work_ms: AtomicU64,
}

/// The right to work now; dropping it lets the next one in.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
    _taken: Option<Taken>,
}

impl Queue {
    /// Makes a queue that lets `concurrency` work at a time and `waiting_max` wait.
    pub fn new(concurrency: usize, waiting_max: usize) -> Self {
        Self {
            gate: Arc::new(Semaphore::new(concurrency)),
            concurrency,
            waiting: Arc::new(Places::new(waiting_max)),
            line: Arc::default(),
            last_work_ms: AtomicU64::new(0),
        }
    }

    /// Waits for a turn. Dropping the future leaves the line.
    ///
    /// # Errors
    /// `Busy` if the line is full, with an estimate of when a place will be free.
    pub async fn enter(&self) -> Result<Place> {
        self.enter_within(None, |_| {}).await
    }

    /// Waits for a turn on behalf of an audience, which is told how many are before it; leaves the
    /// line when nobody waits any more.
    ///
    /// # Errors
    /// As [`enter_within`](Self::enter_within); `Cancelled` if the audience has left.
    pub(crate) async fn enter_for(
        &self,
        audience: &Audience,
        quota: Option<&Arc<Places>>,
    ) -> Result<Place> {
        let tell = |number| {
            let line = Arc::clone(&self.line);
            audience.tell_queued(move || line.ahead_of(number));
        };
        let entering = pin!(self.enter_within(quota, tell));
        match select(entering, pin!(audience.left())).await {
            Either::Left((place, _)) => place,
            Either::Right(((), _)) => {
                Err(Error::new(ErrorKind::Cancelled, "nobody waits for this generation any more"))
            }
        }
    }

    /// Waits for a turn of somebody with this quota, or with none; `tell` is given the number in the
    /// line, if there is a wait. Dropping the future leaves the line.
    ///
    /// # Errors
    /// `OverQuota` if the quota is used up, `Busy` if the line is full, each with an estimate of when
    /// a place will be free.
    pub(crate) async fn enter_within(
        &self,
        quota: Option<&Arc<Places>>,
        tell: impl Fn(u64),
    ) -> Result<Place> {
        let taken = quota.map(|quota| quota.take().ok_or_else(|| self.over(quota))).transpose()?;
        if let Ok(permit) = Arc::clone(&self.gate).try_acquire_owned() {
            return Ok(Place { _permit: permit, _taken: taken });
        }
        let _waiting = self.waiting.take().ok_or_else(|| self.full())?;
        let standing = Line::stand(&self.line);
        tell(standing.number);
        let permit = Arc::clone(&self.gate).acquire_owned().await;
        Ok(Place { _permit: permit.expect("the gate is never closed"), _taken: taken })
    }

    /// Says whether there is room for one more, of somebody with this quota, or with none.
    ///
    /// # Errors
    /// As if somebody had wanted to enter.
    pub fn check_room(&self, quota: Option<&PlaceQuota>) -> Result<()> {
        let quota = quota.map(|quota| &quota.generations);
        if let Some(quota) = quota.filter(|quota| quota.taken() >= quota.max()) {
            return Err(self.over(quota));
        }
        let is_full = self.waiting.taken() >= self.waiting.max();
        if is_full && self.gate.available_permits() == 0 { Err(self.full()) } else { Ok(()) }
    }

    /// Notes how long a piece of work took.
    pub fn note_work(&self, took: Duration) {
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.last_work_ms.store(took_ms, Ordering::Relaxed);
    }

    /// Returns how many wait.
    pub fn depth(&self) -> usize {
        self.waiting.taken()
    }

    /// Returns how many work.
    pub fn working(&self) -> usize {
        self.concurrency - self.gate.available_permits()
    }

    fn over(&self, quota: &Places) -> Error {
        let places_max = quota.max();
        let message =
            format!("all {places_max} places of the queue that this key may take are taken");
        Error::new(ErrorKind::OverQuota { retry_after: self.retry_after(1) }, message)
    }

    fn full(&self) -> Error {
        let retry_after = self.retry_after(self.waiting.max() / self.concurrency.max(1));
        let message = format!(
            "the backend is busy: {} generations are running and {} are waiting",
            self.concurrency,
            self.waiting.max()
        );
        Error::new(ErrorKind::Busy { retry_after }, message)
    }

    /// Estimates how long so many pieces of work take one after the other.
    fn retry_after(&self, rounds: usize) -> Duration {
        let last_work = Duration::from_millis(self.last_work_ms.load(Ordering::Relaxed));
        let rounds = u32::try_from(rounds).unwrap_or(u32::MAX).max(1);
        last_work.saturating_mul(rounds).clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX)
    }
}

/// Who stands in the line, in their order.
#[derive(Debug, Default)]
struct Line {
    last: AtomicU64,
    standing: Mutex<BTreeSet<u64>>,
}

/// A number in the line; dropping it leaves the line.
struct Standing {
    line: Arc<Line>,
    number: u64,
}

impl Line {
    fn stand(line: &Arc<Self>) -> Standing {
        let number = line.last.fetch_add(1, Ordering::Relaxed);
        line.standing.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
        Standing { line: Arc::clone(line), number }
    }

    fn ahead_of(&self, number: u64) -> usize {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).range(..number).count()
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        let mut standing = self.line.standing.lock().unwrap_or_else(PoisonError::into_inner);
        standing.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use meshmemo::Progress;

    use super::*;

    #[tokio::test]
    async fn the_line_is_bounded_and_first_come_is_first_served() {
        let queue = Queue::new(1, 2);
        let working = queue.enter().await.unwrap();
        let (mut first, mut second) = (Box::pin(queue.enter()), Box::pin(queue.enter()));
        assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
        assert_eq!((queue.working(), queue.depth()), (1, 2));
        let refused = queue.enter().await.unwrap_err();
        assert!(
            matches!(refused.kind(), ErrorKind::Busy { retry_after } if !retry_after.is_zero())
        );
        assert_eq!(queue.depth(), 2, "who is sent away takes no place");
        drop(working);
        assert!((&mut second).now_or_never().is_none());
        drop(first.await.unwrap());
        drop(second.await.unwrap());
        assert_eq!((queue.working(), queue.depth()), (0, 0));
    }

    #[tokio::test]
    async fn an_audience_knows_its_place_and_whose_has_left_leaves_the_line() {
        let queue = Queue::new(1, 3);
        let working = queue.enter().await.unwrap();
        let (first, second) = (Audience::of(1), Audience::of(1));
        let mut first_waits = Box::pin(queue.enter_for(&first, None));
        let mut second_waits = Box::pin(queue.enter_for(&second, None));
        assert!((&mut first_waits).now_or_never().is_none());
        assert!((&mut second_waits).now_or_never().is_none());
        assert_eq!(first.progress(), Progress::Queued { ahead: 0 });
        assert_eq!(second.progress(), Progress::Queued { ahead: 1 });
        let nobody = Audience::of(0);
        let refused = queue.enter_for(&nobody, None).await.unwrap_err();
        assert_eq!((refused.kind(), queue.depth()), (ErrorKind::Cancelled, 2));
        drop(first_waits);
        assert_eq!(second.progress(), Progress::Queued { ahead: 0 });
        drop(working);
        assert!(second_waits.await.is_ok());
    }

    #[tokio::test]
    async fn who_leaves_the_line_frees_a_place() {
        let queue = Queue::new(1, 1);
        let _working = queue.enter().await.unwrap();
        let mut leaving = Box::pin(queue.enter());
        assert!((&mut leaving).now_or_never().is_none());
        drop(leaving);
        assert_eq!(queue.depth(), 0);
        assert!(queue.enter().now_or_never().is_none(), "the next one may wait");
    }

    #[tokio::test]
    async fn without_a_line_a_second_caller_is_sent_away() {
        let queue = Queue::new(1, 0);
        let _working = queue.enter().await.unwrap();
        assert!(queue.enter().await.is_err());
    }

    #[tokio::test]
    async fn a_quota_bounds_what_one_takes_and_leaves_the_line_to_others() {
        let (queue, quota) = (Queue::new(1, 10), Arc::new(Places::new(2)));
        let working = queue.enter_within(Some(&quota), |_| {}).await.unwrap();
        let mut waiting = Box::pin(queue.enter_within(Some(&quota), |_| {}));
        assert!((&mut waiting).now_or_never().is_none());
        let refused = queue.enter_within(Some(&quota), |_| {}).await.unwrap_err();
        assert!(matches!(refused.kind(), ErrorKind::OverQuota { .. }), "{refused}");
        assert!(queue.enter().now_or_never().is_none(), "others may wait");
        drop(waiting);
        quota.set_max(1);
        assert!(
            queue.enter_within(Some(&quota), |_| {}).await.is_err(),
            "a lower quota holds at once"
        );
        drop(working);
        assert!(
            queue.enter_within(Some(&quota), |_| {}).await.is_ok(),
            "what is given back is there again"
        );
    }
}
