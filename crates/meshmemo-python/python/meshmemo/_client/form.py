"""The bodies of requests: each says how long it is and can be sent again from its beginning."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from .image_source import ImageSource


class Body(Protocol):
    """What a request sends."""

    @property
    def media_type(self) -> str:
        """Its `Content-Type`."""
        ...

    @property
    def length(self) -> int:
        """Its size in bytes."""
        ...

    @property
    def is_in_memory(self) -> bool:
        """Whether to read it never waits for a disk."""
        ...

    def pieces(self) -> Iterator[bytes]:
        """Reads it from its beginning."""
        ...


class JsonBody:
    """A JSON object."""

    media_type = "application/json"
    is_in_memory = True

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._bytes = json.dumps(fields, allow_nan=False).encode()
        self.length = len(self._bytes)

    def pieces(self) -> Iterator[bytes]:
        """Returns it in one piece."""
        yield self._bytes


class Form:
    """A form with an image (`multipart/form-data`, RFC 7578), of which only a piece is in
    memory."""

    def __init__(self, fields: Mapping[str, str], image: ImageSource) -> None:
        boundary = secrets.token_hex(16)
        self.media_type = f"multipart/form-data; boundary={boundary}"
        self._image = image
        parts = [
            _part(boundary, name, value.encode(errors="replace")) for name, value in fields.items()
        ]
        # The file's name travels as the field `label`: there it needs no escaping.
        head = _head(boundary, 'name="image"; filename="image"', "application/octet-stream")
        self._before = b"".join(parts) + head
        self._after = f"\r\n--{boundary}--\r\n".encode()
        self.length = len(self._before) + image.length + len(self._after)
        self.is_in_memory = image.is_in_memory

    def pieces(self) -> Iterator[bytes]:
        """Reads it from its beginning, and the image with it."""
        yield self._before
        yield from self._image.pieces()
        yield self._after


def _part(boundary: str, name: str, value: bytes) -> bytes:
    return _head(boundary, f'name="{name}"', "text/plain; charset=utf-8") + value + b"\r\n"


def _head(boundary: str, disposition: str, media_type: str) -> bytes:
    return (
        f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n"
        f"Content-Type: {media_type}\r\n\r\n"
    ).encode()
