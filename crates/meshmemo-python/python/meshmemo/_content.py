"""What stands for an argument in a generated key: itself if it has a hash, else its contents."""

# Arguments may be of any type, those of packages that are not installed included.
# pyright: basic

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Hashable, Mapping, Set
from pathlib import PurePath
from typing import Any, cast

_CHUNK_BYTES = 1 << 20
_DEPTH_MAX = 50


class _Kind:
    """Begins what stands for contents, so that it is never equal to an argument."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<{self.name}>"


_BYTES, _LIST, _DICT, _SET, _TUPLE = map(_Kind, ("bytes", "list", "dict", "set", "tuple"))
_ARRAY, _TENSOR, _IMAGE, _FILE = map(_Kind, ("array", "tensor", "image", "file"))


def content_key(argument: object) -> Hashable:
    """Return something hashable that is equal for equal contents.

    Buffers, arrays, tensors, images and files count by a digest of their bytes, with what else
    tells two of them apart (shape, type of the items, mode); lists, tuples, sets and dictionaries
    by their items. Everything else that has a hash stands for itself.

    Raises ``TypeError`` for an argument of which neither is possible.
    """
    return _content_key(argument, 0)


def _content_key(argument: Any, depth: int) -> Hashable:
    if depth > _DEPTH_MAX:
        raise TypeError(
            f"no key can be made of an argument nested more than {_DEPTH_MAX} deep: "
            "leave it out with ignore=, or give cache_key_fn="
        )
    if isinstance(argument, (bytes, bytearray, memoryview)):
        return (_BYTES, _digest(argument))
    if isinstance(argument, PurePath):
        return _of_path(argument)
    if isinstance(argument, (tuple, list)):
        return _of_sequence(argument, depth)
    if isinstance(argument, Mapping):
        pairs = argument.items()
        return (
            _DICT,
            frozenset((_content_key(k, depth + 1), _content_key(v, depth + 1)) for k, v in pairs),
        )
    if isinstance(argument, Set) and type(argument).__hash__ is None:
        return (_SET, frozenset(_content_key(item, depth + 1) for item in argument))
    if _is_of(argument, "torch") and hasattr(argument, "untyped_storage"):
        return _of_tensor(argument)
    try:
        hash(argument)
    except TypeError as error:
        return _of_data(argument, error)
    return argument  # type: ignore[no-any-return]


def _of_sequence(argument: Any, depth: int) -> Hashable:
    items = (_content_key(item, depth + 1) for item in argument)
    if type(argument) is tuple:
        return tuple(items)
    kind = cast("Hashable", type(argument))
    return (_LIST if isinstance(argument, list) else _TUPLE, kind, *items)


def _of_path(path: PurePath) -> Hashable:
    """A file counts by what is in it now; where there is none, a path is only a name."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return path
        digest = hashlib.blake2b(digest_size=32)
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError:
        return path
    return (_FILE, path.suffix, digest.digest())


def _of_tensor(tensor: Any) -> Hashable:
    """A tensor's own hash is its identity, which stays when its numbers change."""
    import torch  # type: ignore[import-not-found, unused-ignore]

    numbers = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
    return (_TENSOR, str(tensor.dtype), tuple(tensor.shape), _digest(memoryview(numbers)))


def _of_data(argument: Any, error: TypeError) -> Hashable:
    if _is_of(argument, "PIL"):
        extras = (repr(argument.getpalette()), repr(argument.info.get("transparency")))
        return (_IMAGE, argument.mode, argument.size, _digest(argument.tobytes()), *extras)
    if hasattr(argument, "dtype") and hasattr(argument, "tobytes") and not argument.dtype.hasobject:
        return (_ARRAY, str(argument.dtype), tuple(argument.shape), _digest(argument.tobytes()))
    try:
        view = memoryview(argument)
    except TypeError:
        raise TypeError(
            f"no key can be made of an argument of the class {type(argument).__qualname__} "
            f"({error}): give it a __hash__, leave it out with ignore=, or give cache_key_fn="
        ) from None
    return (_BYTES, type(argument), view.format, view.shape, _digest(view))


def _digest(data: bytes | bytearray | memoryview) -> bytes:
    if isinstance(data, memoryview) and not data.contiguous:
        data = data.tobytes()
    return hashlib.blake2b(data, digest_size=32).digest()


def _is_of(argument: object, package: str) -> bool:
    return type(argument).__module__.partition(".")[0] == package
