"""Pictures of PIL and numpy: the same pixels arrive, and what PNG does not have is refused."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest
from house import PHOTO

import meshmemo
from meshmemo._client.image_source import open_image
from meshmemo._client.png import encode_array, encode_pil

numpy = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")

ORIENTATION = 0x0112
FAST = {"quality": 1}


def picture(mode: str) -> Any:
    """Returns a picture of odd size in which no two rows are the same."""
    rows = numpy.random.default_rng(7).integers(0, 256, (5, 7, 4), dtype=numpy.uint8)
    if mode == "I;16":
        return Image.fromarray(rows[..., 0].astype(numpy.uint16) * 257)
    return Image.fromarray(rows, "RGBA").convert(mode)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_images_of_pil_keep_their_pixels(mode: str) -> None:
    given = picture(mode)
    sent = Image.open(io.BytesIO(encode_pil(given)))
    assert sent.mode == mode
    assert sent.size == given.size
    assert sent.tobytes() == given.tobytes()
    assert sent.getpalette() == given.getpalette()


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "HSV", "LAB", "F", "I"])
def test_modes_that_png_has_not_are_refused(mode: str) -> None:
    image = Image.new(mode, (2, 2))
    with pytest.raises(ValueError, match=f"mode '{mode}'.*RGBA"):
        encode_pil(image)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (5, 7, 4), (1, 1), (1, 300, 3)])
def test_arrays_keep_their_pixels(shape: tuple[int, ...]) -> None:
    array = numpy.random.default_rng(7).integers(0, 256, shape, dtype=numpy.uint8)
    for given in [array, array[::-1], numpy.asfortranarray(array), array[:, ::-1]]:
        sent = numpy.asarray(Image.open(io.BytesIO(encode_array(given))))
        assert (sent == given).all()
        assert sent.shape == shape


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((4, 4), "float32"),
        ((4, 4, 3), "uint16"),
        ((4, 4), "bool"),
        ((4, 4, 1), "uint8"),
        ((4, 4, 2), "uint8"),
        ((4,), "uint8"),
        ((), "uint8"),
        ((1, 4, 4, 3), "uint8"),
        ((0, 4), "uint8"),
    ],
)
def test_arrays_that_are_no_picture_are_refused(
    client: Any, shape: tuple[int, ...], dtype: str
) -> None:
    with pytest.raises(ValueError, match="uint8 with the shape") as refused:
        client.generate(numpy.zeros(shape, dtype))
    assert f"{dtype} with the shape {shape}" in str(refused.value)
    assert client.stats()["stats"]["misses"] == 0


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_the_server_makes_the_same_of_the_same_pixels(
    client: Any, tmp_path: Path, mode: str
) -> None:
    image = Image.open(PHOTO).convert(mode)
    file = tmp_path / "cup.png"
    image.save(file)
    given = [file, image, numpy.asarray(image)]
    models = [client.generate(image, **FAST) for image in given]
    assert len({model.digest for model in models}) == 1
    assert client.generate(image, **FAST).outcome == "hit"
    assert client.generate(numpy.asarray(image), **FAST).outcome == "hit"


def test_the_orientation_is_that_of_the_file(client: Any, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif[0x010F] = "the maker of the camera"
    file = tmp_path / "turned.png"
    Image.open(PHOTO).save(file, exif=exif)
    image = Image.open(file)
    sent = Image.open(io.BytesIO(encode_pil(image)))
    assert dict(sent.getexif()) == {ORIENTATION: 6}
    assert sent.tobytes() == image.tobytes()
    turned, upright = client.generate(image, **FAST), client.generate(PHOTO, **FAST)
    assert turned.digest == client.generate(file, **FAST).digest
    assert turned.digest != upright.digest


def test_an_image_of_pil_is_called_as_its_file(client: Any) -> None:
    client.generate(Image.open(PHOTO), **FAST)
    assert client.entries()["entries"][0]["label"] == PHOTO.name


def test_what_is_no_image_is_named(client: Any) -> None:
    class Asynchronous:
        async def read(self, size: int) -> bytes:
            return b""

    for wrong in [None, 7, [1, 2], io.StringIO("text"), Asynchronous(), object()]:
        with pytest.raises(TypeError, match=f"image is a .*{type(wrong).__name__}"):
            client.generate(wrong)
    with PHOTO.open("r", encoding="latin-1") as text, pytest.raises(TypeError):
        client.generate(text)
    with pytest.raises(FileNotFoundError):
        client.generate("there-is-none.png")


def test_an_image_that_becomes_shorter_is_not_sent_as_if_whole(tmp_path: Path) -> None:
    file = tmp_path / "cup.png"
    file.write_bytes(bytes(1 << 20))
    source = open_image(file)
    pieces = source.pieces()
    next(pieces)
    os.truncate(file, 300 << 10)
    with pytest.raises(OSError, match="changed while it was sent"):
        list(pieces)
    source.close()


def test_a_model_is_somewhere() -> None:
    with pytest.raises(ValueError, match="in memory"):
        meshmemo.Model(None, "model/stl", "a" * 64, "hit", 0.0)
    assert meshmemo.Model(b"abc", "model/stl", "a" * 64, "hit", 0.5).size_bytes == 3
