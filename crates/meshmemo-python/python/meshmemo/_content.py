"""What stands for an argument in a generated key: itself if it has a hash, else its contents."""

# Arguments may be of any type, those of packages that are not installed included.
# pyright: basic

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import stat
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Hashable, Mapping, Set
from mmap import mmap
from pathlib import PurePath
from typing import Any

from meshmemo._core import Marker

_CHUNK_BYTES = 1 << 20
_DEPTH_MAX = 50


_BYTES, _SEQUENCE, _DICT, _SET, _FIELDS = map(
    Marker, ("bytes", "sequence", "dict", "set", "fields")
)
_STREAM, _ARRAY, _TENSOR, _IMAGE = map(Marker, ("stream", "array", "tensor", "image"))
_FILE = Marker("file")

#: Where a model of pydantic has what it is made of.
_OF_MODELS = ("dict", "pydantic_extra", "pydantic_private")


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
    if isinstance(argument, Marker):
        return (_FIELDS, argument)
    if isinstance(argument, memoryview):
        return _of_view(argument, type(argument))
    if isinstance(argument, (bytes, bytearray)):
        return (_BYTES, *_kind_of(argument, depth), _digest(argument))
    if isinstance(argument, PurePath):
        return _of_path(argument)
    if isinstance(argument, io.IOBase):
        return _of_stream(argument)
    if isinstance(argument, (tuple, list, deque)) and not _compares_itself(argument):
        return _of_sequence(argument, depth)
    if isinstance(argument, frozenset):
        return _of_set(argument, depth)
    if _is_of(argument, "torch") and hasattr(argument, "untyped_storage"):
        return _of_tensor(argument)
    if _is_frozen_dataclass(argument):
        return _of_fields(argument, depth)
    kind: Any = type(argument)
    if isinstance(argument, mmap):
        return _of_view(memoryview(argument), kind)
    if kind.__hash__ is object.__hash__ and callable(getattr(argument, "read", None)):
        raise _no_key_of_a_stream(argument)
    try:
        hash(argument)
    except TypeError as error:
        return _of_unhashable(argument, depth, error)
    return argument  # type: ignore[no-any-return]


def _kind_of(argument: Any, depth: int) -> tuple[Hashable, ...]:
    """Return the class of an argument, with what an object of a subclass has besides."""
    more = getattr(argument, "__dict__", None)
    kind: Any = type(argument)
    return (kind, _content_key(more, depth + 1)) if more else (kind,)


def _compares_itself(argument: Any) -> bool:
    """Return whether a sequence of a subclass says itself what it is equal to, and has a hash."""
    kind: Any = type(argument)
    base: Any = next(it for it in (tuple, list, deque) if issubclass(kind, it))
    return kind.__eq__ is not base.__eq__ and kind.__hash__ not in (None, base.__hash__)


def _is_frozen_dataclass(argument: Any) -> bool:
    """Return whether the hash of an argument is made of its fields: they may be files."""
    made = getattr(type(argument), "__dataclass_params__", None)
    return made is not None and made.eq and made.frozen


def _of_fields(argument: Any, depth: int) -> Hashable:
    kind: Any = type(argument)
    names = (it.name for it in dataclasses.fields(kind))
    values = (getattr(argument, name, _FIELDS) for name in names)
    return (_FIELDS, kind, *(_content_key(value, depth + 1) for value in values))


def _of_unhashable(argument: Any, depth: int, error: TypeError) -> Hashable:
    kind: Any = type(argument)
    if isinstance(argument, Mapping):
        pairs: list[Any] = [
            (k, _content_key(k, depth + 1), _content_key(v, depth + 1)) for k, v in argument.items()
        ]
        if isinstance(argument, defaultdict):
            pairs.append((_DICT, _content_key(argument.default_factory, depth + 1)))
        has_order = isinstance(argument, OrderedDict)
        return (_DICT, kind, tuple(pairs) if has_order else frozenset(pairs))
    if isinstance(argument, Set):
        return _of_set(argument, depth)
    if dataclasses.is_dataclass(kind):
        return _of_fields(argument, depth)
    if hasattr(kind, "__pydantic_fields__"):
        parts = (getattr(argument, f"__{it}__", None) for it in _OF_MODELS)
        return (_FIELDS, kind, *(_content_key(it, depth + 1) for it in parts))
    return _of_data(argument, depth, error)


def _of_set(argument: Any, depth: int) -> Hashable:
    """Several members may have equal contents, as files of several names."""
    kind: Any = type(argument)
    members = Counter(_content_key(item, depth + 1) for item in argument)
    return (_SET, kind, frozenset(members.items()))


def _of_stream(stream: Any) -> Hashable:
    """A stream in memory counts by what is in it; what reads from elsewhere has no contents yet."""
    if isinstance(stream, (io.BytesIO, io.StringIO)):
        return (_STREAM, type(stream), stream.tell(), _digest_of_text(stream.getvalue()))
    raise _no_key_of_a_stream(stream)


def _no_key_of_a_stream(stream: object) -> TypeError:
    return TypeError(
        f"no key can be made of an open stream, {type(stream).__qualname__}: give its contents "
        "(`.read()`) or its Path, leave it out with ignore=, or give cache_key_fn="
    )


def _of_sequence(argument: Any, depth: int) -> Hashable:
    items = (_content_key(item, depth + 1) for item in argument)
    if type(argument) is tuple:
        return tuple(items)
    return (_SEQUENCE, *_kind_of(argument, depth), *items)


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
    return (_FILE, path.suffix, digest.hexdigest())


def _of_tensor(tensor: Any) -> Hashable:
    """A tensor's own hash is its identity, which stays when its numbers change."""
    import torch  # type: ignore[import-not-found, unused-ignore]

    numbers = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
    told = (str(tensor.dtype), tuple(tensor.shape), str(tensor.device), tensor.requires_grad)
    return (_TENSOR, type(tensor), *told, _digest(memoryview(numbers)))


def _of_data(argument: Any, depth: int, error: TypeError) -> Hashable:
    if _is_of(argument, "PIL"):
        argument.load()
        if getattr(argument, "n_frames", 1) > 1:
            raise TypeError(
                "no key can be made of an image of several frames: give one of them (`.copy()`), "
                "leave it out with ignore=, or give cache_key_fn="
            )
        palette = argument.palette and (argument.palette.mode, bytes(argument.palette.palette))
        extras = (palette, repr(argument.info.get("transparency")))
        told = (argument.getexif().tobytes(), argument.info.get("icc_profile") or b"")
        pixels = _digest(argument.tobytes())
        kind: Any = type(argument)
        return (_IMAGE, kind, argument.mode, argument.size, pixels, *map(_digest, told), *extras)
    if hasattr(argument, "dtype") and hasattr(argument, "tobytes"):
        return _of_array(argument, depth)
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


def _of_array(array: Any, depth: int) -> Hashable:
    if array.dtype.hasobject or hasattr(array, "mask"):
        raise TypeError(
            f"no key can be made of an array of objects or with a mask ({type(array).__qualname__} "
            f"of {array.dtype}): leave it out with ignore=, or give cache_key_fn="
        )
    told = (str(array.dtype), tuple(array.shape), _digest(array.tobytes()))
    return (_ARRAY, *_kind_of(array, depth), *told)


def _digest(data: bytes | bytearray | memoryview) -> str:
    if isinstance(data, memoryview) and not data.c_contiguous:
        data = data.tobytes()
    return hashlib.blake2b(data, digest_size=32).hexdigest()


def _digest_of_text(data: str | bytes) -> str:
    return _digest(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data)


def _is_of(argument: object, package: str) -> bool:
    return any(it.__module__.partition(".")[0] == package for it in type(argument).__mro__)
