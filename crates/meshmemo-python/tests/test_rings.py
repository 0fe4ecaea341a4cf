"""Calls that would wait for themselves, or for one another, run through."""

import asyncio
import subprocess
import sys
import threading

from work import SECONDS, Work, start

from meshmemo import LRUCache, cached_result, get_cache


def test_recursion_runs_through_in_threads_and_coroutines():
    depth = []

    @cached_result
    def call(x):
        depth.append(x)
        return x if len(depth) > 3 else call(x)

    @cached_result
    async def call_async(x):
        depth.append(x)
        return x if len(depth) > 8 else await call_async(x)

    @cached_result
    async def in_a_task(x):
        depth.append(x)
        return x if len(depth) > 12 else await asyncio.create_task(in_a_task(x))

    assert call(1) == 1
    assert asyncio.run(call_async(2)) == 2
    assert asyncio.run(in_a_task(3)) == 3
    assert get_cache().stats["bypasses"] == len(depth) - 3


GRAPH = {"a": ["b"], "b": ["c"], "c": ["a"]}


def test_a_ring_of_calls_in_several_threads_runs_through():
    meet = threading.Barrier(len(GRAPH))

    @cached_result(ignore=["depth", "first"])
    def walk(node, depth=0, first=None):
        if first:
            meet.wait(SECONDS)
        return [] if depth == 4 else [node, *(walk(it, depth + 1) for it in GRAPH[node])]

    for brought in start(len(GRAPH), lambda number: walk(list(GRAPH)[number], 0, True))():
        assert isinstance(brought, list), brought
        assert brought


def test_a_ring_of_calls_in_one_loop_and_in_several_runs_through():
    @cached_result(ignore="depth")
    async def walk(node, depth=0):
        await asyncio.sleep(0)
        return [] if depth == 4 else [node, *[await walk(it, depth + 1) for it in GRAPH[node]]]

    async def all_of_them():
        return await asyncio.wait_for(asyncio.gather(*map(walk, GRAPH)), SECONDS)

    assert all(asyncio.run(all_of_them()))
    walk.cache_clear()
    for brought in start(8, lambda _: asyncio.run(all_of_them()))():
        assert isinstance(brought, list), brought


def test_a_ring_is_seen_after_a_removal_has_let_a_third_call_lead():
    cache = LRUCache()
    led, waits, removed = (threading.Event() for _ in range(3))

    @cached_result(cache=cache, cache_key_fn=lambda x, *_: x)
    def call(x, name):
        if name == "a":
            led.set()
            assert removed.wait(SECONDS)
            return call(2, "a within")
        if name == "b":
            waits.set()
            return call(1, "b within")
        return name

    def run(number):
        if number == 0:
            return call(1, "a")
        assert led.wait(SECONDS)
        if number == 1:
            return call(2, "b")
        assert waits.wait(SECONDS)
        cache.delete(1)
        third = call(1, "c")
        removed.set()
        return third

    ended = start(3, run)()
    assert all(isinstance(it, str) for it in ended), ended


def test_a_function_that_asks_for_other_keys_of_its_own_is_kept():
    @cached_result
    def fibonacci(n):
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

    assert fibonacci(90) == 2880067194370816120
    assert fibonacci.cache_info().misses == 91


def test_a_call_does_not_wait_for_a_coroutine_of_its_own_loop():
    work = Work()
    cached = cached_result(cache_key_fn=lambda x: x)(work.async_call)
    plain = cached_result(cache_key_fn=lambda x: x)(lambda x: ("plain", x))

    async def use():
        leader = asyncio.create_task(cached(1))
        await asyncio.sleep(0)
        assert plain(1) == ("plain", 1), "it would wait for ever"
        work.go_on.set()
        assert await leader == [1]

    asyncio.run(use())


def test_a_destructor_may_ask_for_what_its_own_thread_makes():
    program = """
import gc
from meshmemo import cached_result
@cached_result
def call(x):
    if x % 3 == 0:
        raise ValueError
    return x
class Loop:
    def __init__(self, x):
        self.me, self.x = self, x
    def __del__(self):
        try:
            call(self.x)
        except ValueError:
            pass
for x in range(3000):
    Loop(x)
    gc.set_threshold(x % 7 + 1)
    gc.enable()
    try:
        call(x)
    except ValueError:
        pass
    gc.disable()
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=SECONDS
    )
    assert ended.returncode == 0, ended.stderr


def test_tasks_that_start_the_next_one_do_not_pile_up():
    from meshmemo import _rings

    sizes = []

    @cached_result
    async def call(x):
        sizes.append(len(_rings._led_here.get()))
        if x < 50:
            tasks.append(asyncio.ensure_future(later(x + 1)))

    async def later(x):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return await call(x)

    tasks = []

    async def chain():
        await call(0)
        while tasks:
            await tasks.pop()

    asyncio.run(chain())
    assert len(sizes) == 51
    assert max(sizes) <= 2
