"""The management routes for FastAPI.

::

    from meshmemo.integrations.fastapi import management
    app.include_router(management())
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from fastapi.requests import Request
from fastapi.responses import Response

from meshmemo._core import LRUCache
from meshmemo.integrations._management import (
    BODY_MAX_BYTES,
    PREFIX,
    Answer,
    Management,
    problem,
)

# The bodies and queries are read as on a server, whose errors are problem documents: these tell
# OpenAPI of them.
_CONFIG: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "max_size": {"type": "integer", "minimum": 0},
                        "max_memory_mb": {"type": "number", "minimum": 0},
                        "default_ttl_seconds": {"type": ["number", "null"]},
                    },
                    "additionalProperties": False,
                }
            }
        },
    }
}
_ENTRIES: dict[str, Any] = {
    "parameters": [
        {"name": name, "in": "query", "description": description, "schema": schema}
        for name, description, schema in (
            ("limit", "entries of a page", {"type": "integer", "minimum": 1, "maximum": 1000}),
            ("cursor", "the `next_cursor` of the page before", {"type": "string"}),
            ("q", "a part of the key", {"type": "string"}),
        )
    ]
}


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
    def stats() -> Response:
        """All counters, and what they are read against, at one moment."""
        return _response(managed.stats())

    @routes.get("/config")
    def config() -> Response:
        """The limits that hold now; one that is none is `null`."""
        return _response(managed.config())

    @routes.post("/config", openapi_extra=_CONFIG)
    async def update_config(request: Request) -> Response:
        """Change limits; all that are given take effect before the answer, or none."""
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_MAX_BYTES:
                return _response(problem(413, f"the body is longer than {BODY_MAX_BYTES} bytes"))
        refused = refusal(request)
        if refused is not None:
            return _response(refused)
        # What leaves for smaller limits may take its time.
        return _response(await run_in_threadpool(managed.update_config, body))

    @routes.post("/clear")
    def clear(request: Request) -> Response:
        """Remove every entry."""
        return _response(refusal(request) or managed.clear())

    @routes.get("/entries", openapi_extra=_ENTRIES)
    def entries(request: Request) -> Response:
        """List entries, the most recently used first."""
        return _response(managed.entries(request.query_params))

    @routes.delete("/entries")
    def remove_by_query(request: Request) -> Response:
        """Remove the entry that is shown with the `key` of the query."""
        return _response(refusal(request) or managed.remove(request.query_params.get("key")))

    @routes.delete("/entries/{key:path}")
    def remove(request: Request, key: str) -> Response:
        """Remove the entry that is shown with this key."""
        return _response(refusal(request) or managed.remove(key))

    return routes


def _response(answer: Answer) -> Response:
    return Response(
        answer.body,
        status_code=answer.status,
        media_type=answer.media_type,
        headers={"Cache-Control": "no-store"},
    )
