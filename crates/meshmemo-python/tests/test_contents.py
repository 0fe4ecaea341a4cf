"""Arguments that count by what is in them."""

import dataclasses
import io
import mmap
import os
import tempfile
from collections import Counter, OrderedDict, defaultdict, deque
from pathlib import Path

import numpy
import pydantic
import pytest
from PIL import Image

from meshmemo import cached_result


def identity(x):
    return x


@dataclasses.dataclass
class Plain:
    size: int
    names: list


class Model(pydantic.BaseModel):
    size: int
    names: list


class Circle(pydantic.BaseModel):
    radius: int = pydantic.Field(exclude=True)


class Ball(Circle):
    pass


@dataclasses.dataclass(frozen=True)
class Frozen:
    names: list


class Meters(tuple):
    def __new__(cls, numbers, unit):
        made = super().__new__(cls, numbers)
        made.unit = unit
        return made


class Pixels(numpy.ndarray):
    pass


def in_units(unit):
    array = numpy.arange(2).view(Pixels)
    array.unit = unit
    return array


def turned(orientation):
    image = Image.new("RGB", (2, 4))
    image.getexif()[0x0112] = orientation
    return image


def with_palette(alpha):
    image = Image.new("P", (2, 2))
    image.putpalette([0, 0, 0, alpha], "RGBA")
    return image


def test_arguments_without_a_hash_are_keyed_by_their_contents():
    cached = cached_result(identity)
    groups = [
        [[1, 2], [1, 2]],
        [[2, 1]],
        [(1, 2)],
        [{"a": [1], "b": 2}, {"b": 2, "a": [1]}],
        [{"a": [1], "b": 3}],
        [{1, 2}, {2, 1}],
        [frozenset({1, 2}), frozenset({2, 1})],
        [bytearray(b"x"), bytearray(b"x")],
        [memoryview(b"x"), memoryview(b"x")],
        [memoryview(b"xxxx"), memoryview(b"xxxx")],
        [memoryview(b"xxxx").cast("f")],
        [b"x", b"x"],
        [bytes(1000), bytes(1000)],
        [bytearray(1000), bytearray(1000)],
        [bytes(1001)],
        [OrderedDict(a=1, b=2), OrderedDict(a=1, b=2)],
        [OrderedDict(b=2, a=1)],
        [{"a": 1, "b": 2}, {"b": 2, "a": 1}],
        [Counter(a=1, b=2)],
        [deque([1, 2]), deque([1, 2])],
        [Plain(1, [2]), Plain(1, [2])],
        [Plain(1, [3])],
        [Model(size=1, names=["a"]), Model(size=1, names=["a"])],
        [Model(size=1, names=["b"])],
        [Model(size=1, names=[Circle(radius=1)])],
        [Model(size=1, names=[Circle(radius=2)])],
        [Model(size=1, names=[Ball(radius=1)])],
        [Frozen([1]), Frozen([1])],
        [Frozen([2])],
        [Meters((1, 2), "m"), Meters((1, 2), "m")],
        [Meters((1, 2), "km")],
        [in_units("m"), in_units("m")],
        [in_units("km")],
        [defaultdict(int, a=1), defaultdict(int, a=1)],
        [defaultdict(list, a=1)],
        [numpy.asfortranarray([[1, 2], [3, 4]]).data, numpy.array([[1, 2], [3, 4]]).data],
        [io.BytesIO(b"photo"), io.BytesIO(b"photo")],
        [io.BytesIO(b"other")],
        [io.StringIO("photo")],
        [numpy.arange(4).view(Pixels)],
        [turned(1), turned(1)],
        [turned(6)],
        [with_palette(0), with_palette(0)],
        [with_palette(255)],
        [numpy.arange(4), numpy.arange(4), numpy.arange(8)[::2] // 2],
        [numpy.arange(4).reshape(2, 2)],
        [numpy.arange(4, dtype=numpy.int32)],
        [Image.new("RGB", (2, 2)), Image.new("RGB", (2, 2))],
        [Image.new("RGB", (2, 2), "red")],
        [Image.new("RGB", (4, 1))],
        [Image.new("L", (2, 6))],
        [(1, [2]), (1, [2])],
        [(1, (2,))],
    ]
    keys = [[cached.cache_key(it) for it in group] for group in groups]
    assert all(len(set(group)) == 1 for group in keys)
    firsts = [group[0] for group in keys]
    assert len(set(firsts)) == len(firsts)


def test_what_stands_for_contents_is_never_equal_to_an_argument():
    cached = cached_result(identity)
    key = cached.cache_key([1])
    assert cached.cache_key(key[1]) is not None
    assert "sequence" in repr(key)
    assert cached.cache_key(("list", list, 1)) != key


def test_a_file_is_keyed_by_what_is_in_it(tmp_path):
    cached = cached_result(identity)
    photo, copy, text = (tmp_path / name for name in ("a.png", "b.png", "a.txt"))
    for path in (photo, copy, text):
        path.write_bytes(b"pixels")
    key = cached.cache_key(photo)
    assert key == cached.cache_key(copy) != cached.cache_key(text)
    photo.write_bytes(b"others")
    assert cached.cache_key(photo) != key
    missing, directory = tmp_path / "none.png", Path(tmp_path)
    assert cached.cache_key(missing)[1] == missing
    assert cached.cache_key(directory)[1] == directory
    os.mkfifo(tmp_path / "pipe")
    assert cached.cache_key(tmp_path / "pipe")[1] == tmp_path / "pipe", "it was not read"


def test_an_argument_of_which_no_key_can_be_made_is_refused_in_words():
    class Unhashable:
        __hash__ = None

    knot = []
    knot.append(knot)
    with pytest.raises(TypeError, match=r"class .*Unhashable.*ignore=, or give cache_key_fn="):
        cached_result(identity)(Unhashable())
    objects = numpy.array([None], dtype=object)
    masked = numpy.ma.array([1, 2], mask=[0, 1])
    for array in (objects, masked):
        with pytest.raises(TypeError, match="array of objects or with a mask"):
            cached_result(identity)(array)
    with (
        open(__file__, "rb") as file,
        pytest.raises(TypeError, match="open stream, BufferedReader"),
    ):
        cached_result(identity)(file)

    class Upload:
        async def read(self):
            return b""

    with pytest.raises(TypeError, match=r"open stream, .*Upload"):
        cached_result(identity)(Upload())
    with io.BytesIO() as file:
        frames = [Image.new("L", (2, 2), shade) for shade in (0, 255)]
        frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
        with Image.open(file) as image, pytest.raises(TypeError, match="image of several frames"):
            cached_result(identity)(image)
    with pytest.raises(TypeError, match="nested more than 50 deep"):
        cached_result(identity)(knot)


def test_files_of_equal_contents_are_still_several(tmp_path):
    one, other = tmp_path / "a.png", tmp_path / "b.png"
    for path in (one, other):
        path.write_bytes(b"pixels")
    cached = cached_result(identity)
    arguments = [{one}, {one, other}, frozenset({one}), frozenset({one, other})]
    arguments += [{one: 1, other: 2}, {one: 2, other: 1}, {one: 1}]
    assert len({cached.cache_key(it) for it in arguments}) == len(arguments)
    keys = [cached.cache_key(it) for it in ({one}, {one: 1})]
    one.write_bytes(b"others")
    assert [cached.cache_key(it) for it in ({one}, {one: 1})] != keys


def test_what_can_change_is_looked_into_whatever_its_hash(tmp_path):
    cached = cached_result(identity)
    (tmp_path / "a").write_bytes(b"pixels")
    with open(tmp_path / "a", "r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        key = cached.cache_key(mapped)
        assert cached.cache_key(mapped) == key
        mapped[0:1] = b"P"
        assert cached.cache_key(mapped) != key
    with tempfile.NamedTemporaryFile() as file, pytest.raises(TypeError, match="an open stream"):
        cached(file)
    Image.new("P", (4, 4), 3).save(tmp_path / "a.bmp")
    with Image.open(tmp_path / "a.bmp") as image:
        assert cached.cache_key(image) == cached.cache_key(image)


def test_a_frozen_dataclass_with_a_file_counts_by_what_is_in_it(tmp_path):
    @dataclasses.dataclass(frozen=True)
    class Job:
        photo: Path

    photo = tmp_path / "a.png"
    photo.write_bytes(b"pixels")
    cached = cached_result(identity)
    key = cached.cache_key(Job(photo))
    assert cached.cache_key(Job(photo)) == key
    photo.write_bytes(b"others")
    assert cached.cache_key(Job(photo)) != key
