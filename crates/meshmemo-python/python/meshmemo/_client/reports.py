"""What the server answers to the calls of its management, field for field as it sends it.

`…_mb` are units of 2**20 bytes; `timestamp` and `expires_at` are seconds since the Unix epoch.
"""

from __future__ import annotations

from typing import Any, TypedDict


class _WholeCounters(TypedDict, total=False):
    namespaces: dict[str, dict[str, Any]]
    """By namespace, what it has come to; for keys that see all."""
    observed: dict[str, Any]
    """What the cache would have answered, where it only observes; for keys that see all."""


class Counters(_WholeCounters):
    """The counters since the start: each request is a hit, coalesced, a miss or a bypass."""

    hits: int
    misses: int
    coalesced: int
    bypasses: int
    hit_rate_percent: float
    evictions: int
    evictions_by_count: int
    evictions_by_size: int
    expirations: int
    current_items: int
    current_memory_mb: float
    max_items: int
    max_memory_mb: float
    memory_utilization_percent: float
    max_memory_seen_mb: float
    generations: int
    generation_failures: int
    derivations: int
    generation_seconds: float
    seconds_saved: float
    unstored: int
    tiers: dict[str, dict[str, Any]]
    """By tier: its `hits`, `items`, `size_mb`, `max_mb`, and more for who sees the whole server."""


class Stats(TypedDict):
    """The answer to `stats`."""

    status: str
    cache_enabled: bool
    stats: Counters
    node: str
    timestamp: float


class Entry(TypedDict):
    """One entry of the cache."""

    key: str
    namespace: str
    size_mb: float
    timestamp: float
    age_seconds: float
    access_count: int
    expires_at: float | None
    expired: bool
    media_type: str
    cost_seconds: float
    tier: str
    label: str
    model_url: str
    durable: bool


class _Namespaces(TypedDict, total=False):
    namespaces: dict[str, dict[str, Any]]
    """By namespace, what of the listing is its own; for keys that see all."""


class Entries(_Namespaces):
    """The answer to `entries`: a page of the listing."""

    entries: list[Entry]
    total: int
    """How many entries match, on all pages."""
    next_cursor: str | None
    """The `cursor` of the next page; `None` at the end."""
    timestamp: float


class Limits(TypedDict):
    """The limits of the cache."""

    max_size: int
    max_memory_mb: float
    default_ttl_seconds: float | None
    policy: str
    disk_max_mb: float | None
    data_dir: str | None
    durability: str | None


class Config(TypedDict):
    """The answer to `config`."""

    config: Limits


class ConfigChanged(TypedDict):
    """The answer to `update_config`."""

    status: str
    message: str
    config: Limits


class Removed(TypedDict):
    """The answer to `clear` and `remove`."""

    status: str
    message: str
    removed: int
    bytes: int


class Warmed(TypedDict):
    """The answer to `warm`."""

    status: str
    loaded: int
    bytes: int
    skipped: int


class Purged(TypedDict):
    """The answer to `purge`."""

    status: str
    matched: int
    removed: int
    bytes: int


class _Insight(TypedDict, total=False):
    reasons: dict[str, str]
    """By what is not well: why; for who may see the whole server."""
    warnings: dict[str, str]
    """By what should be otherwise: why; for who may see the whole server."""
    caller: dict[str, str]
    """Whose key was sent: its `name`, `role` and `namespace`."""


class Health(_Insight):
    """The answer to `health`."""

    status: str
    """`ok`, or `degraded` if a tier or the backend is not."""
    version: str
    uptime_seconds: float
    tiers: dict[str, str]
    """By tier: `ok`, `degraded` or `down`."""
    backend: dict[str, Any]
