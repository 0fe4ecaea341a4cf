"""Pictures in memory as PNG: losslessly, and with their orientation as it is."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy
    import PIL.Image

    Array: TypeAlias = numpy.ndarray[Any, Any]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}
"""The colour type of so many channels: grey, RGB, RGBA."""
_FILTER_UP = 2
_ORIENTATION_TAG = 0x0112
_UPRIGHT = 1
_LOSSLESS_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
"""The modes of PIL that PNG has as they are."""


def pil_image_of(image: object) -> PIL.Image.Image | None:
    """Returns the object if it is an image of PIL, without importing PIL."""
    module: Any = sys.modules.get("PIL.Image")
    found: Any = image
    return found if module is not None and isinstance(found, module.Image) else None


def array_of(image: object) -> Array | None:
    """Returns the object if it is an array of numpy, without importing numpy."""
    module: Any = sys.modules.get("numpy")
    found: Any = image
    return found if module is not None and isinstance(found, module.ndarray) else None


def encode_pil(image: PIL.Image.Image) -> bytes:
    """Returns the PNG of an image of PIL.

    Its pixels stay as they are stored, and an orientation that its EXIF names is named in the PNG
    too, so that the server takes it as it would take the file that the image came from. Nothing
    else of the EXIF (places, cameras) is sent. Of several frames, it is the present one.

    Raises `ValueError` for a mode that PNG does not have.
    """
    if image.mode not in _LOSSLESS_MODES:
        raise ValueError(
            f"image has the mode {image.mode!r} of PIL, but must have one that PNG keeps as it is: "
            f"{', '.join(_LOSSLESS_MODES)}; see its `convert`"
        )
    options: dict[str, Any] = {}
    exif = image.getexif()
    orientation = exif.get(_ORIENTATION_TAG, _UPRIGHT)
    if orientation != _UPRIGHT:
        only_orientation = type(exif)()
        only_orientation[_ORIENTATION_TAG] = orientation
        options["exif"] = only_orientation
    target = io.BytesIO()
    image.save(target, format="PNG", **options)
    return target.getvalue()


def encode_array(array: Array) -> bytes:
    """Returns the PNG of an array of `uint8` with the shape H x W, H x W x 3 or H x W x 4.

    Raises `ValueError` for another type or shape.
    """
    is_grey = array.ndim == 2
    is_coloured = array.ndim == 3 and array.shape[2] in (3, 4)
    if str(array.dtype) != "uint8" or not (is_grey or is_coloured) or 0 in array.shape:
        raise ValueError(
            f"image is an array of {array.dtype} with the shape {array.shape}, but must "
            "be one of uint8 with the shape (height, width), (height, width, 3) or "
            "(height, width, 4), without zeros"
        )
    height, width = int(array.shape[0]), int(array.shape[1])
    channels = 1 if is_grey else int(array.shape[2])
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    rows = zlib.compress(_filtered(array, height, width * channels))
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def _filtered(array: Array, height: int, row_bytes: int) -> bytes:
    """Returns the rows, each as its difference to the one above: photos become smaller by it."""
    import numpy

    rows: Array = numpy.reshape(array, (height, row_bytes))
    filtered = numpy.full((height, row_bytes + 1), _FILTER_UP, dtype=numpy.uint8)
    filtered[0, 1:] = rows[0]
    numpy.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    return filtered.tobytes()


def _chunk(name: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(data, zlib.crc32(name))
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)
