"""The cache beside the same promises in the plainest Python: hypothesis looks for a difference."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from meshmemo import LRUCache, measure

MB = 1024 * 1024


class Colliding:
    """Has the hash of all others of its kind."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Colliding) and self.name == other.name

    def __repr__(self) -> str:
        return f"Colliding({self.name!r})"


class Oracle:
    """One `OrderedDict`, the least recently used first; sizes in bytes."""

    def __init__(self, max_size: int, max_bytes: int) -> None:
        self.max_size, self.max_bytes = max_size, max_bytes
        self.entries: OrderedDict[Any, tuple[Any, int]] = OrderedDict()
        self.left: list[tuple[Any, Any, str]] = []
        self.reset()

    def reset(self) -> None:
        names = "hits misses inserts rejected evictions_by_count evictions_by_size removals"
        self.counts = dict.fromkeys([*names.split(), "replacements"], 0)
        self.seen = self.bytes

    @property
    def bytes(self) -> int:
        return sum(size for _, size in self.entries.values())

    def leave(self, key: Any, cause: str) -> Any:
        value, _ = self.entries.pop(key)
        self.left.append((key, value, cause))
        return value

    def evict(self, cause: str) -> None:
        counts = {"size_count": "evictions_by_count", "size_bytes": "evictions_by_size"}
        self.leave(next(iter(self.entries)), cause)
        self.counts[counts[cause]] += 1

    def get(self, key: Any) -> Any:
        if key not in self.entries:
            self.counts["misses"] += 1
            return None
        self.counts["hits"] += 1
        self.entries.move_to_end(key)
        return self.entries[key][0]

    def set(self, key: Any, value: Any, size: int) -> bool:
        if key in self.entries:
            self.leave(key, "replaced")
            self.counts["replacements"] += 1
        if self.max_size == 0 or size > self.max_bytes:
            self.counts["rejected"] += 1
            return False
        self.shrink(size, 1)
        self.entries[key] = (value, size)
        self.counts["inserts"] += 1
        self.seen = max(self.seen, self.bytes)
        return True

    def shrink(self, size: int = 0, count: int = 0) -> None:
        while self.bytes + size > self.max_bytes:
            self.evict("size_bytes")
        while len(self.entries) + count > self.max_size:
            self.evict("size_count")

    def remove(self, key: Any) -> Any:
        if key not in self.entries:
            return None
        self.counts["removals"] += 1
        return self.leave(key, "removed")


keys = st.sampled_from(
    [
        0,
        1,
        1.0,
        True,
        2,
        -1,
        -2,
        "",
        "1",
        "a",
        b"a",
        None,
        (),
        (1,),
        (1.0,),
        frozenset([1]),
        2**70,
        float(2**70),
        Colliding("x"),
        Colliding("x"),
        Colliding("y"),
        ("a", Colliding("x")),
    ]
)
sizes = st.integers(0, 6)
limits = st.integers(0, 5)


class Beside(RuleBasedStateMachine):
    """Does the same to both, and compares all that may be seen."""

    @initialize(max_size=limits, max_mb=limits)
    def begin(self, max_size: int, max_mb: int) -> None:
        self.left: list[tuple[Any, Any, str]] = []
        self.cache: LRUCache[Any, Any] = LRUCache(
            max_size, max_mb, on_evict=lambda *told: self.left.append(told)
        )
        self.oracle = Oracle(max_size, max_mb * MB)

    @rule(key=keys, value=st.integers(), size=sizes, ttl=st.sampled_from([None, 3600]))
    def set(self, key: Any, value: int, size: int, ttl: int | None) -> None:
        stored = self.cache.set(key, value, size_mb=size, ttl_seconds=ttl)
        assert stored == self.oracle.set(key, value, size * MB)

    @rule(key=keys, value=st.binary(max_size=4))
    def set_measured(self, key: Any, value: bytes) -> None:
        self.cache[key] = value
        self.oracle.set(key, value, measure(value))

    @rule(key=keys)
    def get(self, key: Any) -> None:
        assert self.cache.get(key) == self.oracle.get(key)

    @rule(key=keys)
    def index(self, key: Any) -> None:
        try:
            found = self.cache[key]
        except KeyError:
            found = None
        assert found == self.oracle.get(key)

    @rule(key=keys)
    def look(self, key: Any) -> None:
        value, _ = self.oracle.entries.get(key, (None, 0))
        assert self.cache.peek(key) == value
        assert (key in self.cache) == (key in self.oracle.entries)

    @rule(key=keys)
    def delete(self, key: Any) -> None:
        was_there = key in self.oracle.entries
        self.oracle.remove(key)
        assert self.cache.delete(key) == was_there

    @rule(key=keys)
    def pop(self, key: Any) -> None:
        assert self.cache.pop(key, None) == self.oracle.remove(key)

    @rule()
    def clear(self) -> None:
        for key in list(self.oracle.entries):
            self.oracle.leave(key, "cleared")
            self.oracle.counts["removals"] += 1
        self.cache.clear()

    @rule()
    def reset_stats(self) -> None:
        self.cache.reset_stats()
        self.oracle.reset()

    @rule(max_size=st.none() | limits, max_mb=st.none() | limits)
    def update_config(self, max_size: int | None, max_mb: int | None) -> None:
        if max_size is not None:
            self.oracle.max_size = max_size
        if max_mb is not None:
            self.oracle.max_bytes = max_mb * MB
        self.oracle.shrink()
        self.cache.update_config(max_size=max_size, max_memory_mb=max_mb)

    @invariant()
    def both_are_the_same(self) -> None:
        oracle = self.oracle
        assert self.cache.items() == [(key, value) for key, (value, _) in oracle.entries.items()]
        assert list(self.cache) == self.cache.keys() == list(oracle.entries)
        assert len(self.cache) == len(oracle.entries) <= oracle.max_size
        assert self.left == oracle.left
        stats = self.cache.get_stats()
        assert {name: stats[name] for name in oracle.counts} == oracle.counts
        assert stats["current_memory_mb"] * MB == oracle.bytes <= oracle.max_bytes
        assert stats["max_memory_seen_mb"] * MB == oracle.seen
        weights = [it["size_mb"] * MB for it in self.cache.get_entries_summary()]
        assert weights == [size for _, size in oracle.entries.values()]


TestBeside = pytest.mark.filterwarnings("ignore:a value of .* is not kept")(Beside.TestCase)
TestBeside.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
