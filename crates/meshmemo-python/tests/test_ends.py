"""A call that is cancelled, interrupted or too deep leaves nobody waiting, and nothing behind."""

import asyncio
import contextlib
import gc
import subprocess
import sys
import threading
import weakref

import pytest
from work import SECONDS, Work, start, until

from meshmemo import LRUCache, cached_result


def test_a_waiter_that_is_cancelled_cancels_nobody_else():
    async def use():
        work = Work()
        cached = cached_result(work.async_call)
        leader = asyncio.create_task(cached(1))
        await asyncio.sleep(0)
        waiters = [asyncio.create_task(cached(1)) for _ in range(3)]
        await asyncio.sleep(0)
        waiters[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiters[0]
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(cached(1), 0.01)
        work.go_on.set()
        value = await leader
        assert await waiters[1] is value is await waiters[2]
        assert work.runs == 1

    asyncio.run(use())


def test_a_leader_that_is_cancelled_hands_over():
    async def use():
        work = Work()
        cached = cached_result(work.async_call)
        leader = asyncio.create_task(cached(1))
        await asyncio.sleep(0)
        waiters = [asyncio.create_task(cached(1)) for _ in range(3)]
        await asyncio.sleep(0)
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        work.go_on.set()
        values = await asyncio.gather(*waiters)
        assert values[0] is values[1] is values[2]
        assert work.runs == 2

    asyncio.run(use())


def test_a_leader_that_is_interrupted_hands_over():
    interrupted = []

    def interrupt_once(x):
        if not interrupted:
            interrupted.append(x)
            raise KeyboardInterrupt
        return [x]

    work = Work(interrupt_once)
    cached = cached_result(lambda x: work(x))
    end = start(4, lambda _: cached(1))
    assert work.began.acquire(timeout=SECONDS)
    work.go_on.set()
    brought = end()
    assert sum(isinstance(it, KeyboardInterrupt) for it in brought) == 1
    assert [it for it in brought if it == [1]] == [[1]] * 3
    assert work.runs == 2


def test_a_loop_that_ends_with_its_leader_leaves_waiters_of_other_loops_well():
    work = Work()
    cached = cached_result(work.async_call)
    leading = threading.Event()

    async def lead():
        task = asyncio.create_task(cached(1))
        assert await asyncio.to_thread(work.began.acquire, True, SECONDS)
        leading.set()
        await until(work.go_on)
        task.cancel()

    leader = start(1, lambda _: asyncio.run(lead()))
    assert leading.wait(SECONDS)
    end = start(3, lambda _: asyncio.run(cached(1)))
    work.go_on.set()
    assert end() == [[1]] * 3
    assert leader() == [None]


def test_what_ends_a_call_before_it_runs_leaves_nobody_waiting():
    @cached_result
    def deep(n):
        return 0 if n == 0 else deep(n - 1) + 1

    kept = []
    for depth in range(5000, 5006):
        try:
            deep(depth)
        except RecursionError as error:
            kept.append(error)
    assert len(kept) == 6
    ends = start(4, lambda number: deep(number * 25))()
    assert sorted(ends) == [0, 25, 50, 75]


@pytest.mark.parametrize("place", ["_lead", "__init__", "__enter__", "run"])
def test_an_interruption_at_any_step_leaves_nobody_waiting(place):
    @cached_result
    def call(x):
        return [x]

    def interrupt(frame, event, _):
        if frame.f_code.co_name == place and "_flights" in frame.f_code.co_filename:
            sys.settrace(None)
            raise KeyboardInterrupt
        return interrupt

    sys.settrace(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt) as kept:
            call(1)
    finally:
        sys.settrace(None)
    assert start(1, lambda _: call(1))() == [[1]]
    assert kept.value is not None


def test_a_coroutine_that_is_closed_with_its_loop_leaves_nothing_behind():
    from meshmemo import _rings

    @cached_result
    async def call(x):
        await asyncio.sleep(SECONDS)

    async def begin(x):
        task = asyncio.ensure_future(call(x))
        await asyncio.sleep(0)
        return task

    for x in range(5):
        loop = asyncio.new_event_loop()
        task = loop.run_until_complete(begin(x))
        loop.close()
        task._log_destroy_pending = False
        del task
    gc.collect()
    assert len(_rings._leaders) == 0


def test_waiters_in_loops_are_woken_by_a_leader_at_the_end_of_its_stack():
    program = """
import asyncio, sys, threading
from meshmemo import cached_result
led, go = threading.Event(), threading.Event()

@cached_result
async def call(x):
    led.set()
    while not go.is_set():
        pass
    return "first"

async def deep(n):
    return await (deep(n - 1) if n else call(1))

def lead(depth):
    try:
        asyncio.run(deep(depth))
    except RecursionError:
        pass

async def follow():
    task = asyncio.ensure_future(call(1))
    await asyncio.sleep(0)
    go.set()
    return await task

for depth in range(100, 150):
    led.clear(), go.clear(), call.cache_clear()
    leader = threading.Thread(target=lead, args=(depth,))
    sys.setrecursionlimit(150)
    leader.start()
    while leader.is_alive() and not led.wait(0.01):
        pass
    if not led.is_set():
        go.set()
    assert asyncio.run(asyncio.wait_for(follow(), 20)) == "first", depth
    leader.join()
    sys.setrecursionlimit(1000)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=100
    )
    assert ended.returncode == 0, ended.stderr[-2000:]


def test_a_cache_that_keeps_an_error_of_its_own_function_is_collected():
    class Cache(LRUCache):
        pass

    def use():
        cache = Cache()

        @cached_result(cache=cache)
        def fail(x):
            raise ValueError(x)

        try:
            fail(1)
        except ValueError as error:
            cache.set("error", error)
        return weakref.ref(cache)

    gone = use()
    gc.collect()
    assert gone() is None


def test_an_error_of_a_waiter_keeps_nothing_alive():
    import gc
    import weakref

    class Big:
        pass

    def fail(x):
        raise ValueError

    def call(cached, work):
        big = Big()
        with contextlib.suppress(ValueError):
            cached(1)
        return weakref.ref(big)

    work = Work(fail)
    cached = cached_result(lambda x: work(x))
    end = start(4, lambda _: call(cached, work))
    assert work.began.acquire(timeout=SECONDS)
    work.go_on.set()
    references = end()
    gc.collect()
    assert [reference() for reference in references] == [None] * 4
