"""The management routes for Flask.

::

    from meshmemo.integrations.flask import management
    app.register_blueprint(management())
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from flask import Blueprint, Response, request

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
) -> Blueprint:
    """Return a blueprint with ``stats``, ``config``, ``clear`` and ``entries`` below the prefix.

    ``cache``: the one to manage, ``get_cache()`` at each request if ``None``. ``trusted_origins``:
    from which pages may change it besides those of the application itself, as
    ``https://host:port``.
    """
    # One application may have several.
    name = "meshmemo" + re.sub(r"\W", "-", prefix)
    routes = Blueprint(name, __name__, url_prefix=prefix)
    managed = Management(cache, trusted_origins)

    @routes.before_request
    def refuse_foreign() -> Response | None:
        if request.method in ("GET", "HEAD", "OPTIONS"):
            return None
        refusal = managed.refusal(request.headers.get("Origin"), request.host)
        return None if refusal is None else _response(refusal)

    @routes.get("/stats")
    def stats() -> Response:
        return _response(managed.stats())

    @routes.get("/config")
    def config() -> Response:
        return _response(managed.config())

    @routes.post("/config")
    def update_config() -> Response:
        body = request.stream.read(BODY_MAX_BYTES + 1)
        if len(body) > BODY_MAX_BYTES:
            return _response(problem(413, f"the body is longer than {BODY_MAX_BYTES} bytes"))
        return _response(managed.update_config(body))

    @routes.post("/clear")
    def clear() -> Response:
        return _response(managed.clear())

    @routes.get("/entries")
    def entries() -> Response:
        return _response(managed.entries(request.args))

    @routes.delete("/entries")
    def remove_by_query() -> Response:
        return _response(managed.remove(request.args.get("key")))

    @routes.delete("/entries/<path:key>", merge_slashes=False)
    def remove(key: str) -> Response:
        return _response(managed.remove(key))

    return routes


def _response(answer: Answer) -> Response:
    response = Response(answer.body, status=answer.status, mimetype=answer.media_type)
    response.headers["Cache-Control"] = "no-store"
    return response
