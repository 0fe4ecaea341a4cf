"""What the client does besides thinking, as `caller.py` sees it: nothing here knows httpx.

There are two kinds of wires (`connections.py`): one blocks, the other waits. What the blocking one
does is done when its coroutines return, so that they never wait and `run` can run them without an
event loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from .calls import Call

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """An answer whose body is on its way."""

    status: int
    reason: str
    headers: Mapping[str, str]
    """In any case."""
    pieces: AsyncIterator[bytes]
    close: Callable[[], Awaitable[None]]


class Wire(Protocol):
    """What the client does besides thinking."""

    async def send(self, call: Call, silence: float | None) -> Answer:
        """Sends a request; nothing may take longer than `silence` seconds to come.

        Raises `ConnectionFailed` or `Timeout`; so do the pieces of its answer.
        """
        ...

    async def pause(self, seconds: float) -> None:
        """Waits."""
        ...

    async def work(self, function: Callable[[], T]) -> T:
        """Calls a function that may take a while, without keeping others from going on."""
        ...

    async def close(self) -> None:
        """Closes all connections."""
        ...


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine over a wire that blocks, and returns what it returns."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    coroutine.close()
    raise AssertionError("what blocks has nothing to wait for")
