"""The calls of the server, each as the request that it takes: nothing here is sent."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import EllipsisType
from typing import Any

from .form import Body, Form, JsonBody
from .image_source import ImageSource

OWN = "/-/meshmemo"
"""Where the server's own routes are, whatever stands behind it; `/api/cache/` is at the root
too."""

_KEY = re.compile(r"[0-9a-fA-F]{64}")
_FORMATS = ("glb", "stl", "obj", "ply")


@dataclass(frozen=True)
class Call:
    """A request, and what is known of it beforehand."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Body | None = None
    is_repeatable: bool = True
    """Whether to do it twice is to do it once."""
    only_if_cached: bool = False
    """Whether the server is to answer from its cache or not at all."""


@dataclass(frozen=True)
class Use:
    """What a generation may use of the cache."""

    refresh: bool = False
    bypass: bool = False
    only_if_cached: bool = False

    def cache_control(self) -> str | None:
        """Returns it as the header `Cache-Control`.

        Raises `ValueError` for more than one of them.
        """
        directives = {
            "no-cache": self.refresh,
            "no-store": self.bypass,
            "only-if-cached": self.only_if_cached,
        }
        asked = [directive for directive, is_asked in directives.items() if is_asked]
        if len(asked) > 1:
            raise ValueError("at most one of refresh, bypass and only_if_cached may be True")
        return asked[0] if asked else None


def generation(
    image: ImageSource,
    parameters: Mapping[str, str | float | None],
    use: Use,
    backend_authorization: str | None,
) -> Call:
    """Has a model made of an image, or answered from the cache.

    It is repeatable, as what was made the first time is cached, or still being made, the second
    time; unless it is not to come from the cache.
    """
    label = parameters.get("label")
    fields = {**parameters, "label": image.label if label is None else label}
    sent = {name: str(value) for name, value in fields.items() if value is not None}
    headers = _shown_to_backend(backend_authorization)
    cache_control = use.cache_control()
    if cache_control is not None:
        headers["Cache-Control"] = cache_control
    return Call(
        "POST",
        f"{OWN}/api/generate",
        headers=headers,
        body=Form(sent, image),
        is_repeatable=not (use.refresh or use.bypass),
        only_if_cached=use.only_if_cached,
    )


def format_of(path: str) -> str | None:
    """Returns the format that a file's name asks for; `None` for GLB, which needs no asking.

    Raises `ValueError` for an extension of no format.
    """
    extension = os.path.splitext(path)[1].lower().removeprefix(".")
    if extension not in ("", *_FORMATS):
        raise ValueError(
            f"output is {path!r}, but its extension must be one of {', '.join(_FORMATS)}, unless "
            "format is given"
        )
    return extension if extension not in ("", "glb") else None


def model(file: str, backend_authorization: str | None) -> Call:
    """Fetches a model by its digest and extension."""
    return Call("GET", f"{OWN}/api/models/{file}", headers=_shown_to_backend(backend_authorization))


def health() -> Call:
    """Asks how the server is."""
    return Call("GET", f"{OWN}/api/health")


def stats() -> Call:
    """Asks for the counters."""
    return Call("GET", "/api/cache/stats")


def config() -> Call:
    """Asks for the limits that hold."""
    return Call("GET", "/api/cache/config")


def update_config(changes: Mapping[str, Any], ttl: float | EllipsisType | None) -> Call:
    """Changes limits: those that are not `None`, and the time to live if it is not `...`."""
    given = {name: value for name, value in changes.items() if value is not None}
    if ttl is not ...:
        given["default_ttl_seconds"] = ttl
    return _change("/api/cache/config", given)


def entries(query: Mapping[str, str | int | None]) -> Call:
    """Lists entries."""
    given = {name: str(value) for name, value in query.items() if value is not None}
    return Call("GET", "/api/cache/entries", query=given)


def entry(key: str) -> Call:
    """Asks for one entry."""
    return Call("GET", f"/api/cache/entries/{_checked(key)}")


def remove(key: str) -> Call:
    """Removes one entry; a second time, it would not be there."""
    return Call("DELETE", f"/api/cache/entries/{_checked(key)}", is_repeatable=False)


def clear(tiers: Sequence[str] | None) -> Call:
    """Removes all entries; a second time, it would tell that none was there."""
    if isinstance(tiers, str):
        raise TypeError(f"tiers is {tiers!r}, but must be a list of names")
    return _change("/api/cache/clear", {} if tiers is None else {"tiers": list(tiers)})


def warm(top: int | None, keys: Sequence[str] | None) -> Call:
    """Brings entries into memory."""
    if (top is None) == (keys is None):
        raise ValueError("give either top or keys")
    if isinstance(keys, str):
        raise TypeError(f"keys is {keys!r}, but must be a list of keys")
    return _change("/api/cache/warm", {"keys": list(keys)} if keys is not None else {"top": top})


def purge(conditions: Mapping[str, Any], *, dry_run: bool) -> Call:
    """Removes the entries that meet conditions."""
    given = {name: value for name, value in conditions.items() if value is not None}
    return _change("/api/cache/purge", {**given, "dry_run": dry_run})


def _change(path: str, fields: Mapping[str, Any]) -> Call:
    return Call("POST", path, body=JsonBody(fields), is_repeatable=False)


def _shown_to_backend(authorization: str | None) -> dict[str, str]:
    return {} if authorization is None else {"X-Meshmemo-Backend-Authorization": authorization}


def _checked(key: str) -> str:
    """Returns a key that can be a part of an address."""
    if not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"key is a {type(key).__name__}, but must be a str")
    if not _KEY.fullmatch(key):
        raise ValueError(f"key is {key[:80]!r}, but must be 64 hexadecimal digits")
    return key
