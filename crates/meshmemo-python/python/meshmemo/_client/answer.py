"""What an answer of the server says: nothing here sends, reads or waits."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, cast

from .errors import (
    ERROR_BY_STATUS,
    BadRequest,
    Busy,
    MeshmemoError,
    NotCached,
    Problem,
    ServerFailed,
    UnexpectedAnswer,
)
from .model import Outcome

PROBLEM_MAX_BYTES = 64 << 10
"""How much of an answer that tells of a problem is read."""
TEXT_MAX_CHARS = 200
"""How much is told of an answer that is not the server's own."""

_PROBLEM = "application/problem+json"
_OURS = "meshmemo"
_RETRY_AFTER = re.compile(r"\d{1,9}")
_MODEL_FILE = re.compile(r"/api/models/([0-9a-f]{64}\.[a-z0-9]{1,10})")


def error_of(
    status: int,
    reason: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    only_if_cached: bool = False,
) -> MeshmemoError:
    """Returns the exception for an answer that is none of success.

    `headers` must not mind in which case they are asked for; `body` may have been cut off.
    """
    problem = _problem_of(status, reason, headers, body)
    message = f"{problem.detail} (HTTP {status} {problem.title})"
    if status < 400:
        return UnexpectedAnswer(message, problem=problem)
    kind = ERROR_BY_STATUS.get(status, BadRequest if status < 500 else ServerFailed)
    is_ours = _media_type(headers) == _PROBLEM
    if status == 404 and not is_ours:
        return UnexpectedAnswer(f"{message}: is it a meshmemo server?", problem=problem)
    if status == 504 and only_if_cached and is_ours:
        kind = NotCached
    error = kind(message, problem=problem)
    if isinstance(error, Busy):
        error.retry_after = retry_after_of(headers)
    return error


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """Returns after how many seconds to ask again, which may be given as such or as a date.

    A date counts from the server's own `Date`, so that its clock may be wrong. `None` if there is
    none, or one that can not be read.
    """
    text = headers.get("retry-after", "").strip()
    if _RETRY_AFTER.fullmatch(text):
        return float(text)
    date = _date(text)
    if date is None:
        return None
    now = _date(headers.get("date", "")) or datetime.now(timezone.utc)
    return max(0.0, (date - now).total_seconds())


def outcome_of(cache_status: str) -> Outcome:
    """Returns what a `Cache-Status` says (RFC 9211), of which caches on the way may have a part.

    Raises `UnexpectedAnswer` if none of it is meshmemo's.
    """
    for member in cache_status.split(","):
        name, *parameters = (part.strip() for part in member.split(";"))
        if name.strip('"') != _OURS:
            continue
        if "hit" in parameters:
            return "hit"
        if "collapsed" in parameters:
            return "coalesced"
        return "bypass" if "fwd=bypass" in parameters else "miss"
    raise UnexpectedAnswer(
        f"the `Cache-Status` is {_short(cache_status)!r}, and none of meshmemo's"
    )


def check_whole(headers: Mapping[str, str]) -> None:
    """Checks that the end of a model can be told from a connection that broke.

    Raises `UnexpectedAnswer` if not.
    """
    if "content-length" not in headers and "transfer-encoding" not in headers:
        raise UnexpectedAnswer("the answer does not say where the model ends")


def required(headers: Mapping[str, str], name: str) -> str:
    """Returns a header that each answer of this kind has.

    Raises `UnexpectedAnswer` without it.
    """
    value = headers.get(name)
    if not value:
        raise UnexpectedAnswer(f"the answer has no `{name}`: is it meshmemo that gave it?")
    return value


def object_of(body: bytes) -> dict[str, Any]:
    """Returns the JSON object that a body is.

    Raises `UnexpectedAnswer` if it is none.
    """
    try:
        value: Any = json.loads(body)
    except ValueError as error:
        raise UnexpectedAnswer(f"the answer is no JSON: {_short_text(body)!r}") from error
    if not isinstance(value, dict):
        raise UnexpectedAnswer(f"the answer is no JSON object: {_short_text(body)!r}")
    return cast("dict[str, Any]", value)


def model_file_of(entry: Mapping[str, Any]) -> str:
    """Returns the last part of the address of an entry's model: `<digest>.<extension>`.

    Raises `UnexpectedAnswer` if the entry names none.
    """
    url = str(entry.get("model_url", ""))
    found = _MODEL_FILE.search(url)
    if found is None:
        raise UnexpectedAnswer(
            f"the entry's `model_url` is {_short(url)!r}, and no model's address"
        )
    return found[1]


def _problem_of(status: int, reason: str, headers: Mapping[str, str], body: bytes) -> Problem:
    document: dict[str, Any] = {}
    if _media_type(headers) == _PROBLEM:
        # It may be cut off, or not what it says it is: then the status is all there is.
        with suppress(UnexpectedAnswer):
            document = object_of(body)
    usual = {"status", "title", "detail", "type"}
    return Problem(
        status=status,
        title=_text(document, "title") or reason or "Error",
        detail=_text(document, "detail") or _unexplained(status, headers, body),
        type=_text(document, "type") or "about:blank",
        extras={name: value for name, value in document.items() if name not in usual},
    )


def _unexplained(status: int, headers: Mapping[str, str], body: bytes) -> str:
    """Says what is known of an answer that does not explain itself."""
    location = headers.get("location")
    if 300 <= status < 400 and location:
        return f"the server says to ask at {_short(location)} instead: is that its url?"
    media_type = _media_type(headers)
    if media_type == "text/plain" and body.strip():
        return _short_text(body)
    return f"the answer explains nothing ({media_type or 'without a media type'})"


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").split(";")[0].strip().lower()


def _text(document: Mapping[str, Any], name: str) -> str | None:
    value: object = document.get(name)
    return value if isinstance(value, str) and value else None


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=timezone.utc)


def _short(text: str) -> str:
    return text if len(text) <= TEXT_MAX_CHARS else f"{text[:TEXT_MAX_CHARS]}…"


def _short_text(body: bytes) -> str:
    return _short(body[: 4 * TEXT_MAX_CHARS].decode(errors="replace").strip())
