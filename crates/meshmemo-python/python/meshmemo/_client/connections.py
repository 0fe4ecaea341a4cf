"""The connections to a server, by httpx: of a kind that blocks, and of one that waits."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

try:
    import anyio
    import anyio.to_thread
    import httpx
except ModuleNotFoundError as missing:
    message = f"the client of meshmemo needs {missing.name}: pip install meshmemo[client]"
    raise ImportError(message) from missing

from .calls import Call
from .errors import ConnectionFailed, Timeout, TlsFailed, UnexpectedAnswer
from .settings import Settings
from .wire import Answer

T = TypeVar("T")

CONNECT_SECONDS = 5.0
"""How long it may take to be connected."""
CONNECTIONS_MAX = 100
"""How many connections a client has at a time; further requests wait for one."""


class BlockingWire:
    """Connections whose use blocks."""

    def __init__(self, settings: Settings, sleep: Callable[[float], None]) -> None:
        self._settings = settings
        self._sleep = sleep
        self._http = httpx.Client(**_options(settings))

    async def send(self, call: Call, silence: float | None) -> Answer:
        """See `Wire`."""
        content = call.body.pieces() if call.body else None
        with _translated(self._settings.url):
            request = self._http.build_request(
                **_request(self._settings.url, call, silence), content=content
            )
            response = self._http.send(request, stream=True)

        async def close() -> None:
            response.close()

        pieces = _BlockingPieces(response.iter_bytes(), self._settings.url)
        return Answer(response.status_code, response.reason_phrase, response.headers, pieces, close)

    async def pause(self, seconds: float) -> None:
        """See `Wire`."""
        self._sleep(seconds)

    async def work(self, function: Callable[[], T]) -> T:
        """See `Wire`."""
        return function()

    async def close(self) -> None:
        """See `Wire`."""
        self._http.close()


class AsyncWire:
    """Connections whose use lets others go on; for asyncio and for trio."""

    def __init__(
        self, settings: Settings, sleep: Callable[[float], Awaitable[None]] | None = None
    ) -> None:
        self._settings = settings
        self._sleep = sleep or anyio.sleep
        self._http = httpx.AsyncClient(**_options(settings))

    async def send(self, call: Call, silence: float | None) -> Answer:
        """See `Wire`."""
        content = _off_the_loop(call) if call.body else None
        with _translated(self._settings.url):
            request = self._http.build_request(
                **_request(self._settings.url, call, silence), content=content
            )
            response = await self._http.send(request, stream=True)
        pieces = _AsyncPieces(response.aiter_bytes(), self._settings.url)
        headers = response.headers
        return Answer(
            response.status_code, response.reason_phrase, headers, pieces, response.aclose
        )

    async def pause(self, seconds: float) -> None:
        """See `Wire`."""
        await self._sleep(seconds)

    async def work(self, function: Callable[[], T]) -> T:
        """See `Wire`."""
        return await anyio.to_thread.run_sync(function)

    async def close(self) -> None:
        """See `Wire`."""
        await self._http.aclose()


class _BlockingPieces:
    def __init__(self, pieces: Iterator[bytes], url: str) -> None:
        self._pieces = pieces
        self._url = url

    def __aiter__(self) -> _BlockingPieces:
        return self

    async def __anext__(self) -> bytes:
        with _translated(self._url):
            for piece in self._pieces:
                return piece
        raise StopAsyncIteration


class _AsyncPieces:
    def __init__(self, pieces: AsyncIterator[bytes], url: str) -> None:
        self._pieces = pieces
        self._url = url

    def __aiter__(self) -> _AsyncPieces:
        return self

    async def __anext__(self) -> bytes:
        with _translated(self._url):
            async for piece in self._pieces:
                return piece
        raise StopAsyncIteration


async def _off_the_loop(call: Call) -> AsyncIterator[bytes]:
    """Reads a body from a disk that may be slow, while others go on."""
    if call.body is None:
        return
    pieces = call.body.pieces()
    if call.body.is_in_memory:
        for piece in pieces:
            yield piece
        return
    while (piece := await anyio.to_thread.run_sync(next, pieces, b"")) != b"":
        yield piece


@contextmanager
def _translated(url: str) -> Generator[None, None, None]:
    """Raises what goes wrong at httpx as what it means to the caller."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        if _is_about_trust(error):
            raise TlsFailed(f"no TLS connection to {url}: {error}") from error
        failed = ConnectionFailed(f"no connection to {url}: {error or 'it took too long'}")
        failed.was_sent = False
        raise failed from error
    except httpx.TimeoutException as error:
        raise Timeout(f"{url} did not answer in time") from error
    except httpx.TransportError as error:
        raise ConnectionFailed(f"the connection to {url} broke off: {error}") from error
    except httpx.DecodingError as error:
        raise UnexpectedAnswer(f"the answer of {url} can not be decoded: {error}") from error


def _is_about_trust(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _options(settings: Settings) -> dict[str, Any]:
    """Returns how a client of httpx is made."""
    is_encrypted = settings.url.lower().startswith("https:")
    return {
        "headers": settings.headers,
        "verify": _trust(settings.ca_cert) if is_encrypted else False,
        "limits": httpx.Limits(max_connections=CONNECTIONS_MAX),
        # A key goes to the server that it was given for, and nowhere else.
        "follow_redirects": False,
        "trust_env": False,
    }


def _trust(ca_cert: Path | None) -> ssl.SSLContext:
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    if ca_cert is not None:
        context.load_verify_locations(cadata=ca_cert.read_text())
    return context


def _request(url: str, call: Call, silence: float | None) -> dict[str, Any]:
    """Returns how a request of httpx is made, but for its body."""
    headers = dict(call.headers)
    if call.body is not None:
        headers["Content-Type"] = call.body.media_type
        headers["Content-Length"] = str(call.body.length)
    connect = CONNECT_SECONDS if silence is None else min(CONNECT_SECONDS, silence)
    return {
        "method": call.method,
        "url": url + call.path,
        "params": call.query or None,
        "headers": headers,
        "timeout": httpx.Timeout(silence, connect=connect),
    }
