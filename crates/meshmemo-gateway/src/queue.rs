//! The bounded line in front of backends: first come, first served, each by the backend that is least
//! busy.
//!
//! Whoever waits does so for any backend that is in use. Backends that can not be reached, or that fail
//! again and again, are left out while there are others; where there are none, they are tried all the
//! same, as the one backend of a small house is.

use std::collections::HashMap;
use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};
use meshmemo::{Audience, Clock, Error, ErrorKind, HeldSlot, Result};
use tokio::sync::{Notify, oneshot};

use crate::lane::{Lane, LaneView, Verdict};
use crate::line::{Line, Turn};
use crate::places::{Places, Taken};
use crate::quota::PlaceQuota;
use crate::seat::{Seat, Standing};

/// The least and the most that a caller is told to wait before it tries again.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
const RETRY_AFTER_MAX: Duration = Duration::from_mins(2);
/// How long it waits where no backend is in use.
const RETRY_AFTER_DRAINED: Duration = Duration::from_secs(10);

/// Lets a number of callers work at each backend at a time, and a number wait for their turn.
#[derive(Debug)]
pub struct Queue {
    pub(crate) shared: Arc<Shared>,
}

/// How long a queue is, and what is behind it.
#[derive(Debug, Clone, Copy)]
pub struct QueueOptions {
    /// How many backends there are.
    pub backend_count: usize,
    /// How many work at a time, at each of them.
    pub concurrency: usize,
    /// How many wait for their turn.
    pub waiting_max: usize,
}

pub(crate) struct Shared {
    line: Mutex<Line<Seat>>,
    /// The slots that were taken, by backend, where others count what it does too.
    slots: Mutex<HashMap<usize, Vec<Box<dyn HeldSlot>>>>,
    /// Tells who takes slots that somebody may want one.
    pub(crate) has_changed: Notify,
    waiting_max: usize,
    clock: Arc<dyn Clock>,
    /// How long the last piece of work took: what a caller who is sent away is told.
    last_work_ms: AtomicU64,
}

/// The right to work now, at one of the backends; dropping it lets the next one in.
#[derive(Debug)]
pub struct Place {
    seat: Option<Seat>,
    number: u64,
    _taken: Option<Taken>,
}

impl Queue {
    /// Makes a queue.
    pub fn new(options: QueueOptions, clock: Arc<dyn Clock>) -> Self {
        let QueueOptions { backend_count, concurrency, waiting_max } = options;
        let lanes = (0..backend_count).map(|_| Lane::new(concurrency)).collect();
        let line = Mutex::new(Line::new(lanes));
        let last_work_ms = AtomicU64::new(0);
        let shared = Shared {
            line,
            slots: Mutex::default(),
            has_changed: Notify::new(),
            waiting_max,
            clock,
            last_work_ms,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Waits for a turn. Dropping the future leaves the line.
    ///
    /// # Errors
    /// `Busy` if the line is full, with an estimate of when a place will be free, or if no backend is
    /// in use.
    pub async fn enter(&self) -> Result<Place> {
        self.enter_within(None, |_| {}).await
    }

    /// Waits for a turn on behalf of an audience, which is told how many are before it, at any backend but
    /// some; leaves the line when nobody waits any more.
    ///
    /// # Errors
    /// As [`enter_within`](Self::enter_within); `Cancelled` if the audience has left.
    pub(crate) async fn enter_for(
        &self,
        audience: &Audience,
        quota: Option<&Arc<Places>>,
        not_at: &[usize],
    ) -> Result<Place> {
        let entering = pin!(self.enter_but(not_at, quota, self.teller(audience)));
        while_waited_for(audience, entering).await
    }

    /// Waits for a turn of somebody with this quota, or with none; `tell` is given the number in the
    /// line, if there is a wait. Dropping the future leaves the line.
    ///
    /// # Errors
    /// `OverQuota` if the quota is used up, `Busy` if the line is full, each with an estimate of when
    /// a place will be free; also if no backend is in use.
    pub(crate) async fn enter_within(
        &self,
        quota: Option<&Arc<Places>>,
        tell: impl Fn(u64),
    ) -> Result<Place> {
        self.enter_but(&[], quota, tell).await
    }

    async fn enter_but(
        &self,
        not_at: &[usize],
        quota: Option<&Arc<Places>>,
        tell: impl Fn(u64),
    ) -> Result<Place> {
        let taken = quota.map(|quota| quota.take().ok_or_else(|| self.over(quota))).transpose()?;
        let number = self.shared.lock().next_number();
        let seat = self.shared.seat(number, not_at, self.shared.waiting_max, tell).await?;
        Ok(Place { seat: Some(seat), number, _taken: taken })
    }

    /// Gives up a backend that had not begun, and waits, where one waited before, for another one than
    /// those that were tried; whoever came later stays behind.
    ///
    /// # Errors
    /// `Busy` if no other one is in use; `Cancelled` if the audience has left.
    pub(crate) async fn move_on(
        &self,
        mut place: Place,
        tried: &[usize],
        audience: &Audience,
    ) -> Result<Place> {
        let before = place.lane();
        drop(place.seat.take());
        let tell = self.teller(audience);
        let moving = pin!(self.shared.seat(place.number, tried, usize::MAX, tell));
        let seat = while_waited_for(audience, moving).await?;
        self.shared.lock().lanes[before].count_moved_on();
        Ok(Place { seat: Some(seat), ..place })
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
        self.shared.check_room()
    }

    /// Notes how long a piece of work took.
    pub fn note_work(&self, took: Duration) {
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.shared.last_work_ms.store(took_ms, Ordering::Relaxed);
    }

    /// Notes what a piece of work says of a backend.
    pub(crate) fn report(&self, lane: usize, verdict: Verdict) {
        let now = self.shared.clock.now();
        self.shared.change(|line| line.lanes[lane].report(verdict, now));
    }

    /// Notes why a backend accepts no connection, or that it does; returns whether that is news.
    pub(crate) fn set_trouble(&self, lane: usize, trouble: Option<String>) -> bool {
        self.shared.change(|line| line.lanes[lane].set_trouble(trouble))
    }

    /// Counts a piece of work that has failed at a backend, and went on nowhere.
    pub(crate) fn count_failed(&self, lane: usize) {
        self.shared.lock().lanes[lane].count_failed();
    }

    /// Gives a backend no more work, or some again; what it works at goes on.
    pub fn set_drained(&self, lane: usize, is_drained: bool) {
        self.shared.change(|line| line.lanes[lane].set_drained(is_drained));
    }

    /// Returns how the backends stand, in their order.
    pub fn lanes(&self) -> Vec<LaneView> {
        self.shared.lock().lanes.iter().map(Lane::view).collect()
    }

    /// Returns how many wait.
    pub fn depth(&self) -> usize {
        self.shared.lock().waiting()
    }

    /// Returns how many work.
    pub fn working(&self) -> usize {
        self.lanes().iter().map(|lane| lane.working).sum()
    }

    /// Returns what tells an audience how many are before it.
    fn teller(&self, audience: &Audience) -> impl Fn(u64) + use<> {
        let (shared, audience) = (Arc::clone(&self.shared), audience.clone());
        move |number| {
            let shared = Arc::clone(&shared);
            audience.tell_queued(move || shared.lock().ahead_of(number));
        }
    }

    fn over(&self, quota: &Places) -> Error {
        let places_max = quota.max();
        let message =
            format!("all {places_max} places of the queue that this key may take are taken");
        Error::new(ErrorKind::OverQuota { retry_after: self.shared.retry_after(1) }, message)
    }
}

/// Waits for something only while somebody waits for what it is for.
async fn while_waited_for<T>(
    audience: &Audience,
    waiting: impl Future<Output = Result<T>> + Unpin,
) -> Result<T> {
    match select(waiting, pin!(audience.left())).await {
        Either::Left((done, _)) => done,
        Either::Right(((), _)) => {
            Err(Error::new(ErrorKind::Cancelled, "nobody waits for this generation any more"))
        }
    }
}

impl Place {
    /// Returns which backend it is at.
    pub(crate) fn lane(&self) -> usize {
        self.seat.as_ref().map_or(0, |seat| seat.lane)
    }
}

impl Shared {
    fn slots(&self) -> MutexGuard<'_, HashMap<usize, Vec<Box<dyn HeldSlot>>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_seat(self: &Arc<Self>, lane: usize) -> Seat {
        let slot = self.slots().get_mut(&lane).and_then(Vec::pop);
        Seat { shared: Arc::clone(self), lane, slot }
    }

    /// Lets somebody begin at a backend, in a slot that was taken there. One that nobody wants any more is given
    /// back.
    pub(crate) fn grant(self: &Arc<Self>, lane: usize, slot: Box<dyn HeldSlot>) {
        self.slots().entry(lane).or_default().push(slot);
        self.change(|line| line.lanes[lane].grant());
        if self.lock().lanes[lane].revoke() {
            let left = self.slots().get_mut(&lane).and_then(Vec::pop);
            drop(left);
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.clock.now()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Line<Seat>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something, and lets in who may work then; they are told where nothing is locked.
    pub(crate) fn change<T>(self: &Arc<Self>, change: impl FnOnce(&mut Line<Seat>) -> T) -> T {
        let mut line = self.lock();
        let changed = change(&mut line);
        let called = if line.waiting() == 0 { Vec::new() } else { line.let_in(self.clock.now()) };
        drop(line);
        self.call(called);
        self.has_changed.notify_one();
        changed
    }

    /// Waits for a seat under a number.
    async fn seat(
        self: &Arc<Self>,
        number: u64,
        tried: &[usize],
        waiting_max: usize,
        tell: impl Fn(u64),
    ) -> Result<Seat> {
        match self.take_or_stand(number, tried, waiting_max)? {
            Either::Left(seat) => Ok(seat),
            Either::Right(mut standing) => {
                tell(number);
                (&mut standing.called).await.map_err(|_dropped| Self::drained())
            }
        }
    }

    /// Takes a seat, or a place in the line for one. Who came before goes before, also where nobody has looked
    /// since a backend was well again.
    fn take_or_stand(
        self: &Arc<Self>,
        number: u64,
        tried: &[usize],
        waiting_max: usize,
    ) -> Result<Either<Seat, Standing>> {
        let (mut line, now) = (self.lock(), self.clock.now());
        let called = line.let_in(now);
        let taken = match line.begin(tried, now) {
            Turn::Now(lane) => Ok(Either::Left(lane)),
            Turn::Never => Err(Self::drained()),
            Turn::Later if line.waiting() >= waiting_max.saturating_add(line.room_ahead()) => {
                Err(self.full(&line))
            }
            Turn::Later => {
                let (turn, called) = oneshot::channel();
                line.stand(number, turn, tried);
                Ok(Either::Right(Standing { shared: Arc::clone(self), number, called }))
            }
        };
        drop(line);
        self.call(called);
        self.has_changed.notify_one();
        Ok(match taken? {
            Either::Left(lane) => Either::Left(self.take_seat(lane)),
            Either::Right(standing) => Either::Right(standing),
        })
    }

    /// Tells those whose turn it is, where nothing is locked.
    fn call(self: &Arc<Self>, called: Vec<(oneshot::Sender<Seat>, Turn)>) {
        for (waiting, turn) in called {
            if let Turn::Now(lane) = turn {
                // Who has left meanwhile gives it back.
                drop(waiting.send(self.take_seat(lane)));
            }
        }
    }

    fn check_room(&self) -> Result<()> {
        let line = self.lock();
        if !line.lanes.iter().any(Lane::is_in_use) {
            return Err(Self::drained());
        }
        let is_full = line.waiting() >= self.waiting_max;
        if is_full && !line.has_room(self.clock.now()) { Err(self.full(&line)) } else { Ok(()) }
    }

    fn full(&self, line: &Line<Seat>) -> Error {
        let in_use = || line.lanes.iter().filter(|lane| lane.is_in_use()).map(Lane::view);
        let concurrency: usize = in_use().map(|lane| lane.concurrency).sum();
        let working: usize = in_use().map(|lane| lane.working).sum();
        let retry_after = self.retry_after(self.waiting_max / concurrency.max(1));
        let message = format!(
            "the backend is busy: {working} generations are running and {} are waiting",
            line.waiting()
        );
        Error::new(ErrorKind::Busy { retry_after }, message)
    }

    fn drained() -> Error {
        let message = "every backend is drained: it is given no more work until it is resumed";
        Error::new(ErrorKind::Busy { retry_after: RETRY_AFTER_DRAINED }, message)
    }

    /// Estimates how long so many pieces of work take one after the other.
    fn retry_after(&self, rounds: usize) -> Duration {
        let last_work = Duration::from_millis(self.last_work_ms.load(Ordering::Relaxed));
        let rounds = u32::try_from(rounds).unwrap_or(u32::MAX).max(1);
        last_work.saturating_mul(rounds).clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("line", &self.line).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use meshmemo::{Progress, SystemClock};

    use super::*;

    fn queue(backends: usize, waiting_max: usize) -> Queue {
        let options = QueueOptions { backend_count: backends, concurrency: 1, waiting_max };
        Queue::new(options, Arc::new(SystemClock::new()))
    }

    #[tokio::test]
    async fn the_line_is_bounded_and_first_come_is_first_served() {
        let queue = queue(1, 2);
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
        let queue = queue(1, 3);
        let working = queue.enter().await.unwrap();
        let (first, second) = (Audience::of(1), Audience::of(1));
        let mut first_waits = Box::pin(queue.enter_for(&first, None, &[]));
        let mut second_waits = Box::pin(queue.enter_for(&second, None, &[]));
        assert!((&mut first_waits).now_or_never().is_none());
        assert!((&mut second_waits).now_or_never().is_none());
        assert_eq!(first.progress(), Progress::Queued { ahead: 0 });
        assert_eq!(second.progress(), Progress::Queued { ahead: 1 });
        let nobody = Audience::of(0);
        let refused = queue.enter_for(&nobody, None, &[]).await.unwrap_err();
        assert_eq!((refused.kind(), queue.depth()), (ErrorKind::Cancelled, 2));
        drop(first_waits);
        assert_eq!(second.progress(), Progress::Queued { ahead: 0 });
        drop(working);
        assert!(second_waits.await.is_ok());
    }

    #[tokio::test]
    async fn who_leaves_the_line_frees_a_place() {
        let queue = queue(1, 1);
        let _working = queue.enter().await.unwrap();
        let mut leaving = Box::pin(queue.enter());
        assert!((&mut leaving).now_or_never().is_none());
        drop(leaving);
        assert_eq!(queue.depth(), 0);
        assert!(queue.enter().now_or_never().is_none(), "the next one may wait");
    }

    #[tokio::test]
    async fn without_a_line_a_second_caller_is_sent_away() {
        let queue = queue(1, 0);
        let _working = queue.enter().await.unwrap();
        assert!(queue.enter().await.is_err());
    }

    #[tokio::test]
    async fn a_quota_bounds_what_one_takes_and_leaves_the_line_to_others() {
        let (queue, quota) = (queue(1, 10), Arc::new(Places::new(2)));
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

    #[tokio::test]
    async fn the_least_busy_backend_is_taken_and_of_equal_ones_each_in_turn() {
        let queue = queue(3, 10);
        let lanes: Vec<_> =
            (0..4).map(|_| queue.enter().now_or_never().map(Result::unwrap)).collect();
        let taken: Vec<_> = lanes.iter().flatten().map(Place::lane).collect();
        assert_eq!(taken, [0, 1, 2]);
        drop(lanes);
        let mut in_turn = Vec::new();
        for _ in 0..6 {
            in_turn.push(queue.enter().await.unwrap().lane());
        }
        assert_eq!(in_turn, [0, 1, 2, 0, 1, 2]);
    }

    #[tokio::test]
    async fn a_drained_backend_ends_its_work_and_is_given_none() {
        let queue = queue(2, 10);
        let (first, second) = (queue.enter().await.unwrap(), queue.enter().await.unwrap());
        queue.set_drained(0, true);
        let mut waiting = Box::pin(queue.enter());
        assert!((&mut waiting).now_or_never().is_none());
        drop(first);
        assert!((&mut waiting).now_or_never().is_none(), "it is drained");
        drop(second);
        assert_eq!(waiting.await.unwrap().lane(), 1);
        // Whoever waits when none is left is told so.
        let working = queue.enter().await.unwrap();
        let mut waiting = Box::pin(queue.enter());
        assert!((&mut waiting).now_or_never().is_none());
        queue.set_drained(1, true);
        for refused in
            [waiting.await, queue.enter().await, queue.check_room(None).map(|()| working)]
        {
            let refused = refused.unwrap_err();
            assert!(refused.to_string().contains("drained"), "{refused}");
        }
        queue.set_drained(0, false);
        assert_eq!(queue.enter().await.unwrap().lane(), 0);
    }

    #[tokio::test]
    async fn a_backend_in_trouble_is_left_out_while_there_are_others() {
        let queue = queue(2, 10);
        let unreachable = || Some("it is off".to_owned());
        let troubles: [fn(&Queue); 3] = [
            |queue| assert!(queue.set_trouble(0, Some("it is off".to_owned()))),
            |queue| (0..5).for_each(|_| queue.report(0, Verdict::Failed)),
            |queue| queue.report(0, Verdict::Declines(Duration::from_secs(30))),
        ];
        for trouble in troubles {
            trouble(&queue);
            for _ in 0..3 {
                assert_eq!(queue.enter().await.unwrap().lane(), 1);
            }
            let _working = queue.enter().await.unwrap();
            assert!(queue.enter().now_or_never().is_none(), "it waits for the one that is well");
            queue.set_trouble(0, None);
            queue.report(0, Verdict::Well);
            assert_eq!(queue.enter().await.unwrap().lane(), 0);
        }
        // Where all are in trouble, they are tried.
        queue.set_trouble(0, unreachable());
        queue.set_trouble(1, unreachable());
        assert!(queue.enter().now_or_never().is_some());
        assert!(queue.set_trouble(1, None) && !queue.set_trouble(1, None));
        assert_eq!(queue.enter().await.unwrap().lane(), 1);
    }

    #[tokio::test]
    async fn who_moves_on_keeps_the_place_in_the_line_and_the_quota() {
        let (queue, quota) = (queue(2, 1), Arc::new(Places::new(1)));
        let audience = Audience::of(1);
        let first = queue.enter_within(Some(&quota), |_| {}).await.unwrap();
        let second = queue.enter().await.unwrap();
        let mut later = Box::pin(queue.enter());
        assert!((&mut later).now_or_never().is_none());
        let mut moving = Box::pin(queue.move_on(first, &[0], &audience));
        assert!((&mut moving).now_or_never().is_none(), "though the line is full, it may wait");
        assert_eq!(later.await.unwrap().lane(), 0, "what it gave up is there for who waits");
        assert_eq!(quota.taken(), 1);
        drop(second);
        let moved = moving.await.unwrap();
        assert_eq!((moved.lane(), quota.taken()), (1, 1));
        assert_eq!(queue.lanes()[0].counts.moved_on, 1);
        let nowhere = queue.move_on(moved, &[0, 1], &audience).await.unwrap_err();
        assert!(matches!(nowhere.kind(), ErrorKind::Busy { .. }));
        assert_eq!((quota.taken(), queue.working()), (0, 0));
    }
}
