"""A file that is there whole or not at all.

It is written beside its place under another name and moved there at the end; whatever happens
before, the place is as it was and nothing else stays behind.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import BinaryIO


def check_target(path: str | os.PathLike[str]) -> None:
    """Checks that a file can be put there, before a model is made that could not be kept.

    Raises `OSError` (`FileNotFoundError`, `IsADirectoryError`, `PermissionError`) or `ValueError`.
    """
    target = _resolved(path)
    if target.is_dir():
        raise IsADirectoryError(f"output is a directory, but must be a file: {target}")
    if target.exists() and not target.is_file():
        raise ValueError(f"output is {target}, which is no regular file that can be replaced")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"the directory of output is not there: {target.parent}")
    if not os.access(target.parent, os.W_OK):
        raise PermissionError(f"no file can be made in the directory of output: {target.parent}")


class PartFile:
    """The part of a file that has been written; a context manager that leaves a whole one or
    none."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        check_target(path)
        self._target = _resolved(path)
        # Hidden, and too short to make a name that the file system takes into one that it does not.
        self._part = self._target.parent / f".meshmemo-{secrets.token_hex(8)}.part"
        self._file: BinaryIO = open(self._part, "xb")  # noqa: SIM115 - closed by `__exit__`

    def write(self, piece: bytes) -> None:
        """Appends to it."""
        self._file.write(piece)

    def complete(self) -> Path:
        """Puts it in its place, with all that was written safe on disk; returns the place."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self._part, self._target)
        return self._target

    def __enter__(self) -> PartFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._file.close()
        finally:
            # Once it is complete, there is none under this name any more.
            self._part.unlink(missing_ok=True)


def _resolved(path: str | os.PathLike[str]) -> Path:
    """Follows links: what is replaced is the file that is meant, not the link to it."""
    return Path(os.path.realpath(path))
