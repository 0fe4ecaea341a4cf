"""What the management routes answer, whatever framework asks."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple, cast

from meshmemo._core import LRUCache, get_cache, shown

#: Where the routes are unless told otherwise, as on a server.
PREFIX = "/api/cache"
#: The longest body of a request, in bytes.
BODY_MAX_BYTES = 64 * 1024
#: How many entries one page may have.
ENTRIES_MAX = 1000
_ENTRIES = 100
_SETTINGS = ("max_size", "max_memory_mb", "default_ttl_seconds")
_NAMES = ", ".join(_SETTINGS)
_ORIGIN = re.compile(r"https?://[^/\s@]+")


class Answer(NamedTuple):
    """A status and a JSON document."""

    status: int
    document: dict[str, Any]

    @property
    def body(self) -> str:
        """The document as JSON, in ASCII: a name of a file need not be UTF-8."""
        return json.dumps(self.document)

    @property
    def media_type(self) -> str:
        """The media type of the document."""
        return "application/json" if self.status < 400 else "application/problem+json"


class Management:
    """The management of one cache: of the process-wide one if it is given none."""

    def __init__(self, cache: LRUCache[Any, Any] | None, trusted_origins: Iterable[str]) -> None:
        if isinstance(trusted_origins, str):
            raise TypeError(f"trusted_origins must be a list of origins, not {trusted_origins!r}")
        trusted_origins = frozenset(trusted_origins)
        for origin in trusted_origins:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"trusted_origins must be as https://host or https://host:port, not {origin!r}"
                )
        if cache is not None and not isinstance(cast("object", cache), LRUCache):
            raise TypeError(f"cache must be an LRUCache or None, not {cache!r}")
        self._given = cache
        self._trusted_origins = trusted_origins

    @property
    def _cache(self) -> LRUCache[Any, Any]:
        return get_cache() if self._given is None else self._given

    def refusal(self, origin: str | None, host: str | None) -> Answer | None:
        """Return why a change is refused that a page of this origin sends; browsers tell it."""
        if origin is None or origin in self._trusted_origins:
            return None
        if _ORIGIN.fullmatch(origin) and origin.split("//", 1)[1] == host:
            return None
        return problem(403, f"pages of the origin {origin!r} may not change the cache")

    def stats(self) -> Answer:
        """Answer ``GET stats``."""
        stats = _finite(self._cache.get_stats())
        return _success(cache_enabled=True, stats=stats, timestamp=time.time())

    def config(self) -> Answer:
        """Answer ``GET config``."""
        return Answer(200, {"config": _finite(self._cache.get_config())})

    def update_config(self, body: bytes) -> Answer:
        """Answer ``POST config``: any of the settings, all of them or none take effect."""
        try:
            found = json.loads(body)
        except (ValueError, RecursionError) as error:
            return problem(400, f"the body is not JSON: {error}")
        if not isinstance(found, dict) or not found:
            return problem(400, f"the body must be a JSON object with any of {_NAMES}")
        settings = cast("dict[str, Any]", found)
        unknown = [name for name in settings if name not in _SETTINGS]
        if unknown:
            return problem(400, f"`{unknown[0]}` is not a setting: there are {_NAMES}")
        for name in ("max_size", "max_memory_mb"):
            if settings.get(name, 0) is None:
                return problem(400, f"`{name}` must be a number, not null")
        try:
            self._cache.update_config(**settings)
        except (TypeError, ValueError, OverflowError) as error:
            return problem(400, str(error))
        return _success(message="in effect", config=_finite(self._cache.get_config()))

    def clear(self) -> Answer:
        """Answer ``POST clear``."""
        cache = self._cache
        mb = cache.get_stats()["current_memory_mb"]
        items = cache.clear()
        message = f"removed {items} entries ({mb:.1f} MB)"
        return _success(message=message, removed=items, bytes=round(mb * 1024 * 1024))

    def entries(self, query: Mapping[str, str]) -> Answer:
        """Answer ``GET entries``: ``limit``, ``cursor``, and ``q``, a part of the key.

        The most recently used come first.
        """
        limit = _whole(query.get("limit", str(_ENTRIES)), 1, ENTRIES_MAX)
        if limit is None:
            return problem(
                400, f"`limit` is {query['limit']!r}, but must be from 1 to {ENTRIES_MAX}"
            )
        start = _whole(query.get("cursor", "0"), 0, None)
        if start is None:
            return problem(400, f"`cursor` is {query['cursor']!r}, but must be a `next_cursor`")
        wanted = query.get("q", "")
        entries = [
            {**entry, "key": text}
            for entry in reversed(self._cache.get_entries_summary())
            if wanted in (text := str(entry["key"]))
        ]
        end = start + limit
        document = {
            "entries": entries[start:end],
            "total": len(entries),
            "next_cursor": str(end) if end < len(entries) else None,
            "timestamp": time.time(),
        }
        return Answer(200, document)

    def remove(self, key: str | None) -> Answer:
        """Answer ``DELETE entries/KEY`` or ``DELETE entries?key=KEY``, the key as it is shown."""
        if key is None:
            return problem(400, "the query has no `key`")
        cache = self._cache
        removed = [it for it in cache if str(shown(it)) == key and cache.delete(it)]
        if not removed:
            return problem(404, f"there is no entry with the key {key!r}")
        return _success(message=f"removed {len(removed)} entries", removed=len(removed))


def problem(status: int, detail: str) -> Answer:
    """Return a problem document."""
    title = HTTPStatus(status).phrase
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return Answer(status, document)


def _success(**fields: Any) -> Answer:
    return Answer(200, {"status": "success", **fields})


def _finite(numbers: dict[str, Any]) -> dict[str, Any]:
    """Return the same as JSON can say it: a limit that is none is ``null``."""
    return {name: None if it == math.inf else it for name, it in numbers.items()}


def _whole(text: str, least: int, most: int | None) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        return None
    number = int(text)
    return number if least <= number and (most is None or number <= most) else None
