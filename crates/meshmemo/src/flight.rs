//! Single-flight: of all who ask for a key at the same time one leads, and the others wait.
//!
//! 1. [`Flights::join`] makes the caller the leader of a new flight or a follower of one under way.
//! 2. The leader looks once more whether the value has come in, works, publishes, and
//!    [lands](Guard::land) the flight; all present followers get what it brought, errors too.
//! 3. A guard that is dropped abandons the flight: each follower is told, and joins again.
//!
//! Knows no runtime: followers are futures, woken through their wakers. Wakers, keys and results
//! are never cloned, compared or dropped under a lock.

use std::cell::RefCell;
use std::future::Future;
use std::hash::Hash;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};

use hashbrown::HashTable;
use slab::Slab;

use crate::audience::Audience;
use crate::probe::{Candidates, Probe, with_key};
use crate::sync::{Mutex, thread_local};
use crate::ticket::Ticket;

static LAST_NUMBER: AtomicU64 = AtomicU64::new(0);

/// All flights under way that may still be joined, by key.
#[derive(Debug)]
pub(crate) struct Flights<K, R> {
    table: Arc<Mutex<FlightTable<K, R>>>,
    /// How many there are, for who would find none.
    count: Arc<AtomicUsize>,
}

/// What became of the caller of [`Flights::join`].
#[derive(Debug)]
pub(crate) enum Joined<K, R> {
    /// The caller does the work.
    Leader(Guard<K, R>),
    /// Somebody else does; this future waits for it.
    Follower(Follower<K, R>),
}

/// How a flight ended.
#[derive(Debug)]
pub(crate) enum Landing<R> {
    /// The leader brought this.
    Brought(Arc<R>),
    /// The leader was dropped before it ended.
    Abandoned,
}

impl<K: Hash + Eq + Clone, R> Flights<K, R> {
    pub(crate) fn new() -> Self {
        let count = Arc::<AtomicUsize>::default();
        let table = FlightTable { flights: HashTable::new(), count: Arc::clone(&count) };
        Self { table: Arc::new(Mutex::new(table)), count }
    }

    /// Joins the flight for `key`, or starts one.
    pub(crate) fn join(&self, hash: u64, key: &K) -> Joined<K, R> {
        let fresh = Arc::new(Flight::new(hash, key.clone()));
        let flight = with_key(&self.table, hash, key, |table, found| match found {
            Some(flight) => flight,
            None => {
                table.insert(Arc::clone(&fresh));
                Arc::clone(&fresh)
            }
        });
        if Arc::ptr_eq(&flight, &fresh) {
            Joined::Leader(Guard { flight, table: Arc::clone(&self.table) })
        } else {
            Joined::Follower(Follower::new(flight))
        }
    }

    /// Starts a flight that nobody else joins.
    pub(crate) fn alone(&self, hash: u64, key: K) -> Guard<K, R> {
        Guard { flight: Arc::new(Flight::new(hash, key)), table: Arc::clone(&self.table) }
    }

    /// Returns those who wait for the flight for `key`, if there is one.
    pub(crate) fn audience(&self, hash: u64, key: &K) -> Option<Audience> {
        let found = with_key(&self.table, hash, key, |_, found| found);
        found.map(|flight| flight.audience.clone())
    }

    /// Takes the right to publish from the flight for `key`; nobody joins it any more, and those
    /// who wait for it still get what it brings.
    pub(crate) fn invalidate(&self, hash: u64, key: &(impl Probe<K> + ?Sized)) {
        // Of a removal and a leader that begins at the same time, one sees the other: the leader reads what
        // the remover has written before, or the remover sees the flight.
        fence(Ordering::SeqCst);
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let _dropped_unlocked = with_key(&self.table, hash, key, |table, found| {
            found.map(|flight| {
                flight.ticket.invalidate();
                (table.detach(&flight), flight)
            })
        });
    }

    /// Does to all flights what [`invalidate`](Self::invalidate) does to one.
    pub(crate) fn invalidate_all(&self) {
        let flights = {
            let mut table = self.table.lock();
            let flights = table.take();
            flights.iter().for_each(|flight| flight.ticket.invalidate());
            flights
        };
        drop(flights);
    }

    /// Lists the keys of all flights that may be joined.
    pub(crate) fn keys(&self) -> Vec<K> {
        let flights: Vec<_> = self.table.lock().flights.iter().map(Arc::clone).collect();
        flights.iter().map(|flight| flight.key.clone()).collect()
    }
}

#[derive(Debug)]
struct FlightTable<K, R> {
    flights: HashTable<Arc<Flight<K, R>>>,
    count: Arc<AtomicUsize>,
}

impl<K, R> FlightTable<K, R> {
    fn insert(&mut self, flight: Arc<Flight<K, R>>) {
        self.flights.insert_unique(flight.hash, flight, |flight| flight.hash);
        self.count.store(self.flights.len(), Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    fn detach(&mut self, flight: &Arc<Flight<K, R>>) -> Option<Arc<Flight<K, R>>> {
        let entry = self.flights.find_entry(flight.hash, |other| Arc::ptr_eq(other, flight));
        let detached = entry.ok().map(|entry| entry.remove().0);
        self.count.store(self.flights.len(), Ordering::Relaxed);
        detached
    }

    fn take(&mut self) -> HashTable<Arc<Flight<K, R>>> {
        self.count.store(0, Ordering::Relaxed);
        mem::take(&mut self.flights)
    }
}

impl<K, R> Candidates for FlightTable<K, R> {
    type Key = K;
    type Item = Flight<K, R>;
    type Place = Arc<Flight<K, R>>;

    fn key(flight: &Flight<K, R>) -> &K {
        &flight.key
    }

    fn find(
        &self,
        hash: u64,
        mut is_meant: impl FnMut(&Arc<Flight<K, R>>) -> bool,
    ) -> Option<Self::Place> {
        let is_it = |flight: &Arc<Flight<K, R>>| flight.hash == hash && is_meant(flight);
        self.flights.find(hash, is_it).map(Arc::clone)
    }
}

#[derive(Debug)]
pub(crate) struct Flight<K, R> {
    key: K,
    hash: u64,
    /// No other flight of the process has it.
    number: u64,
    ticket: Ticket,
    audience: Audience,
    /// Where the leader became it.
    thread: ThreadId,
    state: Mutex<State<R>>,
}

#[derive(Debug)]
enum State<R> {
    Flying(Slab<Waker>),
    Landed(Landing<R>),
}

impl<K, R> Flight<K, R> {
    fn new(hash: u64, key: K) -> Self {
        let state = Mutex::new(State::Flying(Slab::new()));
        let number = LAST_NUMBER.fetch_add(1, Ordering::Relaxed);
        let (ticket, audience) = (Ticket::new(), Audience::of(0));
        Self { key, hash, number, ticket, audience, thread: thread::current().id(), state }
    }

    /// Ends the flight, unless it has ended.
    fn end(&self, landing: Landing<R>) {
        let before = {
            let mut state = self.state.lock();
            match *state {
                State::Landed(_) => return,
                State::Flying(_) => mem::replace(&mut *state, State::Landed(landing)),
            }
        };
        if let State::Flying(wakers) = before {
            wakers.into_iter().for_each(|(_, waker)| waker.wake());
        }
    }
}

impl<R> Clone for Landing<R> {
    fn clone(&self) -> Self {
        match self {
            Self::Brought(result) => Self::Brought(Arc::clone(result)),
            Self::Abandoned => Self::Abandoned,
        }
    }
}

/// The leader's part of a flight. Dropping it abandons the flight.
#[derive(Debug)]
pub(crate) struct Guard<K, R> {
    flight: Arc<Flight<K, R>>,
    table: Arc<Mutex<FlightTable<K, R>>>,
}

impl<K, R> Guard<K, R> {
    /// Returns the number of the flight.
    pub(crate) fn number(&self) -> u64 {
        self.flight.number
    }

    /// Returns the flight's right to publish.
    pub(crate) fn ticket(&self) -> &Ticket {
        &self.flight.ticket
    }

    /// Returns those who wait for this flight.
    pub(crate) fn audience(&self) -> Audience {
        self.flight.audience.clone()
    }

    /// Returns a follower of this flight, for a leader that waits for its own task.
    pub(crate) fn follower(&self) -> Follower<K, R> {
        Follower::new(Arc::clone(&self.flight))
    }

    /// Ends the flight with what the leader brought; what is to be found by later callers must be
    /// published before.
    pub(crate) fn land(self, result: R) {
        self.end(Landing::Brought(Arc::new(result)));
    }

    /// Runs the leader's work, so that a call for the same key inside it can see that it would
    /// [wait for itself](Follower::is_led_by_this_stack).
    pub(crate) fn lead<T>(&self, work: impl FnOnce() -> T) -> T {
        let _scope = LeadScope::enter(address(&self.flight));
        work()
    }

    /// Does for a future what [`lead`](Self::lead) does for a function.
    pub(crate) fn lead_async<F: Future>(&self, work: F) -> impl Future<Output = F::Output> {
        let flight = address(&self.flight);
        let mut work = Box::pin(work);
        std::future::poll_fn(move |context| {
            let _scope = LeadScope::enter(flight);
            work.as_mut().poll(context)
        })
    }

    fn end(&self, landing: Landing<R>) {
        let detached = self.table.lock().detach(&self.flight);
        drop(detached);
        self.flight.end(landing);
    }
}

impl<K, R> Drop for Guard<K, R> {
    fn drop(&mut self) {
        self.end(Landing::Abandoned);
    }
}

/// Waits for a flight's end. Dropping it leaves the flight as it is.
#[derive(Debug)]
pub(crate) struct Follower<K, R> {
    flight: Arc<Flight<K, R>>,
    waker: Option<usize>,
}

impl<K, R> Follower<K, R> {
    fn new(flight: Arc<Flight<K, R>>) -> Self {
        flight.audience.join();
        Self { flight, waker: None }
    }

    /// Returns the number of the flight.
    pub(crate) fn number(&self) -> u64 {
        self.flight.number
    }

    /// Returns the thread on which the flight's leader became it.
    pub(crate) fn leader_thread(&self) -> ThreadId {
        self.flight.thread
    }

    /// Returns whether the flight's leader stands on the caller's own stack, so that waiting would
    /// never end.
    pub(crate) fn is_led_by_this_stack(&self) -> bool {
        LED.with(|led| led.borrow().contains(&address(&self.flight)))
    }
}

impl<K, R> Future for Follower<K, R> {
    type Output = Landing<R>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Landing<R>> {
        let waker = context.waker().clone();
        let flight = Arc::clone(&self.flight);
        let _replaced = match &mut *flight.state.lock() {
            State::Landed(landing) => return Poll::Ready(landing.clone()),
            State::Flying(wakers) => match self.waker {
                Some(place) => Some(mem::replace(&mut wakers[place], waker)),
                None => {
                    self.waker = Some(wakers.insert(waker));
                    None
                }
            },
        };
        Poll::Pending
    }
}

impl<K, R> Drop for Follower<K, R> {
    fn drop(&mut self) {
        self.flight.audience.leave();
        let Some(place) = self.waker else { return };
        let _waker = match &mut *self.flight.state.lock() {
            State::Flying(wakers) => wakers.try_remove(place),
            State::Landed(_) => None,
        };
    }
}

thread_local! {
    /// The flights led by functions that stand on this thread's stack right now.
    static LED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

struct LeadScope;

impl LeadScope {
    fn enter(flight: usize) -> Self {
        LED.with(|led| led.borrow_mut().push(flight));
        Self
    }
}

impl Drop for LeadScope {
    fn drop(&mut self) {
        LED.with(|led| led.borrow_mut().pop());
    }
}

fn address<K, R>(flight: &Arc<Flight<K, R>>) -> usize {
    Arc::as_ptr(flight).addr()
}
