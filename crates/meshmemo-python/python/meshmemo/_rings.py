"""Who waits for whom among the calls that make values, so that nobody waits for himself.

A wait closes a ring if the flight that is waited for waits, itself or through others, for something
that this wait would hold up.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextvars import ContextVar, Token


class Leader:
    """A call that makes a value, and the flights that the code which works for it waits for now."""

    __slots__ = ("_flight", "_token", "is_async", "is_running", "thread", "waits")

    def __init__(self, flight: int, *, is_async: bool) -> None:
        self._flight = flight
        self._token: Token[frozenset[Leader]] | None = None
        self.is_async = is_async
        self.is_running = False
        self.thread = threading.get_ident()
        self.waits: Counter[int] = Counter()

    def begin(self) -> None:
        """Note the leader where waits find it, and for all code that runs from here."""
        self.is_running = True
        _leaders[self._flight] = self
        _led_by[self.thread, self.is_async].add(self)
        self._token = _led_here.set(frozenset((*_running_here(), self)))

    def end(self) -> None:
        """Forget the leader; its flight has ended."""
        self.is_running = False
        _leaders.pop(self._flight, None)
        here = (self.thread, self.is_async)
        led = _led_by[here]
        led.discard(self)
        if not led:
            _led_by.pop(here, None)
        # A coroutine may be closed from elsewhere, as when its loop is gone.
        if self._token is not None:
            with contextlib.suppress(ValueError):
                _led_here.reset(self._token)


#: The leaders whose work the running code is part of, tasks that it has started included.
_led_here: ContextVar[frozenset[Leader]] = ContextVar("meshmemo_led_here", default=frozenset())

#: Who makes the value of a flight.
_leaders: dict[int, Leader] = {}

#: The leaders of each thread: functions, and coroutine functions.
_led_by: defaultdict[tuple[int, bool], set[Leader]] = defaultdict(set)


def _running_here() -> Iterator[Leader]:
    return (it for it in _led_here.get() if it.is_running)


class Waiting:
    """A wait for a flight; what it holds up can be seen by others before they wait."""

    __slots__ = ("_flight", "_held_up")

    def __init__(self, flight: int, *, is_async: bool) -> None:
        self._flight = flight
        self._held_up = set(_running_here())
        # One thread runs one thing at a time; only coroutines of one loop take turns.
        here = threading.get_ident()
        self._held_up.update(tuple(_led_by.get((here, False), ())))
        if not is_async:
            self._held_up.update(tuple(_led_by.get((here, True), ())))

    def __enter__(self) -> bool:
        """Return whether the wait would never end.

        Of several waits that close a ring at the same time each is noted before any is looked at,
        so that one of them at least sees the ring.
        """
        for leader in self._held_up:
            leader.waits[self._flight] += 1
        return self._closes_a_ring()

    def __exit__(self, *_: object) -> None:
        for leader in self._held_up:
            leader.waits[self._flight] -= 1
            if leader.waits[self._flight] <= 0:
                del leader.waits[self._flight]

    def _closes_a_ring(self) -> bool:
        seen: set[Leader] = set()
        flights = [self._flight]
        while flights:
            leader = _leaders.get(flights.pop())
            if leader is None or leader in seen:
                continue
            if leader in self._held_up:
                return True
            seen.add(leader)
            flights.extend(tuple(leader.waits))
        return False
