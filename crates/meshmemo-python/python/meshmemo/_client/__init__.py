"""The client of a meshmemo server; `meshmemo` has these names.

httpx is imported when a client is made, and not before.
"""

from .async_client import AsyncClient
from .client import Client
from .errors import (
    BackendFailed,
    BadRequest,
    Busy,
    ConnectionFailed,
    Forbidden,
    MeshmemoError,
    NotAnImage,
    NotCached,
    NotFound,
    OverQuota,
    Problem,
    ServerFailed,
    Timeout,
    TlsFailed,
    TooLarge,
    Unauthorized,
    UnexpectedAnswer,
    Unprocessable,
)
from .model import Model, Outcome

__all__ = [
    "AsyncClient",
    "BackendFailed",
    "BadRequest",
    "Busy",
    "Client",
    "ConnectionFailed",
    "Forbidden",
    "MeshmemoError",
    "Model",
    "NotAnImage",
    "NotCached",
    "NotFound",
    "Outcome",
    "OverQuota",
    "Problem",
    "ServerFailed",
    "Timeout",
    "TlsFailed",
    "TooLarge",
    "Unauthorized",
    "UnexpectedAnswer",
    "Unprocessable",
]
