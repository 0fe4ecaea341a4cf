"""What values weigh."""

import collections
import dataclasses
import sys
import time
import types

import numpy
import pytest
from PIL import Image

import meshmemo
from meshmemo import LRUCache

KB = 1 << 10


@pytest.mark.parametrize(
    "value",
    [
        bytes(KB),
        bytearray(KB),
        memoryview(bytes(KB)),
        numpy.zeros(KB, numpy.uint8),
        numpy.zeros((16, 16), numpy.float32),
        numpy.zeros(2 * KB, numpy.uint8)[::2],
        Image.new("L", (32, 32)),
        Image.new("RGB", (16, 16)),
        Image.new("I;16", (16, 32)),
    ],
    ids=lambda it: type(it).__name__,
)
def test_buffers_arrays_and_images_weigh_their_data(value):
    assert meshmemo.measure(value) == KB


def test_set_measures_what_is_not_told():
    cache = LRUCache(max_memory_mb=1)
    cache.set("a", bytes(512 * KB))
    assert cache.stats["current_memory_mb"] == 0.5
    cache.set("b", bytes(1), size_mb=0.25)
    assert cache.stats["current_memory_mb"] == 0.75


def test_text_and_numbers_weigh_what_python_says():
    for value in ("", "x" * 100, "ü" * 100, 5, 10**100, 2.5, None, True):
        assert meshmemo.measure(value) == sys.getsizeof(value)


def test_containers_weigh_their_items_once_each():
    item = bytes(10 * KB)
    for holder in (
        [item, item],
        (item,),
        {"key": item},
        {item},
        [[[item]]],
        collections.deque([item]),
        collections.OrderedDict(key=item),
        types.SimpleNamespace(item=item),
    ):
        assert 10 * KB < meshmemo.measure(holder) < 11 * KB, type(holder)


def test_objects_weigh_their_attributes_and_slots_also_those_of_their_bases():
    class Base:
        __slots__ = ("__private", "public")

        def __init__(self):
            self.__private = bytes(KB)
            self.public = bytes(KB)

    class One(Base):
        __slots__ = "single"

        def __init__(self):
            super().__init__()
            self.single = bytes(KB)

    @dataclasses.dataclass
    class Model:
        data: bytes
        mesh: numpy.ndarray

    assert 3 * KB < meshmemo.measure(One()) < 4 * KB
    assert 2 * KB < meshmemo.measure(Model(bytes(KB), numpy.zeros(KB, numpy.uint8))) < 3 * KB


def test_what_is_shared_with_the_program_weighs_nothing():
    class Handle:
        def __init__(self):
            self.module = numpy
            self.kind = Handle
            self.call = test_what_is_shared_with_the_program_weighs_nothing

    assert meshmemo.measure(Handle()) < 2 * KB


def test_cycles_and_depth_end():
    knot = []
    knot.append(knot)
    assert meshmemo.measure(knot) < KB
    deep = []
    for _ in range(50_000):
        deep = [deep]
    assert meshmemo.measure(deep) >= 50_000 * 8


def test_what_raises_while_it_is_measured_is_left_out():
    class Broken:
        def __sizeof__(self):
            raise RuntimeError

        @property
        def nbytes(self):
            raise RuntimeError

    assert meshmemo.measure([Broken(), bytes(KB)]) >= KB


def test_measuring_is_bounded():
    many = [object() for _ in range(150_000)]
    assert meshmemo.measure(many) < sys.getsizeof(many) + 110_000 * 16

    def endless():
        while True:
            yield bytes(KB)

    class Endless(list):
        def __iter__(self):
            return endless()

    started = time.monotonic()
    meshmemo.measure(Endless([1]))
    assert time.monotonic() - started < 30


def test_a_tensor_on_a_gpu_warns_once():
    class Tensor:
        __module__ = "torch"
        nbytes = KB
        is_cuda = True

    cache = LRUCache()
    with pytest.warns(RuntimeWarning, match="tensor on a GPU"):
        cache.set("a", Tensor())
    cache.set("b", Tensor())
    assert cache.stats["current_memory_mb"] == 2 / KB
