"""The management routes for FastAPI.

::

    from meshmemo.integrations.fastapi import management
    app.include_router(management())
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter
from fastapi.requests import Request
from fastapi.responses import JSONResponse

from meshmemo._core import LRUCache
from meshmemo.integrations._management import (
    BODY_MAX_BYTES,
    PREFIX,
    Answer,
    Management,
    problem,
)


def management(
    cache: LRUCache[Any, Any] | None = None,
    *,
    prefix: str = PREFIX,
    trusted_origins: Iterable[str] = (),
) -> APIRouter:
    """Return a router with ``stats``, ``config``, ``clear`` and ``entries`` below the prefix.

    ``cache``: the one to manage, ``get_cache()`` at each request if ``None``. ``trusted_origins``:
    from which pages may change it besides those of the application itself, as
    ``https://host:port``.
    """
    routes = APIRouter(prefix=prefix, tags=["cache"])
    managed = Management(cache, trusted_origins)

    def refusal(request: Request) -> Answer | None:
        return managed.refusal(request.headers.get("origin"), request.headers.get("host"))

    @routes.get("/stats")
    def stats() -> JSONResponse:
        return _response(managed.stats())

    @routes.get("/config")
    def config() -> JSONResponse:
        return _response(managed.config())

    @routes.post("/config")
    async def update_config(request: Request) -> JSONResponse:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_MAX_BYTES:
                return _response(problem(413, f"the body is longer than {BODY_MAX_BYTES} bytes"))
        return _response(refusal(request) or managed.update_config(body))

    @routes.post("/clear")
    def clear(request: Request) -> JSONResponse:
        return _response(refusal(request) or managed.clear())

    @routes.get("/entries")
    def entries(request: Request) -> JSONResponse:
        return _response(managed.entries(request.query_params))

    @routes.delete("/entries/{key:path}")
    def remove(request: Request, key: str) -> JSONResponse:
        return _response(refusal(request) or managed.remove(key))

    return routes


def _response(answer: Answer) -> JSONResponse:
    return JSONResponse(
        answer.document,
        status_code=answer.status,
        media_type=answer.media_type,
        headers={"Cache-Control": "no-store"},
    )
