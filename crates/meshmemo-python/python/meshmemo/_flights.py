"""The miss of a cached function: one call makes the value, the others wait for it.

The core elects who makes it (``Lead``) and who waits (``Follow``), and keeps it. Here is how Python
runs and waits: threads on a lock, coroutines on a future of their own event loop.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import threading
from collections.abc import Callable, Hashable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, NoReturn

from meshmemo._core import Follow, Function, Lead

_Arguments = tuple[tuple[Any, ...], "dict[str, Any] | None"]
_Failure = tuple[BaseException, "TracebackType | None"]


class _Leader:
    """A call that makes a value: who would wait for it, and be waited for by it, waits for ever."""

    __slots__ = ("is_async", "thread")

    def __init__(self, *, is_async: bool) -> None:
        self.is_async = is_async
        self.thread = threading.get_ident()

    def waits_for(self, *, is_async: bool) -> bool:
        """Return whether a call of this context, of that kind, is part of the leader's work."""
        if self in _led_here.get():
            return True
        # One thread runs one thing at a time; only coroutines of one loop take turns.
        return self.thread == threading.get_ident() and not (self.is_async and is_async)


#: The leaders whose work the running code is part of, tasks that it has started included.
_led_here: ContextVar[frozenset[_Leader]] = ContextVar("meshmemo_led_here", default=frozenset())

#: Who makes the value of a key of a cache now.
_leaders: dict[tuple[int, Hashable], _Leader] = {}


def run(
    function: Function, key: Hashable, args: tuple[Any, ...], kwargs: dict[str, Any] | None
) -> Any:
    """Return what the function returns for a call without a hit."""
    while True:
        turn = function.begin(key)
        if isinstance(turn, tuple):
            return turn[0]
        if isinstance(turn, Lead):
            return _lead(function, turn, key, (args, kwargs))
        if _would_wait_for_itself(function, key, is_async=False):
            turn.bypass()
            return function.function(*args, **(kwargs or {}))
        _wait(turn)
        settled = turn.settle()
        if settled is not None:
            return _unpack(settled)


async def run_async(
    function: Function, key: Hashable, args: tuple[Any, ...], kwargs: dict[str, Any] | None
) -> Any:
    """Do what ``run`` does for a coroutine function."""
    while True:
        turn = function.begin(key)
        if isinstance(turn, tuple):
            return turn[0]
        if isinstance(turn, Lead):
            return await _lead_async(function, turn, key, (args, kwargs))
        if _would_wait_for_itself(function, key, is_async=True):
            turn.bypass()
            return await function.function(*args, **(kwargs or {}))
        await _wait_async(turn)
        settled = turn.settle()
        if settled is not None:
            return _unpack(settled)


def _lead(function: Function, lead: Lead, key: Hashable, arguments: _Arguments) -> Any:
    with _Leading(function, lead, key, is_async=False):
        value = function.function(*arguments[0], **(arguments[1] or {}))
        _land(function, lead, value)
        return value


async def _lead_async(function: Function, lead: Lead, key: Hashable, arguments: _Arguments) -> Any:
    with _Leading(function, lead, key, is_async=True):
        value = await function.function(*arguments[0], **(arguments[1] or {}))
        _land(function, lead, value)
        return value


class _Leading:
    """Ends the flight whatever happens: an error goes to all who wait, and what cancels only this
    call (a cancelled task, Ctrl-C) hands over to one of them."""

    __slots__ = ("key", "lead", "leader", "token")

    def __init__(self, function: Function, lead: Lead, key: Hashable, *, is_async: bool) -> None:
        self.lead = lead
        self.key = (id(function.cache), key)
        self.leader = _Leader(is_async=is_async)

    def __enter__(self) -> None:
        _leaders[self.key] = self.leader
        self.token = _led_here.set(_led_here.get() | {self.leader})

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _led_here.reset(self.token)
        # After a removal another call may lead for the same key already.
        if _leaders.get(self.key) is self.leader:
            _leaders.pop(self.key, None)
        if isinstance(error, Exception):
            self.lead.fail((error, traceback))
        else:
            self.lead.hand_over()


def _land(function: Function, lead: Lead, value: Any) -> None:
    """Give the value to all who wait, and keep it if it is to be kept."""
    if inspect.isgenerator(value) or inspect.isasyncgen(value) or inspect.isawaitable(value):
        raise TypeError(
            f"{function.__qualname__} returned {value!r}, which can be used only once: "
            "return what it yields (a list), or make the function `async def`"
        )
    options = function.options
    is_kept = (options.cache_none or value is not None) and (
        options.condition is None or options.condition(value)
    )
    if not is_kept:
        lead.give(value)
        return
    lead.keep(
        value,
        size_mb=options.size(value) if callable(options.size) else options.size,
        ttl_seconds=options.ttl_seconds,
        cost_seconds=options.cost(value) if callable(options.cost) else options.cost,
    )


def _would_wait_for_itself(function: Function, key: Hashable, *, is_async: bool) -> bool:
    leader = _leaders.get((id(function.cache), key))
    return leader is not None and leader.waits_for(is_async=is_async)


def _wait(turn: Follow) -> None:
    landed = threading.Lock()
    landed.acquire()
    if turn.notify(landed.release):
        landed.acquire()


async def _wait_async(turn: Follow) -> None:
    loop = asyncio.get_running_loop()
    landed = loop.create_future()

    def land() -> None:
        if not landed.done():
            landed.set_result(None)

    if turn.notify(_on(loop, land)):
        await landed


def _on(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> Callable[[], None]:
    def schedule() -> None:
        # A loop that is closed has nobody who waits.
        if not loop.is_closed():
            loop.call_soon_threadsafe(call)

    return schedule


def _unpack(settled: tuple[Any, _Failure | None]) -> Any:
    value, failure = settled
    if failure is not None:
        _raise_for_waiter(*failure)
    return value


def _raise_for_waiter(error: BaseException, traceback: TracebackType | None) -> NoReturn:
    """Raise the leader's error as an exception of the waiter's own: one that several threads raise
    would have all their tracebacks."""
    twin = _twin(error)
    try:
        raise twin.with_traceback(traceback)
    finally:
        # The exception refers to this frame: without this they would keep each other alive.
        del twin, error, traceback


def _twin(error: BaseException) -> BaseException:
    try:
        twin = copy.copy(error)
    except Exception:
        return error
    if type(twin) is not type(error) or str(twin) != str(error):
        return error
    twin.__cause__ = error.__cause__
    twin.__context__ = error.__context__
    twin.__suppress_context__ = error.__suppress_context__
    return twin
