"""One run per key, across threads and event loops, and what becomes of those who wait."""

import asyncio
import contextlib
import gc
import subprocess
import sys
import threading
import traceback
import weakref

import pytest

from meshmemo import LRUCache, cached_result, cached_result_sync, get_cache, reset_cache

SECONDS = 30


@pytest.fixture(autouse=True)
def _no_process_wide_cache():
    reset_cache()
    yield
    reset_cache()


class Work:
    """Work that waits to be let go, and knows how often it began."""

    def __init__(self, end=lambda x: [x]):
        self.began = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.runs = 0
        self._end = end

    def __call__(self, x):
        self.runs += 1
        self.began.release()
        assert self.go_on.wait(SECONDS)
        return self._end(x)

    async def async_call(self, x):
        self.runs += 1
        self.began.release()
        await until(self.go_on)
        return self._end(x)


async def until(event):
    """Waits for an event of threads without holding up the loop."""
    assert await asyncio.to_thread(event.wait, SECONDS)


def start(count, call):
    """Calls on threads, and returns a function that gives what each brought or raised."""
    brought = []

    def run(number):
        try:
            brought.append(call(number))
        except BaseException as error:
            brought.append(error)

    threads = [threading.Thread(target=run, args=(it,)) for it in range(count)]
    for thread in threads:
        thread.start()

    def end():
        for thread in threads:
            thread.join(SECONDS)
            assert not thread.is_alive()
        return brought

    return end


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
