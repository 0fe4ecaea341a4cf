"""The client whose calls are awaited: `Client`, for asyncio and trio."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from types import EllipsisType, TracebackType
from typing import Any

from . import calls
from .caller import Caller, Order
from .calls import Use
from .image_source import ImageInput
from .model import Model
from .reports import Config, ConfigChanged, Entries, Health, Purged, Removed, Stats, Warmed
from .settings import RETRIES, TIMEOUT_SECONDS, Settings


class AsyncClient:
    """A client of a meshmemo server as `Client` is: the same arguments, calls and errors.

    Tasks may share it; with `async with` it is closed at the end. Who is cancelled leaves no part
    of a file behind. Images are opened and encoded, and models written, while other tasks go on.
    `sleep` is awaited with so many seconds.

    Raises `ImportError` if httpx is not installed, `TypeError` or `ValueError` for a wrong
    argument.
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
        sleep: Callable[[float], Awaitable[None]] | None = None,
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
        from .connections import AsyncWire

        self._url = settings.url
        wire = AsyncWire(settings, sleep)
        self._caller = Caller(wire, settings.patience, settings.backend_authorization)

    async def generate(
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
        """See `Client.generate`."""
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
        return await self._caller.generate(image, Order(parameters, use, output))

    async def get(self, key: str) -> Model:
        """See `Client.get`."""
        return await self._caller.get(key, None)

    async def download(self, key: str, path: str | os.PathLike[str]) -> Model:
        """See `Client.download`."""
        return await self._caller.get(key, path)

    async def health(self) -> Health:
        """See `Client.health`."""
        report: Health = await self._report(calls.health())
        return report

    async def stats(self) -> Stats:
        """See `Client.stats`."""
        report: Stats = await self._report(calls.stats())
        return report

    async def entries(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        sort: str | None = None,
        q: str | None = None,
        namespace: str | None = None,
    ) -> Entries:
        """See `Client.entries`."""
        query = {"limit": limit, "cursor": cursor, "sort": sort, "q": q, "namespace": namespace}
        report: Entries = await self._report(calls.entries(query))
        return report

    async def remove(self, key: str) -> Removed:
        """See `Client.remove`."""
        report: Removed = await self._report(calls.remove(key))
        return report

    async def clear(self, tiers: Sequence[str] | None = None) -> Removed:
        """See `Client.clear`."""
        report: Removed = await self._report(calls.clear(tiers))
        return report

    async def warm(self, *, top: int | None = None, keys: Sequence[str] | None = None) -> Warmed:
        """See `Client.warm`."""
        report: Warmed = await self._report(calls.warm(top, keys))
        return report

    async def purge(
        self,
        *,
        older_than_seconds: float | None = None,
        model_id: str | None = None,
        label_prefix: str | None = None,
        namespace: str | None = None,
        dry_run: bool = False,
    ) -> Purged:
        """See `Client.purge`."""
        conditions = {
            "older_than_seconds": older_than_seconds,
            "model_id": model_id,
            "label_prefix": label_prefix,
            "namespace": namespace,
        }
        report: Purged = await self._report(calls.purge(conditions, dry_run=dry_run))
        return report

    async def config(self) -> Config:
        """See `Client.config`."""
        report: Config = await self._report(calls.config())
        return report

    async def update_config(
        self,
        *,
        max_size: int | None = None,
        max_memory_mb: float | None = None,
        default_ttl_seconds: float | EllipsisType | None = ...,
        policy: str | None = None,
        disk_max_mb: float | None = None,
    ) -> ConfigChanged:
        """See `Client.update_config`."""
        changes = {
            "max_size": max_size,
            "max_memory_mb": max_memory_mb,
            "policy": policy,
            "disk_max_mb": disk_max_mb,
        }
        report: ConfigChanged = await self._report(
            calls.update_config(changes, default_ttl_seconds)
        )
        return report

    async def close(self) -> None:
        """See `Client.close`."""
        await self._caller.wire.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncClient({self._url!r})"

    async def _report(self, call: calls.Call) -> Any:
        return await self._caller.report(call)
