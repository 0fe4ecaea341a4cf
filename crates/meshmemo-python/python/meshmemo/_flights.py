"""The miss of a cached function: one call makes the value, the others wait for it.

The core elects who makes it (``Lead``) and who waits (``Follow``), and keeps it. Here is how Python
runs and waits: threads on a lock, coroutines on a future of their own event loop.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import io
import threading
from collections.abc import Callable, Hashable, Iterator
from types import TracebackType
from typing import Any, NoReturn, cast

from meshmemo._core import Follow, Function, Lead
from meshmemo._rings import Leader, Waiting

_Arguments = tuple[tuple[Any, ...], "dict[str, Any] | None"]
_Failure = tuple[BaseException, "TracebackType | None"]


def run(
    function: Function, key: Hashable, args: tuple[Any, ...], kwargs: dict[str, Any] | None
) -> Any:
    """Return what the function returns for a call without a hit."""
    while True:
        turn = None
        try:
            turn = function.begin(key)
            if isinstance(turn, tuple):
                return turn[0]
            if isinstance(turn, Lead):
                return _lead(function, turn, (args, kwargs))
            with Waiting(turn.flight, is_async=False) as closes_a_ring:
                # What this thread leads goes on only when this call has returned.
                is_endless = closes_a_ring or turn.is_led_by_this_thread
                if not is_endless:
                    _wait(turn)
            if is_endless:
                turn.bypass()
                return function.function(*args, **(kwargs or {}))
            settled = _settle(turn)
        finally:
            _end(turn)
        if settled is not None:
            return settled[0]


async def run_async(
    function: Function, key: Hashable, args: tuple[Any, ...], kwargs: dict[str, Any] | None
) -> Any:
    """Do what ``run`` does for a coroutine function.

    Raises ``RuntimeError`` where no event loop of asyncio runs: there nobody could wait.
    """
    _check_loop()
    while True:
        turn = None
        try:
            turn = function.begin(key)
            if isinstance(turn, tuple):
                return turn[0]
            if isinstance(turn, Lead):
                return await _lead_async(function, turn, (args, kwargs))
            with Waiting(turn.flight, is_async=True) as closes_a_ring:
                if not closes_a_ring:
                    await _wait_async(turn)
            if closes_a_ring:
                turn.bypass()
                return await function.function(*args, **(kwargs or {}))
            settled = _settle(turn)
        finally:
            _end(turn)
        if settled is not None:
            return settled[0]


def _end(turn: Lead | Follow | tuple[Any] | None) -> None:
    """Hand over what has not ended, whatever came between (Ctrl-C, a stack that is too deep).

    An exception that is kept somewhere would keep the flight in the air.
    """
    if isinstance(turn, Lead):
        turn.hand_over()


def _check_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "cached coroutine functions need an event loop of asyncio; other ones, as trio's, are "
            "not supported"
        ) from None


def _lead(function: Function, lead: Lead, arguments: _Arguments) -> Any:
    with _Leading(lead, is_async=False):
        value = function.function(*arguments[0], **(arguments[1] or {}))
        _land(function, lead, value)
        return value


async def _lead_async(function: Function, lead: Lead, arguments: _Arguments) -> Any:
    with _Leading(lead, is_async=True):
        value = await function.function(*arguments[0], **(arguments[1] or {}))
        _land(function, lead, value)
        return value


class _Leading:
    """Ends the flight whatever happens: an error goes to all who wait, and what cancels only this
    call (a cancelled task, Ctrl-C) hands over to one of them."""

    __slots__ = ("lead", "leader")

    def __init__(self, lead: Lead, *, is_async: bool) -> None:
        self.lead = lead
        self.leader = Leader(lead.flight, is_async=is_async)

    def __enter__(self) -> None:
        self.leader.begin()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception):
            self.lead.fail((error, traceback))
        else:
            self.lead.hand_over()
        self.leader.end()


def _land(function: Function, lead: Lead, value: Any) -> None:
    """Give the value to all who wait, and keep it if it is to be kept."""
    if _is_used_up(value):
        raise TypeError(
            f"{function.__qualname__} returned {value!r}, which can be used only once: "
            "return what it yields (a list), or make the function `async def`"
        )
    options = function._options
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


def _is_used_up(value: Any) -> bool:
    """Return whether who uses the value uses it up; streams can be rewound."""
    if inspect.isasyncgen(value) or inspect.isawaitable(value):
        return True
    return isinstance(value, Iterator) and not isinstance(value, io.IOBase)


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


def _settle(turn: Follow) -> tuple[Any] | None:
    """Return what the flight brought, or raise its error; ``None`` if its leader handed over."""
    settled = turn.settle()
    if settled is None:
        return None
    value, failure = settled
    if failure is None:
        return (value,)
    # What is raised refers to this frame.
    del settled, value
    try:
        _raise_for_waiter(*failure)
    finally:
        del failure


def _raise_for_waiter(error: BaseException, traceback: TracebackType | None) -> NoReturn:
    """Raise the leader's error as an exception of the waiter's own: one that several threads raise
    would have all their tracebacks."""
    twin = _twin(error)
    context = error.__context__
    try:
        raise twin.with_traceback(traceback)
    except BaseException:
        # Where the waiter handles an error itself, that would be the context.
        twin.__context__ = context
        raise
    finally:
        # The exception refers to this frame: without this they would keep each other alive.
        del twin, error, traceback, context


def _twin(error: BaseException) -> BaseException:
    """Return a copy, or the error itself where a copy would not be the same."""
    if any("__slots__" in vars(kind) for kind in type(error).__mro__):
        return error
    try:
        twin = copy.copy(error)
        is_same = type(twin) is type(error) and str(twin) == str(error)
    except Exception:
        return error
    if not is_same:
        return error
    if notes := getattr(error, "__notes__", None):
        cast("Any", twin).__notes__ = list(notes)
    twin.__cause__ = error.__cause__
    twin.__context__ = error.__context__
    twin.__suppress_context__ = error.__suppress_context__
    return twin
