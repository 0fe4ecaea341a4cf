"""Models from a real server: what is asked for, what comes, and where it goes."""

from __future__ import annotations

import io
import os
import pathlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import Connect
from house import IMAGES, PHOTO, House

import meshmemo

FAST = {"quality": 1}
BYTES = PHOTO.read_bytes()


class Stream:
    """What can be read once, and not rewound."""

    def __init__(self) -> None:
        self._file = io.BytesIO(BYTES)

    def read(self, size: int) -> bytes:
        return self._file.read(min(size, 1000))


INPUTS: dict[str, Callable[[], Any]] = {
    "str": lambda: str(PHOTO),
    "path": lambda: pathlib.PurePath(PHOTO),
    "bytes": lambda: BYTES,
    "bytearray": lambda: bytearray(BYTES),
    "memoryview": lambda: memoryview(BYTES),
    "file": lambda: PHOTO.open("rb"),
    "unbuffered file": lambda: PHOTO.open("rb", buffering=0),
    "file in memory": lambda: io.BytesIO(BYTES),
    "stream": Stream,
}


@pytest.mark.parametrize("kind", INPUTS)
def test_every_kind_of_input_has_the_key_of_its_bytes(client: Any, kind: str) -> None:
    key = client.generate(BYTES, **FAST).key
    image = INPUTS[kind]()
    again = client.generate(image, **FAST)
    assert (again.key, again.outcome) == (key, "hit")
    if isinstance(image, io.IOBase):
        image.close()


def test_a_file_object_is_read_from_where_it_stands_and_stays_open(client: Any) -> None:
    key = client.generate(BYTES, **FAST).key
    file = io.BytesIO(b"before" + BYTES)
    file.seek(len(b"before"))
    assert client.generate(file, **FAST).key == key
    assert not file.closed


def test_the_second_time_it_is_a_hit(client: Any) -> None:
    made, kept = client.generate(PHOTO, **FAST), client.generate(PHOTO, **FAST)
    assert [made.outcome, kept.outcome] == ["miss", "hit"]
    assert "detail=memory" in kept.cache_status
    assert made.bytes == kept.bytes
    assert made.bytes[:4] == b"glTF"
    assert made.size_bytes == len(made.bytes)
    assert made.media_type == "model/gltf-binary"
    assert len(made.key) == len(made.digest) == 64
    assert 0 < kept.seconds < 60


def test_parameters_reach_the_server(client: Any) -> None:
    glb = client.generate(PHOTO, quality=1)
    stl = client.generate(PHOTO, quality=1, format="stl")
    assert stl.media_type == "model/stl"
    different = [
        {"quality": 2},
        {"quality": 1, "width_mm": 50},
        {"quality": 1, "height_mm": 50.5},
        {"quality": 1, "depth_mm": 5},
        {"quality": 1, "seed": 2**64 - 1},
    ]
    keys = {client.generate(PHOTO, **parameters).key for parameters in different}
    assert len(keys | {glb.key, stl.key}) == len(different) + 2


@pytest.mark.parametrize("name", ['a "cup".png', "Krüge; и чаша.png", "two\\lines%0D.png"])
def test_the_name_of_the_file_is_the_label(client: Any, tmp_path: Path, name: str) -> None:
    photo = tmp_path / name
    photo.write_bytes(BYTES)
    key = client.generate(photo, **FAST).key
    assert [it["label"] for it in client.entries()["entries"]] == [name]
    assert client.generate(photo, label="another", **FAST).key == key


def test_many_at_once_cost_one_generation(client: Any) -> None:
    with ThreadPoolExecutor(8) as pool:
        models = list(pool.map(lambda _: client.generate(PHOTO, quality=5), range(8)))
    outcomes = [model.outcome for model in models]
    assert outcomes.count("miss") == 1
    assert set(outcomes) <= {"miss", "coalesced", "hit"}
    assert len({model.bytes for model in models}) == 1
    assert client.stats()["stats"]["generations"] == 1


def test_what_a_request_may_use_of_the_cache(client: Any) -> None:
    with pytest.raises(meshmemo.NotCached) as missing:
        client.generate(PHOTO, only_if_cached=True, **FAST)
    assert missing.value.status == 504
    bypassed = client.generate(PHOTO, bypass=True, **FAST)
    assert bypassed.outcome == "bypass"
    assert client.entries()["total"] == 0
    assert client.generate(PHOTO, refresh=True, **FAST).outcome == "bypass"
    assert client.entries()["total"] == 1
    assert client.generate(PHOTO, only_if_cached=True, **FAST).outcome == "hit"
    with pytest.raises(ValueError, match="at most one of refresh"):
        client.generate(PHOTO, refresh=True, bypass=True)


def test_output_is_a_whole_file_of_the_format_of_its_name(client: Any, tmp_path: Path) -> None:
    target = tmp_path / "models" / "cup.stl"
    target.parent.mkdir()
    target.write_bytes(b"old")
    model = client.generate(PHOTO, output=target, **FAST)
    assert model.path == target
    assert model.media_type == "model/stl"
    assert model.bytes == target.read_bytes() == client.generate(PHOTO, format="stl", **FAST).bytes
    assert model.size_bytes == target.stat().st_size
    assert os.listdir(target.parent) == ["cup.stl"]
    if os.name == "posix":
        umask = os.umask(0)
        os.umask(umask)
        assert target.stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_link_stays_a_link(client: Any, tmp_path: Path) -> None:
    link, target = tmp_path / "link.glb", tmp_path / "target.glb"
    link.symlink_to(target)
    model = client.generate(PHOTO, output=link, **FAST)
    assert link.is_symlink()
    assert target.read_bytes() == model.bytes


def test_nothing_is_made_for_a_file_that_can_not_be(client: Any, tmp_path: Path) -> None:
    for output, error in [
        (tmp_path / "missing" / "cup.glb", FileNotFoundError),
        (tmp_path, IsADirectoryError),
        ("/dev/null", ValueError),
        (tmp_path / "cup.fbx", ValueError),
    ]:
        with pytest.raises(error):
            client.generate(PHOTO, output=output, **FAST)
    assert client.stats()["stats"]["misses"] == 0
    assert not Path("/dev/null").is_file()


def test_save_writes_the_model(client: Any, tmp_path: Path) -> None:
    model = client.generate(PHOTO, **FAST)
    path = model.save(tmp_path / "saved.glb")
    assert path.read_bytes() == model.bytes


def test_large_images_are_read_in_pieces(client: Any) -> None:
    class Watched(io.BytesIO):
        largest = 0

        def read(self, size: int | None = -1, /) -> bytes:
            piece = super().read(size)
            self.largest = max(self.largest, len(piece))
            return piece

    # What follows the end of a PNG is no part of the picture.
    file = Watched(BYTES + bytes(5 << 20))
    client.generate(file, **FAST)
    assert 0 < file.largest <= 256 << 10


def test_a_jpeg_is_taken_as_it_is(client: Any) -> None:
    assert client.generate(IMAGES / "rocket.jpg", **FAST).outcome == "miss"


def test_own_paths_are_found_before_another_server(connect: Connect, tmp_path: Path) -> None:
    flags = ["--backend", "http://127.0.0.1:9", "--adapter", "hunyuan3d-2", "--model-id", "m"]
    with House(tmp_path, *flags) as house:
        client = connect(house.url + "/")
        assert client.health()["backend"]["name"] == "hunyuan3d-2"
        assert client.stats()["cache_enabled"]
        with pytest.raises(meshmemo.BackendFailed) as failed:
            client.generate(PHOTO)
        assert failed.value.status == 502
        with pytest.raises(meshmemo.Unprocessable, match="quality"):
            client.generate(PHOTO, quality=3)
