"""A model, and where it came from."""

from __future__ import annotations

import builtins
import os
from pathlib import Path
from typing import Literal, TypeAlias

from .part_file import PartFile

Outcome: TypeAlias = Literal["hit", "miss", "coalesced", "bypass"]
"""Where a model came from: the cache (`hit`), a generation (`miss`), a generation that somebody
else had begun (`coalesced`), or a generation that was not to use the cache (`bypass`)."""


class Model:
    """A model as the server answered it, in memory or in a file."""

    media_type: str
    """`model/gltf-binary`, `model/stl`, `model/obj`, or `application/octet-stream` for PLY."""
    key: str
    """The key of its entry in the cache: 64 hexadecimal digits."""
    outcome: Outcome
    """Where it came from."""
    seconds: float
    """From sending the request that was answered to the last byte; waits before it do not count."""
    cache_status: str
    """The whole `Cache-Status` header (RFC 9211), which also says which tier; empty for a model
    that was fetched by its key."""
    digest: str
    """The BLAKE3 digest of the bytes as the server has it."""
    size_bytes: int
    """How many bytes it has."""
    path: Path | None
    """Its file, if it was asked for by `output` or `download`."""

    def __init__(
        self,
        bytes: builtins.bytes | None,
        media_type: str,
        key: str,
        outcome: Outcome,
        seconds: float,
        *,
        cache_status: str = "",
        digest: str = "",
        size_bytes: int | None = None,
        path: Path | None = None,
    ) -> None:
        if bytes is None and path is None:
            raise ValueError("a model is in memory (`bytes`) or in a file (`path`)")
        self._bytes = bytes
        self.media_type = media_type
        self.key = key
        self.outcome = outcome
        self.seconds = seconds
        self.cache_status = cache_status
        self.digest = digest
        self.size_bytes = len(bytes or b"") if size_bytes is None else size_bytes
        self.path = path

    @property
    def bytes(self) -> builtins.bytes:
        """The model itself; of one in a file, read anew at each use."""
        if self._bytes is not None:
            return self._bytes
        assert self.path is not None, "it is in one of the two"
        return self.path.read_bytes()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes it to a file, which is there whole or not at all; returns the file's path.

        Raises `OSError` if the file can not be written.
        """
        with PartFile(path) as part:
            part.write(self.bytes)
            return part.complete()

    def __repr__(self) -> str:
        where = f", path={str(self.path)!r}" if self.path else ""
        return (
            f"Model({self.size_bytes} bytes, {self.media_type!r}, key={self.key!r}, "
            f"outcome={self.outcome!r}, seconds={self.seconds:.3f}{where})"
        )
