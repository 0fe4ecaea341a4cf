"""The client whose calls block."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from types import EllipsisType, TracebackType
from typing import Any

from . import calls
from .caller import Caller, Order
from .calls import Use
from .image_source import ImageInput
from .model import Model
from .reports import Config, ConfigChanged, Entries, Health, Purged, Removed, Stats, Warmed
from .settings import RETRIES, TIMEOUT_SECONDS, Settings
from .wire import run


class Client:
    """A client of a meshmemo server; threads may share it, and with `with` it is closed at the end.

    `url` is the server's address, whatever stands behind it. `api_key` is sent to it and nowhere
    else; redirections are not followed, and proxies named by the environment are not used.

    `retries` is how often a request is sent again: when the server is busy and says when to come
    back, when there is no connection, and, of what may be done twice, when the connection broke
    off. `timeout` bounds a whole call with its waits, in seconds; `None` is for ever. Calls that
    have no model made take a minute at most. `ca_cert` is a file with certificates in PEM to trust
    besides those of the system. `backend_authorization` is what the server behind meshmemo is shown
    as `Authorization`. `sleep` waits for so many seconds.

    Its calls raise a `MeshmemoError`. Raises `ImportError` if httpx is not installed, `TypeError`
    or `ValueError` for an argument that is wrong.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        retries: int = RETRIES,
        timeout: float | None = TIMEOUT_SECONDS,
        ca_cert: str | os.PathLike[str] | None = None,
        backend_authorization: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        settings = Settings(
            url,
            api_key,
            retries=retries,
            timeout=timeout,
            ca_cert=ca_cert,
            backend_authorization=backend_authorization,
        )
        # It needs httpx, which `import meshmemo` does not.
        from .connections import BlockingWire

        self._url = settings.url
        wire = BlockingWire(settings, sleep)
        self._caller = Caller(wire, settings.patience, settings.backend_authorization)

    def generate(
        self,
        image: ImageInput,
        *,
        output: str | os.PathLike[str] | None = None,
        format: str | None = None,
        quality: int | None = None,
        width_mm: float | None = None,
        height_mm: float | None = None,
        depth_mm: float | None = None,
        seed: int | None = None,
        label: str | None = None,
        refresh: bool = False,
        bypass: bool = False,
        only_if_cached: bool = False,
    ) -> Model:
        """Has a model made of an image, or answered from the cache.

        `image` is a path, bytes, a binary file object (read from where it stands), an image of PIL
        or an array of numpy; the last two are sent as PNG. With `output` the model goes to that
        file, which is there whole or not at all; its name also says the format, unless `format`
        does.

        `format` is `glb` (the default), `stl`, `obj` or `ply`; `quality` is from 1 to 10,
        `width_mm`, `height_mm` and `depth_mm` are the solid's size, and `seed` is a part of the
        key. `label` is shown in listings; it is the file's name if left out. The server says which
        of them it can honour.

        `refresh` has it made anew and kept, `bypass` made and not kept, and `only_if_cached` not
        made at all: then `NotCached` is raised if it is not there.

        Raises `BadRequest` (among them `Unprocessable`, `NotAnImage`, `TooLarge`) for what the
        server does not take, `Unauthorized` or `Forbidden`, `Busy`, `BackendFailed`, `Timeout`,
        `ConnectionFailed`; `OSError` for files that can not be read or written; `TypeError` or
        `ValueError` for what is no image.
        """
        parameters = {
            "format": format,
            "quality": quality,
            "width_mm": width_mm,
            "height_mm": height_mm,
            "depth_mm": depth_mm,
            "seed": seed,
            "label": label,
        }
        use = Use(refresh=refresh, bypass=bypass, only_if_cached=only_if_cached)
        return run(self._caller.generate(image, Order(parameters, use, output)))

    def get(self, key: str) -> Model:
        """Fetches a model that is in the cache, by the key of its entry.

        Raises `NotFound` if it is not there, and `ValueError` for what is no key.
        """
        return run(self._caller.get(key, None))

    def download(self, key: str, path: str | os.PathLike[str]) -> Model:
        """Fetches a model that is in the cache into a file, which is there whole or not at all.

        Raises `NotFound` if it is not there, `ValueError` for what is no key, and `OSError` if the
        file can not be written.
        """
        return run(self._caller.get(key, path))

    def health(self) -> Health:
        """Asks how the server, its tiers and its backend are; needs no key."""
        report: Health = self._report(calls.health())
        return report

    def stats(self) -> Stats:
        """Asks for the counters of the cache."""
        report: Stats = self._report(calls.stats())
        return report

    def entries(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        sort: str | None = None,
        q: str | None = None,
        namespace: str | None = None,
    ) -> Entries:
        """Lists the entries, a page at a time: give its `next_cursor` as `cursor` for the next one.

        `limit` is from 1 to 1000 (100 if left out); `sort` is `recent`, `size`, `cost`, `hits` or
        `age`; `q` is a part of the label or of the key.
        """
        query = {"limit": limit, "cursor": cursor, "sort": sort, "q": q, "namespace": namespace}
        report: Entries = self._report(calls.entries(query))
        return report

    def remove(self, key: str) -> Removed:
        """Removes an entry from every tier. Raises `NotFound` if there is none."""
        report: Removed = self._report(calls.remove(key))
        return report

    def clear(self, tiers: Sequence[str] | None = None) -> Removed:
        """Removes all entries, of all tiers or of those named (`memory`, `disk`, `redis`)."""
        report: Removed = self._report(calls.clear(tiers))
        return report

    def warm(self, *, top: int | None = None, keys: Sequence[str] | None = None) -> Warmed:
        """Brings entries into memory: so many of the most valuable, or those of these keys."""
        report: Warmed = self._report(calls.warm(top, keys))
        return report

    def purge(
        self,
        *,
        older_than_seconds: float | None = None,
        model_id: str | None = None,
        label_prefix: str | None = None,
        namespace: str | None = None,
        dry_run: bool = False,
    ) -> Purged:
        """Removes the entries that meet all conditions, of which there must be one."""
        conditions = {
            "older_than_seconds": older_than_seconds,
            "model_id": model_id,
            "label_prefix": label_prefix,
            "namespace": namespace,
        }
        report: Purged = self._report(calls.purge(conditions, dry_run=dry_run))
        return report

    def config(self) -> Config:
        """Asks for the limits that hold."""
        report: Config = self._report(calls.config())
        return report

    def update_config(
        self,
        *,
        max_size: int | None = None,
        max_memory_mb: float | None = None,
        default_ttl_seconds: float | EllipsisType | None = ...,
        policy: str | None = None,
        disk_max_mb: float | None = None,
    ) -> ConfigChanged:
        """Changes limits until the server restarts; what is left out stays as it is.

        A `default_ttl_seconds` of `None` is for ever. Raises `BadRequest` for a value that may not
        be; then nothing is changed.
        """
        changes = {
            "max_size": max_size,
            "max_memory_mb": max_memory_mb,
            "policy": policy,
            "disk_max_mb": disk_max_mb,
        }
        report: ConfigChanged = self._report(calls.update_config(changes, default_ttl_seconds))
        return report

    def close(self) -> None:
        """Closes all connections; no more calls can be made."""
        run(self._caller.wire.close())

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self._url!r})"

    def _report(self, call: calls.Call) -> Any:
        return run(self._caller.report(call))
