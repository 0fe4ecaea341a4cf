"""One run per key, across threads and event loops, and what those who wait get."""

import asyncio
import threading
import traceback

import pytest
from work import SECONDS, Work, start

from meshmemo import LRUCache, cached_result, cached_result_sync, get_cache


def test_thirty_two_threads_run_once_and_share_the_value():
    work = Work()
    cached = cached_result(lambda x: work(x))
    end = start(32, lambda _: cached(1))
    assert work.began.acquire(timeout=SECONDS)
    work.go_on.set()
    brought = end()
    assert work.runs == 1
    assert len({id(it) for it in brought}) == 1
    assert cached.cache_info()[:2] == (31, 1)
    stats = get_cache().get_stats()
    assert stats["hits"] + stats["coalesced"] == 31
    assert stats["misses"] == 1


def test_event_loops_in_several_threads_and_threads_run_once():
    work = Work()
    cached = cached_result(work.async_call)
    plain = cached_result(cache_key_fn=cached.cache_key)(lambda x: pytest.fail("a second run"))

    async def many():
        return await asyncio.gather(*[cached(1) for _ in range(10)])

    end = start(4, lambda _: asyncio.run(many()))
    assert work.began.acquire(timeout=SECONDS)
    end_plain = start(4, lambda _: plain(1))
    work.go_on.set()
    brought = [value for values in end() for value in values] + end_plain()
    assert work.runs == 1
    assert len({id(it) for it in brought}) == 1
    assert len(brought) == 44


def test_an_error_reaches_every_waiter_as_its_own_and_is_not_kept():
    def fail(x):
        raise ValueError("no GPU", x)

    work = Work(fail)
    cached = cached_result(lambda x: work(x))
    end = start(8, lambda _: cached(1))
    assert work.began.acquire(timeout=SECONDS)
    work.go_on.set()
    errors = end()
    assert {error.args for error in errors} == {("no GPU", 1)}
    assert all(type(error) is ValueError for error in errors)
    assert len({id(error) for error in errors}) == 8
    for error in errors:
        frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        assert frames[-1] == "fail", frames
        assert len(frames) < 15
    assert len(get_cache()) == 0
    with pytest.raises(ValueError, match="no GPU"):
        cached(1)


def test_an_error_that_can_not_be_copied_reaches_every_waiter_all_the_same():
    class Stubborn(Exception):
        def __init__(self, one, two):
            super().__init__(f"{one}{two}")

    def fail(x):
        raise Stubborn("a", x) from KeyError("cause")

    work = Work(fail)
    cached = cached_result(lambda x: work(x))
    end = start(4, lambda _: cached(1))
    assert work.began.acquire(timeout=SECONDS)
    work.go_on.set()
    errors = end()
    assert all(type(error) is Stubborn and str(error) == "a1" for error in errors)
    assert all(isinstance(error.__cause__, KeyError) for error in errors)


def test_waiters_count_as_hits_and_what_runs_through_as_a_miss():
    work = Work(lambda x: 1 / 0)
    cached = cached_result(lambda x: work(x))
    end = start(4, lambda _: cached(1))
    assert work.began.acquire(timeout=SECONDS)
    work.go_on.set()
    assert [type(it) for it in end()] == [ZeroDivisionError] * 4
    hits, misses = cached.cache_info()[:2]
    assert misses == work.runs
    assert hits + misses == 4
    depth = []

    @cached_result
    def call(x):
        depth.append(x)
        return x if len(depth) == 3 else call(x)

    call(1)
    assert call.cache_info()[:2] == (0, 3)


def test_coroutines_without_a_loop_of_asyncio_are_refused_in_words():
    @cached_result
    async def later(x):
        return x

    with pytest.raises(RuntimeError, match="need an event loop of asyncio"):
        later(1).send(None)


def test_an_object_whose_call_is_awaited_is_cached_as_a_coroutine_function():
    class Maker:
        runs = 0

        async def __call__(self, x):
            self.runs += 1
            return [x]

    maker = Maker()
    made = cached_result(maker)

    async def twice():
        return await made(1) is await made(1)

    assert asyncio.run(twice())
    assert maker.runs == 1
    with pytest.raises(TypeError, match="Maker is `async def`"):
        cached_result_sync(maker)


def test_a_removal_wins_over_a_run():
    for remove in (
        lambda cached: cached.cache_invalidate(1),
        lambda cached: cached.cache_clear(),
        lambda cached: get_cache().clear(),
        lambda cached: get_cache().delete(cached.cache_key(1)),
    ):
        work = Work()
        cached = cached_result(lambda x, work=work: work(x))
        end = start(1, lambda _, cached=cached: cached(1))
        assert work.began.acquire(timeout=SECONDS)
        remove(cached)
        late = start(1, lambda _, cached=cached: cached(1))
        assert work.began.acquire(timeout=SECONDS), "a later caller does not join it"
        work.go_on.set()
        assert end() == late() == [[1]]
        assert work.runs == 2


def test_a_storm_of_everything_keeps_the_limits_and_the_sums():
    cache = LRUCache(max_size=50, max_memory_mb=1)
    cached = cached_result(cache=cache, size=0.03, key=lambda x: ("of", x))(lambda x: [x])
    stop = threading.Event()
    over = []

    def watch():
        while not stop.is_set():
            stats = cache.get_stats()
            if stats["current_items"] > 50 or stats["current_memory_mb"] > 1:
                over.append(stats)

    watching = threading.Thread(target=watch)
    watching.start()

    def use(number):
        for step in range(2000):
            key = (number * 7 + step) % 97
            assert cached(key) == [key]
            if step % 10 == 0:
                cache.set(key, step, size_mb=0.01)
                cache.get(key)
                cache.delete(key + 1)
            if step % 500 == 0:
                cache.clear()
                cached.cache_invalidate(key)
        return "ended"

    assert start(32, use)() == ["ended"] * 32
    stop.set()
    watching.join(SECONDS)
    assert over == []
    stats = cache.get_stats()
    came = stats["inserts"]
    left = stats["evictions"] + stats["removals"] + stats["replacements"] + stats["expirations"]
    assert came - left == stats["current_items"] == len(cache)
