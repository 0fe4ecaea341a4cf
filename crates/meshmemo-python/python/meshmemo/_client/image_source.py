"""The image of a request: from whatever it is given as, read in pieces, as often as it must be
sent."""

from __future__ import annotations

import inspect
import io
import os
import tempfile
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeAlias, cast

from .png import array_of, encode_array, encode_pil, pil_image_of

if TYPE_CHECKING:
    import PIL.Image

    from .png import Array

PIECE_BYTES = 256 << 10
"""How much of an image is in memory at a time, if it comes from a file."""
SPOOL_MAX_BYTES = 8 << 20
"""How much of a stream that can not be rewound is kept in memory; what is longer goes to a
temporary file."""


class Readable(Protocol):
    """A binary file, or what reads like one."""

    def read(self, size: int, /) -> bytes:
        """Returns at most so many bytes; none at the end."""
        ...


ImageInput: TypeAlias = (
    "str | os.PathLike[str] | bytes | bytearray | memoryview | Readable | PIL.Image.Image | Array"
)
"""What an image may be given as: the path of a file, its bytes, a binary file object, an image of
PIL or an array of numpy."""


class ImageSource:
    """An image that can be read from its beginning any number of times."""

    length: int
    """Its size in bytes."""
    label: str | None
    """The name of its file, if it has one."""
    is_in_memory: bool
    """Whether to read it never waits for a disk."""

    def __init__(self, file: IO[bytes], label: str | None, *, is_ours: bool) -> None:
        self._file = file
        self._is_ours = is_ours
        self._start = file.tell()
        self.length = file.seek(0, os.SEEK_END) - self._start
        file.seek(self._start)
        self.label = label
        self.is_in_memory = isinstance(file, io.BytesIO)

    def pieces(self) -> Iterator[bytes]:
        """Reads it from its beginning.

        Raises `OSError` if it can not be read, or is shorter than it was.
        """
        self._file.seek(self._start)
        left = self.length
        while left > 0:
            piece = self._file.read(min(PIECE_BYTES, left))
            if not piece:
                raise OSError(f"image ended {left} bytes early: it was changed while it was sent")
            left -= len(piece)
            yield piece

    def close(self) -> None:
        """Closes what was opened for it; a file object of the caller's stays open."""
        if self._is_ours:
            self._file.close()


def open_image(image: ImageInput) -> ImageSource:
    """Opens an image; encodes it, if it is one of PIL or numpy.

    Raises `OSError` if its file can not be read, `TypeError` for what is no image, and `ValueError`
    for an image or an array that PNG does not have.
    """
    if isinstance(image, (str, os.PathLike)):
        name = os.path.basename(os.fsdecode(image))
        return ImageSource(open(image, "rb"), name, is_ours=True)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return ImageSource(io.BytesIO(image), None, is_ours=True)
    if (picture := pil_image_of(image)) is not None:
        return ImageSource(io.BytesIO(encode_pil(picture)), _name_of(picture), is_ours=True)
    if (array := array_of(image)) is not None:
        return ImageSource(io.BytesIO(encode_array(array)), None, is_ours=True)
    return _open_file_object(image)


def _open_file_object(image: object) -> ImageSource:
    file: Any = image
    read: Any = getattr(file, "read", None)
    if not callable(read) or inspect.iscoroutinefunction(read) or isinstance(file, io.TextIOBase):
        kind = f"{type(image).__module__}.{type(image).__qualname__}"
        raise TypeError(
            f"image is a {kind}, but must be the path of a file, bytes, a binary file object whose "
            "`read` is no coroutine, an image of PIL or an array of numpy"
        )
    if _can_be_rewound(file):
        return ImageSource(file, _name_of(file), is_ours=False)
    return ImageSource(_spooled(file), _name_of(file), is_ours=True)


def _can_be_rewound(file: Any) -> bool:
    try:
        file.seek(file.tell())
    except (AttributeError, OSError, ValueError):
        return False
    return True


def _spooled(file: Readable) -> IO[bytes]:
    """Reads a stream to its end, as it must perhaps be sent again."""
    spool: IO[bytes] = tempfile.SpooledTemporaryFile(SPOOL_MAX_BYTES)  # noqa: SIM115 - see `close`
    try:
        while piece := file.read(PIECE_BYTES):
            spool.write(piece)
    except BaseException:
        spool.close()
        raise
    spool.seek(0)
    return spool


def _name_of(file: Any) -> str | None:
    """Returns the name of the file behind an object; those of descriptors and `<stdin>` say
    nothing."""
    name: Any = getattr(file, "name", None) or getattr(file, "filename", None)
    if isinstance(name, os.PathLike):
        name = os.fspath(cast("os.PathLike[str]", name))
    if not isinstance(name, str):
        return None
    base = os.path.basename(name)
    return base if base and not base.startswith("<") else None
