"""What may go wrong, as exceptions that are named for what the caller can do.

All of them are a `MeshmemoError`. What the server says of it (RFC 9457) is in `problem`, and its
parts are properties of the exception. All of them can be pickled.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Problem:
    """A problem as the server describes it: the document of RFC 9457, or what is known without
    one."""

    status: int
    """The HTTP status."""
    title: str
    """The status in words."""
    detail: str
    """What went wrong; names the value and its range where there is one."""
    type: str = "about:blank"
    """A URI for the kind of problem; `about:blank` if the status says all."""
    extras: dict[str, Any] = field(default_factory=dict[str, Any])
    """All other members of the document."""


class MeshmemoError(Exception):
    """Whatever goes wrong between this client and the server."""

    problem: Problem | None
    """What the server said; `None` if it said nothing."""

    def __init__(self, message: str, *, problem: Problem | None = None) -> None:
        super().__init__(message)
        self.problem = problem

    @property
    def status(self) -> int | None:
        """The HTTP status; `None` if there was no answer."""
        return self.problem.status if self.problem else None

    @property
    def title(self) -> str | None:
        """The status in words; `None` if there was no answer."""
        return self.problem.title if self.problem else None

    @property
    def detail(self) -> str:
        """What went wrong, in the server's words if it said any."""
        return self.problem.detail if self.problem else str(self)

    @property
    def type(self) -> str | None:
        """The problem document's `type`; `None` if there was no answer."""
        return self.problem.type if self.problem else None

    @property
    def extras(self) -> dict[str, Any]:
        """The members of the problem document beyond the usual ones."""
        return self.problem.extras if self.problem else {}


class BadRequest(MeshmemoError):
    """The server does not take the request as it is (400, and each 4xx without a class of its
    own)."""


class TooLarge(BadRequest):
    """The image is larger than the server takes (413, `--max-body`)."""


class NotAnImage(BadRequest):
    """What was sent is no PNG, JPEG or WebP (415)."""


class Unprocessable(BadRequest):
    """The image can not be decoded, or a parameter is out of its range (422)."""


class Unauthorized(MeshmemoError):
    """The API key is missing, wrong or revoked (401)."""


class Forbidden(MeshmemoError):
    """The API key may not do this (403)."""


class NotFound(MeshmemoError):
    """What was asked for is not there, or not any more (404)."""


class NotCached(NotFound):
    """`only_if_cached` was asked for, and the model is not in the cache (504)."""


class Busy(MeshmemoError):
    """The server takes no more now (503), and did not when asked again."""

    retry_after: float | None = None
    """After how many seconds to ask again; `None` if the server does not say."""


class OverQuota(Busy):
    """The API key has used up its requests or its places in the queue (429)."""


class BackendFailed(MeshmemoError):
    """What makes the models failed (502); `detail` has its own words."""


class ServerFailed(MeshmemoError):
    """The server failed in another way (500, and each 5xx without a class of its own)."""


class Timeout(MeshmemoError, TimeoutError):
    """The generation took longer than the server lets it (504), or the call longer than
    `timeout`."""


class ConnectionFailed(MeshmemoError, ConnectionError):
    """There is no connection to the server, or it broke off."""

    was_sent: bool = True
    """Whether the server may have begun to act on the request."""


class TlsFailed(ConnectionFailed):
    """The server could not be trusted: see `ca_cert`."""

    was_sent: bool = False


class UnexpectedAnswer(MeshmemoError):
    """The answer is not one that meshmemo gives: is it another server, or a proxy on the way?"""


ERROR_BY_STATUS: dict[int, type[MeshmemoError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    408: Timeout,
    413: TooLarge,
    415: NotAnImage,
    422: Unprocessable,
    429: OverQuota,
    502: BackendFailed,
    503: Busy,
    504: Timeout,
}
"""The exception of each status that has one of its own."""
