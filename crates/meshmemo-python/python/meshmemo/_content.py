"""What stands for an argument in a generated key: itself if it has a hash, else its contents."""

# Arguments may be of any type, those of packages that are not installed included.
# pyright: basic

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import stat
from collections import OrderedDict, deque
from collections.abc import Hashable, Mapping, Set
from pathlib import PurePath
from typing import Any

_CHUNK_BYTES = 1 << 20
_DEPTH_MAX = 50


class _Kind:
    """Begins what stands for contents, so that it is never equal to an argument."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<{self.name}>"


_BYTES, _SEQUENCE, _DICT, _SET, _FIELDS = map(_Kind, ("bytes", "sequence", "dict", "set", "fields"))
_STREAM, _ARRAY, _TENSOR, _IMAGE = map(_Kind, ("stream", "array", "tensor", "image"))
_FILE = _Kind("file")


def content_key(argument: object) -> Hashable:
    """Return something hashable that is equal for equal contents.

    Buffers, arrays, tensors, images and files count by a digest of their bytes, with what else
    tells two of them apart (class, shape, type of the items, mode, EXIF); lists, tuples, sets,
    dictionaries, dataclasses and models of pydantic by what is in them. Everything else that has a
    hash stands for itself.

    Raises ``TypeError`` for an argument of which no key can be made.
    """
    return _content_key(argument, 0)


def _content_key(argument: Any, depth: int) -> Hashable:
    if depth > _DEPTH_MAX:
        raise TypeError(
            f"no key can be made of an argument nested more than {_DEPTH_MAX} deep: "
            "leave it out with ignore=, or give cache_key_fn="
        )
    if isinstance(argument, memoryview):
        return _of_view(argument, type(argument))
    if isinstance(argument, (bytes, bytearray)):
        return (_BYTES, type(argument), _digest(argument))
    if isinstance(argument, PurePath):
        return _of_path(argument)
    if isinstance(argument, io.IOBase):
        return _of_stream(argument)
    if isinstance(argument, (tuple, list, deque)):
        return _of_sequence(argument, depth)
    if isinstance(argument, frozenset):
        return frozenset(_content_key(item, depth + 1) for item in argument)
    if _is_of(argument, "torch") and hasattr(argument, "untyped_storage"):
        return _of_tensor(argument)
    try:
        hash(argument)
    except TypeError as error:
        return _of_unhashable(argument, depth, error)
    return argument  # type: ignore[no-any-return]


def _of_unhashable(argument: Any, depth: int, error: TypeError) -> Hashable:
    kind: Any = type(argument)
    if isinstance(argument, Mapping):
        pairs = [
            (_content_key(k, depth + 1), _content_key(v, depth + 1)) for k, v in argument.items()
        ]
        has_order = isinstance(argument, OrderedDict)
        return (_DICT, kind, tuple(pairs) if has_order else frozenset(pairs))
    if isinstance(argument, Set):
        return (_SET, kind, frozenset(_content_key(item, depth + 1) for item in argument))
    if dataclasses.is_dataclass(kind):
        names = [it.name for it in dataclasses.fields(kind)]
        values = (_content_key(getattr(argument, name), depth + 1) for name in names)
        return (_FIELDS, kind, *values)
    if callable(dump := getattr(kind, "model_dump", None)):
        return (_FIELDS, kind, _content_key(dump(argument), depth + 1))
    return _of_data(argument, error)


def _of_stream(stream: Any) -> Hashable:
    """A stream in memory counts by what is in it; what reads from elsewhere has no contents yet."""
    if isinstance(stream, (io.BytesIO, io.StringIO)):
        return (_STREAM, type(stream), stream.tell(), _digest_of_text(stream.getvalue()))
    raise TypeError(
        f"no key can be made of an open stream, {type(stream).__qualname__}: give its contents "
        "(`.read()`) or its Path, leave it out with ignore=, or give cache_key_fn="
    )


def _of_sequence(argument: Any, depth: int) -> Hashable:
    items = (_content_key(item, depth + 1) for item in argument)
    if type(argument) is tuple:
        return tuple(items)
    kind: Any = type(argument)
    return (_SEQUENCE, kind, *items)


def _of_path(path: PurePath) -> Hashable:
    """A file counts by what is in it now; where there is none, a path is only a name."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return path
        digest = hashlib.blake2b(digest_size=32)
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except (OSError, ValueError):
        return path
    return (_FILE, path.suffix, digest.digest())


def _of_tensor(tensor: Any) -> Hashable:
    """A tensor's own hash is its identity, which stays when its numbers change."""
    import torch  # type: ignore[import-not-found, unused-ignore]

    numbers = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
    return (_TENSOR, str(tensor.dtype), tuple(tensor.shape), _digest(memoryview(numbers)))


def _of_data(argument: Any, error: TypeError) -> Hashable:
    if _is_of(argument, "PIL"):
        if getattr(argument, "n_frames", 1) > 1:
            raise TypeError(
                "no key can be made of an image of several frames: give one of them (`.copy()`), "
                "leave it out with ignore=, or give cache_key_fn="
            )
        palette = argument.palette and (argument.palette.mode, bytes(argument.palette.palette))
        extras = (palette, repr(argument.info.get("transparency")))
        exif = _digest(argument.getexif().tobytes())
        return (_IMAGE, argument.mode, argument.size, _digest(argument.tobytes()), exif, *extras)
    if hasattr(argument, "dtype") and hasattr(argument, "tobytes"):
        return _of_array(argument)
    try:
        view = memoryview(argument)
    except TypeError:
        raise TypeError(
            f"no key can be made of an argument of the class {type(argument).__qualname__} "
            f"({error}): give it a __hash__, leave it out with ignore=, or give cache_key_fn="
        ) from None
    return _of_view(view, type(argument))


def _of_view(view: memoryview, kind: Any) -> Hashable:
    return (_BYTES, kind, view.format, view.shape, _digest(view))


def _of_array(array: Any) -> Hashable:
    if array.dtype.hasobject or hasattr(array, "mask"):
        raise TypeError(
            f"no key can be made of an array of objects or with a mask ({type(array).__qualname__} "
            f"of {array.dtype}): leave it out with ignore=, or give cache_key_fn="
        )
    shape = tuple(array.shape)
    return (_ARRAY, type(array), str(array.dtype), shape, _digest(array.tobytes()))


def _digest(data: bytes | bytearray | memoryview) -> bytes:
    if isinstance(data, memoryview) and not data.contiguous:
        data = data.tobytes()
    return hashlib.blake2b(data, digest_size=32).digest()


def _digest_of_text(data: str | bytes) -> bytes:
    return _digest(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data)


def _is_of(argument: object, package: str) -> bool:
    return type(argument).__module__.partition(".")[0] == package
