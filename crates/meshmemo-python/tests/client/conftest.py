"""Each test that takes `connect` runs for both clients."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from house import House

import meshmemo


class Awaited:
    """An `AsyncClient` as tests use it: each call is awaited in an event loop of its own thread."""

    def __init__(self, client: meshmemo.AsyncClient, portal: BlockingPortal) -> None:
        self._client = client
        self._portal = portal

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return lambda *args, **kwargs: self._portal.call(functools.partial(method, *args, **kwargs))


class Connect:
    """Makes clients of one of both kinds; what they wait is written down, and not waited."""

    def __init__(self, kind: str, stack: ExitStack) -> None:
        self.waits: list[float] = []
        self.on_wait: Callable[[], None] = lambda: None
        self._stack = stack
        self._portal = stack.enter_context(start_blocking_portal()) if kind == "async" else None

    def __call__(self, url: str, api_key: str | None = None, **options: Any) -> Any:
        if self._portal is None:
            blocking = meshmemo.Client(url, api_key, sleep=self._sleep, **options)
            return self._stack.enter_context(blocking)
        client = meshmemo.AsyncClient(url, api_key, sleep=self._sleep_async, **options)
        self._stack.callback(self._portal.call, client.close)
        return Awaited(client, self._portal)

    def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.on_wait()

    async def _sleep_async(self, seconds: float) -> None:
        self._sleep(seconds)


@pytest.fixture(params=["blocking", "async"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    with ExitStack() as stack:
        yield Connect(request.param, stack)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    directory = tmp_path / "house"
    directory.mkdir()
    with House(directory) as house:
        yield house


@pytest.fixture
def client(connect: Connect, house: House) -> Any:
    return connect(house.url)
