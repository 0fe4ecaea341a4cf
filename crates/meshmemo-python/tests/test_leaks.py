"""A million operations leave as much memory in use as there was; each program runs by itself."""

import subprocess
import sys
import textwrap

import pytest

METER = """
import asyncio, contextlib, gc, os, tracemalloc
from meshmemo import LRUCache, cached_result

OPERATIONS = 1_000_000
MB = 1024 * 1024

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def measured(work, rounds):
    '''Returns by how many bytes Python's blocks and the process have grown.'''
    work(rounds // 10)
    gc.collect()
    # Python's blocks are followed in a tenth of the rounds, which it makes slow.
    tracemalloc.start()
    work(rounds // 100)
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    work(rounds // 10)
    gc.collect()
    blocks = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    before = resident()
    work(rounds)
    gc.collect()
    return blocks, resident() - before
"""

PROGRAMS = {
    # Operations of each round: 10.
    "cache": """
        left = [0]
        def listen(key, value, cause): left[0] += 1
        cache = LRUCache(max_size=50, max_memory_mb=1, on_evict=listen)
        class Value:
            def __init__(self, it): self.it = it
        def work(rounds):
            for it in range(rounds // 10):
                key = (it, "a")
                cache.set(key, Value(it))
                cache.get(key); cache.get(-it); cache.peek(key); cache[key] = str(it); key in cache
                cache.delete((it - 9, "a")); cache.pop((it - 7, "a"), None)
                if it % 100 == 0:
                    cache.clear(); cache.get_stats(); cache.items(); cache.get_entries_summary()
                with contextlib.suppress(TypeError):
                    cache.get([it])
        """,
    "decorated": """
        cache = LRUCache(max_size=50)
        class Model:
            @cached_result(cache=cache)
            def made(self, it): return [it]
        @cached_result(cache=cache)
        def kept(it, *more, name=None): return [it]
        @cached_result(cache=cache)
        def raises(it): raise ValueError(it)
        @cached_result(cache=cache)
        async def later(it): return [it]
        def work(rounds):
            asyncio.run(all_of(rounds))
        async def all_of(rounds):
            for it in range(rounds // 10):
                model = Model()
                kept(it); kept(it, it, name=it); kept([it]); model.made(it); model.made(it)
                await later(it); await later(it); kept.cache_invalidate(it)
                await asyncio.gather(later(-it - 1), later(-it - 1))
                with contextlib.suppress(ValueError):
                    raises(it)
        """,
    "leaking": """
        cache, kept = LRUCache(max_size=50), []
        def work(rounds):
            for it in range(rounds // 10):
                cache.set(it, it)
                if it % 2 == 0:
                    kept.append(bytearray(50))
        """,
}


def growth(name: str) -> tuple[int, int]:
    program = METER + textwrap.dedent(PROGRAMS[name]) + "\nprint(*measured(work, OPERATIONS))"
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=600
    )
    assert ended.returncode == 0, ended.stderr
    blocks, resident = map(int, ended.stdout.split())
    return blocks, resident


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("name", ["cache", "decorated"])
def test_a_million_operations_leave_no_memory_in_use(name):
    blocks, resident = growth(name)
    assert blocks < 64 * 1024
    assert resident < 4 * 1024 * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_meter_sees_what_leaks():
    blocks, resident = growth("leaking")
    assert blocks > 64 * 1024
    assert resident > 4 * 1024 * 1024
