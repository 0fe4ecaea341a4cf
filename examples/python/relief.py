"""A small generator of one's own: a photo becomes a relief in STL. Put your pipeline here."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

WIDTH_MM, DEPTH_MM, BASE_MM = 100.0, 20.0, 2.0


def relief(photo: bytes, quality: int) -> bytes:
    """Return a surface as binary STL, in mm, `quality` times 16 cells wide: bright is high.

    Raises `ValueError` if the photo can not be read.
    """
    try:
        with Image.open(io.BytesIO(photo)) as image:
            grey = image.convert("L")
    except (OSError, Image.DecompressionBombError) as error:
        raise ValueError(f"the image can not be read: {error}") from error
    columns = 16 * quality
    rows = max(2, round(columns * grey.height / grey.width))
    heights = np.asarray(grey.resize((columns, rows)), dtype=np.float32) / 255
    step = WIDTH_MM / (columns - 1)
    y, x = np.mgrid[rows - 1 : -1 : -1, 0:columns].astype(np.float32) * step
    return stl(np.stack([x, y, BASE_MM + heights * DEPTH_MM], axis=-1))


def stl(surface: np.ndarray) -> bytes:
    """Return the triangles of a surface, rows by columns by xyz, as binary STL."""
    a, b = surface[:-1, :-1], surface[:-1, 1:]
    c, d = surface[1:, :-1], surface[1:, 1:]
    corners = np.concatenate([np.stack([a, c, b], axis=2), np.stack([b, c, d], axis=2)])
    triangles = corners.reshape(-1, 3, 3)
    facet = [("normal", "<f4", 3), ("xyz", "<f4", (3, 3)), ("attributes", "<u2")]
    records = np.zeros(len(triangles), dtype=facet)
    edges = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    normals = np.cross(*edges)
    records["normal"] = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    records["xyz"] = triangles
    return bytes(80) + len(records).to_bytes(4, "little") + records.tobytes()
