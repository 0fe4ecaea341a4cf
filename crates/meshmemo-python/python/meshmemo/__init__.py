"""meshmemo: generate once, serve for ever.

An exact LRU cache for Python objects, bounded in entries and in bytes; decorators that run a
function once per key; clients of the meshmemo gateway. ``docs/python.md`` tells how to move from a
cache module of one's own.
"""

from __future__ import annotations

from meshmemo._cached import cached_result, cached_result_sync
from meshmemo._client import (
    AsyncClient,
    BackendFailed,
    BadRequest,
    Busy,
    Client,
    ConnectionFailed,
    Forbidden,
    MeshmemoError,
    Model,
    NotAnImage,
    NotCached,
    NotFound,
    Outcome,
    OverQuota,
    Problem,
    ServerFailed,
    Timeout,
    TlsFailed,
    TooLarge,
    Unauthorized,
    UnexpectedAnswer,
    Unprocessable,
)
from meshmemo._core import LRUCache, StatsView, __version__, get_cache, measure, reset_cache
from meshmemo._typing import BoundFunction, CachedFunction, CacheInfo

__all__ = [
    "AsyncClient",
    "BackendFailed",
    "BadRequest",
    "BoundFunction",
    "Busy",
    "CacheInfo",
    "CachedFunction",
    "Client",
    "ConnectionFailed",
    "Forbidden",
    "LRUCache",
    "MeshmemoError",
    "Model",
    "NotAnImage",
    "NotCached",
    "NotFound",
    "Outcome",
    "OverQuota",
    "Problem",
    "ServerFailed",
    "StatsView",
    "Timeout",
    "TlsFailed",
    "TooLarge",
    "Unauthorized",
    "UnexpectedAnswer",
    "Unprocessable",
    "__version__",
    "cached_result",
    "cached_result_sync",
    "clear_cache",
    "get_cache",
    "measure",
    "reset_cache",
]


def clear_cache() -> None:
    """Remove every entry of the process-wide cache; counters stay."""
    get_cache().clear()
