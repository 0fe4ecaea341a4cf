"""One call, from what is asked for to what is returned, whether its wire blocks or waits.

1. the request goes out (`calls.py`, `form.py`);
2. its answer is judged (`answer.py`);
3. what it brings is read, into memory or into a file (`part_file.py`);
4. after a failure that passes, all of it again (`patience.py`).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from . import calls
from .answer import (
    PROBLEM_MAX_BYTES,
    check_whole,
    error_of,
    model_file_of,
    object_of,
    outcome_of,
    required,
)
from .calls import Call, Use
from .errors import ConnectionFailed, MeshmemoError, Timeout, UnexpectedAnswer
from .image_source import ImageInput, open_image
from .model import Model
from .part_file import PartFile, check_target
from .patience import Patience, Waits
from .wire import Answer, Wire

T = TypeVar("T")

MANAGEMENT_SECONDS = 60.0
"""How long a call may take that has no model made, with its waits."""
REPORT_MAX_BYTES = 64 << 20
"""How large the server's JSON may be."""
WRITE_BYTES = 1 << 20
"""How much of a model is collected before it is written to its file."""

_log = logging.getLogger("meshmemo")


@dataclass(frozen=True)
class Order:
    """What a model is asked for with."""

    parameters: Mapping[str, str | float | None]
    """By the server's names; `None` is left out."""
    use: Use
    output: str | os.PathLike[str] | None


@dataclass(frozen=True)
class _Arrival:
    """An answer of success, and the time that is left to read it in."""

    answer: Answer
    sent_at: float
    remaining: Callable[[], float | None]

    async def each(self, take: Callable[[bytes], Awaitable[None]]) -> None:
        """Reads the body; a server that trickles does not make a call last longer."""
        async for piece in self.answer.pieces:
            await take(piece)
            _check_time(self.remaining())

    async def whole(self, max_bytes: int | None) -> bytes:
        """Reads the body into memory."""
        pieces: list[bytes] = []
        size = 0

        async def take(piece: bytes) -> None:
            nonlocal size
            pieces.append(piece)
            size += len(piece)
            if max_bytes is not None and size > max_bytes:
                raise UnexpectedAnswer(f"the answer is larger than {max_bytes} bytes")

        await self.each(take)
        return b"".join(pieces)


class Caller:
    """Makes calls of a server."""

    def __init__(self, wire: Wire, patience: Patience, backend_authorization: str | None) -> None:
        self.wire = wire
        self._patience = patience
        self._backend_authorization = backend_authorization

    async def generate(self, image: ImageInput, order: Order) -> Model:
        """Has a model made of an image, or answered from the cache."""
        if order.output is not None:
            check_target(order.output)
        source = await self.wire.work(lambda: open_image(image))
        try:
            call = calls.generation(
                source, _with_format(order), order.use, self._backend_authorization
            )
            read = self._model_reader(order.output, None)
            return await self._perform(call, read, self._patience)
        finally:
            source.close()

    async def get(self, key: str, output: str | os.PathLike[str] | None) -> Model:
        """Fetches a model that is in the cache."""
        if output is not None:
            check_target(output)
        entry = await self.report(calls.entry(key))
        call = calls.model(model_file_of(entry), self._backend_authorization)
        return await self._perform(call, self._model_reader(output, key.lower()), self._patience)

    async def report(self, call: Call) -> Any:
        """Makes a call that is answered with a JSON object."""

        async def read(arrival: _Arrival) -> dict[str, Any]:
            return object_of(await arrival.whole(REPORT_MAX_BYTES))

        return await self._perform(call, read, self._patience.at_most(MANAGEMENT_SECONDS))

    async def _perform(
        self, call: Call, read: Callable[[_Arrival], Awaitable[T]], patience: Patience
    ) -> T:
        begun_at = monotonic()
        waits = Waits(patience)
        while True:
            try:
                return await self._attempt(
                    call, read, lambda: waits.remaining(monotonic() - begun_at)
                )
            except MeshmemoError as error:
                elapsed = monotonic() - begun_at
                wait = waits.next_wait(error, is_repeatable=call.is_repeatable, elapsed=elapsed)
                if wait is None:
                    raise
                _log.info("%s %s: %s; again in %.2f s", call.method, call.path, error, wait)
            await self.wire.pause(wait)

    async def _attempt(
        self,
        call: Call,
        read: Callable[[_Arrival], Awaitable[T]],
        remaining: Callable[[], float | None],
    ) -> T:
        timeout = remaining()
        _check_time(timeout)
        sent_at = monotonic()
        answer = await self.wire.send(call, timeout)
        try:
            arrival = _Arrival(answer, sent_at, remaining)
            if answer.status != 200:
                raise await _problem(arrival, call)
            return await read(arrival)
        finally:
            await answer.close()

    def _model_reader(
        self, output: str | os.PathLike[str] | None, key: str | None
    ) -> Callable[[_Arrival], Awaitable[Model]]:
        """Returns what reads a model, into a file if one is named; `key` is known of one that is
        fetched."""

        async def read(arrival: _Arrival) -> Model:
            described = _described(arrival.answer.headers, key)
            if output is None:
                model = Model(await arrival.whole(None), **described)
            else:
                path = await self._read_into_file(arrival, output)
                model = Model(None, path=path, size_bytes=path.stat().st_size, **described)
            model.seconds = monotonic() - arrival.sent_at
            return model

        return read

    async def _read_into_file(self, arrival: _Arrival, output: str | os.PathLike[str]) -> Path:
        with PartFile(output) as part:
            collected = bytearray()

            async def write() -> None:
                piece = bytes(collected)
                collected.clear()
                await self.wire.work(lambda: part.write(piece))

            async def take(piece: bytes) -> None:
                collected.extend(piece)
                if len(collected) >= WRITE_BYTES:
                    await write()

            await arrival.each(take)
            await write()
            return await self.wire.work(part.complete)


def _described(headers: Mapping[str, str], key: str | None) -> dict[str, Any]:
    """Returns what the headers tell of a model, before any of it is read."""
    check_whole(headers)
    cache_status = "" if key else required(headers, "cache-status")
    return {
        "media_type": required(headers, "content-type"),
        "key": key or required(headers, "x-meshmemo-cache-key"),
        "outcome": outcome_of(cache_status) if cache_status else "hit",
        "seconds": 0.0,
        "cache_status": cache_status,
        "digest": headers.get("etag", "").strip('"'),
    }


async def _problem(arrival: _Arrival, call: Call) -> MeshmemoError:
    """Reads what an answer says that is none of success; what does not arrive of it, is left
    out."""
    answer = arrival.answer
    body = bytearray()
    try:
        async for piece in answer.pieces:
            body.extend(piece)
            if len(body) > PROBLEM_MAX_BYTES:
                break
            _check_time(arrival.remaining())
    except (ConnectionFailed, Timeout, UnexpectedAnswer):
        pass
    return error_of(
        answer.status,
        answer.reason,
        answer.headers,
        bytes(body[:PROBLEM_MAX_BYTES]),
        only_if_cached=call.only_if_cached,
    )


def _with_format(order: Order) -> Mapping[str, str | float | None]:
    """Takes the format from the name of the output, unless it is given."""
    if order.output is None or order.parameters.get("format") is not None:
        return order.parameters
    return {**order.parameters, "format": calls.format_of(os.fspath(order.output))}


def _check_time(remaining: float | None) -> None:
    if remaining is not None and remaining <= 0:
        raise Timeout("the call took longer than its `timeout`")
