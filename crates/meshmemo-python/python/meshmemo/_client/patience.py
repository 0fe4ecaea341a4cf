"""When a request is sent again, and after which wait: rules without clocks or sockets.

1. Who is told when to come back (503 and 429 with `Retry-After`) comes back then: nothing was done.
2. What never reached the server is sent again.
3. What the server may have begun with is sent again only if doing it twice is doing it once.
4. All else is an answer. So is a wait that would be longer than there is time for.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from .errors import Busy, ConnectionFailed, MeshmemoError, TlsFailed

WAITS_MAX_SECONDS = 300.0
"""How long one call waits in all between its requests."""
BACKOFF_FIRST_SECONDS = 0.25
"""The first wait where the server names none; each further one is twice as long."""
BACKOFF_MAX_SECONDS = 8.0
"""The longest of these waits."""


@dataclass(frozen=True)
class Patience:
    """How much trouble one call goes to."""

    retries: int
    """How often a request is sent again."""
    timeout: float | None
    """How many seconds a call may take, with its waits; `None` is any time."""

    def __post_init__(self) -> None:
        if isinstance(self.retries, bool) or not isinstance(self.retries, int):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"retries is {self.retries!r}, but must be a whole number")
        if self.retries < 0:
            raise ValueError(f"retries is {self.retries}, but must not be below 0")
        is_number = isinstance(self.timeout, (int, float)) and not isinstance(self.timeout, bool)
        if self.timeout is not None and not is_number:
            raise TypeError(f"timeout is {self.timeout!r}, but must be a number or None")
        if self.timeout is not None and not self.timeout > 0:
            raise ValueError(f"timeout is {self.timeout}, but must be above 0 seconds, or None")

    def at_most(self, timeout: float) -> Patience:
        """Returns the same for calls that never take long."""
        bound = timeout if self.timeout is None else min(self.timeout, timeout)
        return Patience(self.retries, bound)


class Waits:
    """The waits of one call."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._count = 0
        self._waited = 0.0

    def remaining(self, elapsed: float) -> float | None:
        """Returns how many seconds a call has left that began so many ago; `None` is any time."""
        timeout = self._patience.timeout
        return None if timeout is None else timeout - elapsed

    def next_wait(
        self, error: MeshmemoError, *, is_repeatable: bool, elapsed: float
    ) -> float | None:
        """Returns after how many seconds to send the request again; `None` is not at all."""
        if self._count >= self._patience.retries:
            return None
        wait = _wait_after(error, self._count, is_repeatable)
        remaining = self.remaining(elapsed)
        if wait is None or self._waited + wait > WAITS_MAX_SECONDS:
            return None
        if remaining is not None and wait >= remaining:
            return None
        self._count += 1
        self._waited += wait
        return wait


def _wait_after(error: MeshmemoError, retry: int, is_repeatable: bool) -> float | None:
    if isinstance(error, Busy):
        if error.retry_after is not None:
            return error.retry_after
        # Whoever answered did not say that nothing was done.
        return _backoff(retry) if is_repeatable else None
    if isinstance(error, TlsFailed) or not isinstance(error, ConnectionFailed):
        return None
    return _backoff(retry) if is_repeatable or not error.was_sent else None


def _backoff(retry: int) -> float:
    """Returns a wait that many clients do not end at the same time."""
    longest = min(BACKOFF_FIRST_SECONDS * 2.0**retry, BACKOFF_MAX_SECONDS)
    return longest * random.uniform(0.5, 1.0)
