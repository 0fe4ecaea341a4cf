"""What a client is made with, checked once."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from .patience import Patience

RETRIES = 3
"""How often a request is sent again, unless told otherwise."""
TIMEOUT_SECONDS = 1800.0
"""How long a call may take, unless told otherwise: a generation on the server may take 15 minutes,
and wait for as long."""


class Settings:
    """What a client is made with.

    Raises `TypeError` or `ValueError` for what is wrong.
    """

    url: str
    """The server's address, without a slash at its end."""
    headers: dict[str, str]
    """What each request shows."""
    patience: Patience
    """How much trouble a call goes to."""
    ca_cert: Path | None
    """A file with certificates to trust besides those of the system."""
    backend_authorization: str | None
    """What the server behind meshmemo is shown."""

    def __init__(
        self,
        url: str,
        api_key: str | None,
        *,
        retries: int,
        timeout: float | None,
        ca_cert: str | os.PathLike[str] | None,
        backend_authorization: str | None,
    ) -> None:
        self.url = _checked_url(url)
        self.headers = {"User-Agent": "meshmemo-python"}
        if key := _sendable("api_key", api_key):
            self.headers["X-Meshmemo-Api-Key"] = key
        self.patience = Patience(retries, timeout)
        self.ca_cert = None if ca_cert is None else Path(ca_cert)
        self.backend_authorization = _sendable("backend_authorization", backend_authorization)


def _checked_url(url: str) -> str:
    if not isinstance(url, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"url is a {type(url).__name__}, but must be a str")
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise ValueError("url has a user's name in it: what the server is shown is `api_key`")
    is_server = parts.scheme in ("http", "https") and parts.hostname
    if not is_server or parts.query or parts.fragment:
        raise ValueError(
            f"url is {url!r}, but must be a server's with its scheme, as in http://127.0.0.1:8080"
        )
    return url.rstrip("/")


def _sendable(name: str, secret: str | None) -> str | None:
    """Returns what can be sent as a header; an empty one is none. Secrets are in no message."""
    if not secret:
        return None
    if not isinstance(secret, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"{name} is a {type(secret).__name__}, but must be a str")
    if not (secret.isascii() and secret.isprintable()):
        raise ValueError(f"{name} has characters that no header can have, such as a line's end")
    return secret
