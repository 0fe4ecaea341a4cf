"""Good and bad uses, for the type checkers: each bad one must be refused by both of them.

`assert_type` says what a good one is seen as. A comment that ignores an error on a line without one
is an error itself.
"""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from typing_extensions import assert_type

import meshmemo
from meshmemo import (
    AsyncClient,
    CacheInfo,
    Client,
    LRUCache,
    Model,
    cached_result,
    cached_result_sync,
    get_cache,
)

# The cache.

cache: LRUCache[str, bytes] = LRUCache(max_size=10, max_memory_mb=1.5, default_ttl_seconds=None)
assert_type(cache.get("a"), bytes | None)
assert_type(cache.get("a", 0), bytes | int)
assert_type(cache.peek("a"), bytes | None)
assert_type(cache["a"], bytes)
assert_type(cache.pop("a"), bytes)
assert_type(cache.pop("a", None), bytes | None)
assert_type(cache.set("a", b"", size_mb=1, ttl_seconds=2.5), bool)
assert_type(cache.items(), list[tuple[str, bytes]])
assert_type("a" in cache, bool)
assert_type(cache.max_size, int)
assert_type(cache.stats["hits"], Any)
assert_type(cache.get_stats(), dict[str, Any])
assert_type(list(cache), list[str])
cache.max_size = 20
cache.update_config(default_ttl_seconds=None)
assert_type(get_cache(), LRUCache[Any, Any])
any_kind: LRUCache[Any, Any] = LRUCache(on_evict=lambda key, value, cause: print(key, cause))

cache.set(1, b"")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
cache.set("a", "")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
cache["a"] = 1  # type: ignore[assignment]  # pyright: ignore[reportArgumentType]
cache.set("a", b"", size="1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
cache.stats["hits"] = 1  # type: ignore[index]  # pyright: ignore[reportIndexIssue]
LRUCache(10, 1.0, 1.0, print)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
unhashable: LRUCache[list[int], int]  # type: ignore[type-var]  # pyright: ignore[reportInvalidTypeArguments]

# Functions.


def key_of(photo: bytes) -> bytes:
    """Make a key."""
    return photo


@cached_result
def bare(photo: bytes, quality: int = 7, *, name: str | None = None) -> list[bytes]:
    """Bare."""
    return [photo]


@cached_result(ttl_seconds=60, ignore=["verbose"], cache=cache, size=lambda it: len(it))
def given(photo: bytes, verbose: bool = False) -> str:
    """With settings."""
    return ""


@cached_result_sync(cache_key_fn=key_of, enabled=True)
def of_a_key(photo: bytes) -> str:
    """With a key function."""
    return ""


@cached_result(key_of, 60)
def by_position(photo: bytes) -> int:
    """With settings by position."""
    return 0


@cached_result(typed=True)
async def later(photo: bytes, quality: int = 7) -> list[bytes]:
    """Asynchronous."""
    return [photo]


assert_type(bare(b""), list[bytes])
assert_type(bare(b"", 3, name="a"), list[bytes])
assert_type(given(b"", verbose=True), str)
assert_type(of_a_key(b""), str)
assert_type(by_position(b""), int)
assert_type(asyncio.run(later(b"", quality=1)), list[bytes])
assert_type(bare.cache_info(), CacheInfo)
assert_type(bare.cache_info().hits, int)
assert_type(bare.cache_invalidate(b"", 3), bool)
assert_type(bare.cache_contains(b""), bool)
assert_type(bare.__wrapped__(b""), list[bytes])
takes_functions: Callable[[bytes], str] = of_a_key
functools.partial(bare, b"")()

bare()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
bare("")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
bare(b"", 3, "a")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
bare(b"", quality="7")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
bare.cache_key(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
bare.cache_invalidate()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
print(bare.hits)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]
wrong: str = bare(b"")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
wrong = later(b"")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
cached_result(ttl=60)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
cached_result(ttl_seconds="60")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
cached_result(7)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]

# Methods.


class Renderer:
    """Has methods that are kept."""

    @cached_result
    def frame(self, number: int, *, fine: bool = False) -> bytes:
        """Plain."""
        return b""

    @cached_result(ttl_seconds=5)
    async def film(self, first: int) -> list[bytes]:
        """Asynchronous."""
        return []

    @staticmethod
    @cached_result
    def still(number: int) -> bytes:
        """Without an instance."""
        return b""


renderer = Renderer()
assert_type(renderer.frame(1, fine=True), bytes)
assert_type(Renderer.frame(renderer, 1), bytes)
assert_type(asyncio.run(renderer.film(1)), list[bytes])
film: Coroutine[Any, Any, list[bytes]] = renderer.film(1)
assert_type(Renderer.still(1), bytes)
assert_type(bare.__name__, str)
assert_type(bare.__qualname__, str)
assert_type(renderer.frame.cache_invalidate(1), bool)
assert_type(renderer.frame.cache_info(), CacheInfo)
assert_type(renderer.frame.__name__, str)
assert_type(renderer.frame.cache_parameters(), dict[str, Any])

renderer.frame()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
renderer.frame("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
renderer.frame(renderer, 1)  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
renderer.frame.cache_key("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Renderer.still("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

# Clients.


def use(client: Client) -> None:
    """Blocking."""
    model = client.generate(Path("photo.png"), quality=7, format="stl")
    assert_type(model, Model)
    assert_type(model.bytes, bytes)
    assert_type(model.seconds, float)
    assert_type(client.stats()["stats"]["hits"], int)
    client.generate("photo.png", quality="7")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.generate("photo.png", format=7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.generate(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.generate()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def use_later(client: AsyncClient) -> None:
    """Asynchronous."""
    async with client:
        assert_type(await client.generate(b""), Model)
        model: Model = client.generate(b"")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
        print(model)
    try:
        await client.generate(b"")
    except meshmemo.Busy as error:
        assert_type(error.retry_after, float | None)
