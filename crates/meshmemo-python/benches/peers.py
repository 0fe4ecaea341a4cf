"""Measures the package beside its peers, all in one run; what counts is the ratios.

Each round times every contestant once, so that a noisy moment is shared; the best round of each is
what is told. Memory is measured in a process for each, by what the process has grown.
"""

from __future__ import annotations

import asyncio
import functools
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import async_lru
import cachebox
import cachetools
from lru import LRU

import meshmemo

sys.path.insert(0, str(Path(__file__).parent.parent / "tests/hand_written"))
import cache_manager

ENTRIES = 1000
ROUNDS = 25
CALLS = 20_000
MEMORY_ENTRIES = 200_000

BY_HAND = "OrderedDict + RLock"
KEYS = [f"key-{it:08d}" for it in range(ENTRIES)]
MORE_KEYS = [f"key-{it:08d}" for it in range(4 * ENTRIES)]
VALUE = b"v" * 100

#: How each makes a cache, looks up and inserts.
CACHES: dict[str, tuple[Callable[[int], object], str, str]] = {
    "meshmemo": (lambda n: meshmemo.LRUCache(n), "get", "set"),
    BY_HAND: (lambda n: cache_manager.LRUCache(n), "get", "set"),
    "cachebox.LRUCache": (lambda n: cachebox.LRUCache(n), "get", "insert"),
    "cachebox.VTTLCache": (lambda n: cachebox.VTTLCache(n), "get", "insert"),
    "cachetools.LRUCache": (lambda n: cachetools.LRUCache(n), "get", "__setitem__"),
    "lru-dict": (lambda n: LRU(n), "get", "__setitem__"),
}

Timed = Callable[[int], None]


def best_of_rounds(contestants: dict[str, Timed], calls: int = CALLS) -> dict[str, float]:
    """Return the nanoseconds of one call for each, in its best round."""
    best = dict.fromkeys(contestants, float("inf"))
    for _ in range(ROUNDS):
        for name, run in contestants.items():
            start = time.perf_counter()
            run(calls)
            best[name] = min(best[name], (time.perf_counter() - start) / calls * 1e9)
    return best


def getter(name: str) -> Timed:
    make, get, put = CACHES[name]
    cache = make(ENTRIES)
    for key in KEYS:
        getattr(cache, put)(key, VALUE)
    look_up = getattr(cache, get)

    def run(calls: int) -> None:
        for _ in range(calls // ENTRIES):
            for key in KEYS:
                look_up(key)

    return run


def setter(name: str) -> Timed:
    """Insert new keys into a full cache: each insertion evicts an entry."""
    make, _, put = CACHES[name]
    insert = getattr(make(ENTRIES), put)

    def run(calls: int) -> None:
        for _ in range(calls // len(MORE_KEYS)):
            for key in MORE_KEYS:
                insert(key, VALUE)

    return run


def work(x: int) -> int:
    return x


def repeat(function: Callable[[int], int]) -> Timed:
    function(5)

    def run(calls: int) -> None:
        for _ in range(calls):
            function(5)

    return run


def decorated() -> dict[str, Timed]:
    lock = threading.RLock()
    decorators = {
        "meshmemo": meshmemo.cached_result(cache=meshmemo.LRUCache(ENTRIES)),
        "functools.lru_cache": functools.lru_cache(ENTRIES),
        "cachebox.cached": cachebox.cached(cachebox.LRUCache(ENTRIES)),
        "cachetools.cached": cachetools.cached(cachetools.LRUCache(ENTRIES), lock=lock),
    }
    return {name: repeat(decorate(work)) for name, decorate in decorators.items()}


def decorated_async() -> dict[str, Timed]:
    decorators = {
        "meshmemo": meshmemo.cached_result(cache=meshmemo.LRUCache(ENTRIES)),
        "async-lru": async_lru.alru_cache(ENTRIES),
    }
    loop = asyncio.new_event_loop()

    def timed(decorate: Callable[..., Callable]) -> Timed:
        @decorate
        async def later(x: int) -> int:
            return x

        async def all_of(calls: int) -> None:
            for _ in range(calls):
                await later(5)

        loop.run_until_complete(all_of(1))
        return lambda calls: loop.run_until_complete(all_of(calls))

    return {name: timed(decorate) for name, decorate in decorators.items()}


def memory(name: str) -> float:
    """Return the bytes of one entry besides its key and its value, in a process of its own."""
    command = [sys.executable, __file__, "--memory", name]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure_memory(name: str) -> float:
    keys = [f"key-{it:08d}" for it in range(MEMORY_ENTRIES)]
    make, _, put = CACHES[name]
    insert = getattr(make(MEMORY_ENTRIES), put)
    before = resident()
    for key in keys:
        insert(key, VALUE)
    return (resident() - before) / MEMORY_ENTRIES


def resident() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("Linux is needed to measure memory")


def tell(title: str, unit: str, measured: dict[str, float], targets: dict[str, float]) -> None:
    """Print how often each one's figure is ours, and whether our target beside it is reached."""
    ours = measured["meshmemo"]
    print(f"\n{title}")
    for name, figure in measured.items():
        row = f"  {name:22}{figure:8.0f} {unit}"
        if name != "meshmemo":
            row += f"   {figure / ours:6.2f} times ours"
        if name in targets:
            at_least = targets[name]
            row += f"   at least {at_least:.2f}: {'yes' if figure / ours >= at_least else 'NO'}"
        print(row)


def main() -> None:
    caches = list(CACHES)
    tell(
        "get, a hit",
        "ns",
        best_of_rounds({name: getter(name) for name in caches}),
        {BY_HAND: 8, "cachebox.LRUCache": 1 / 1.2, "cachebox.VTTLCache": 1},
    )
    tell(
        "set, a new key in a full cache",
        "ns",
        best_of_rounds({name: setter(name) for name in caches}),
        {BY_HAND: 10, "cachebox.LRUCache": 1 / 1.5},
    )
    tell(
        "a decorated function, a hit",
        "ns",
        best_of_rounds(decorated()),
        {"functools.lru_cache": 1 / 3, "cachebox.cached": 1, "cachetools.cached": 1},
    )
    tell(
        "a decorated coroutine function, a hit",
        "ns",
        best_of_rounds(decorated_async()),
        {"async-lru": 2},
    )
    tell("memory of an entry", "bytes", {name: memory(name) for name in caches}, {})


if __name__ == "__main__":
    if sys.argv[1:2] == ["--memory"]:
        print(measure_memory(sys.argv[2]))
    else:
        main()
