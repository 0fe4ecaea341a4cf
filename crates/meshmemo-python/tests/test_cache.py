"""What `LRUCache` keeps, finds, counts and lets go."""

import gc
import json
import math
import signal
import time
import warnings
import weakref
from collections.abc import Mapping

import numpy
import pytest

from meshmemo import (
    LRUCache,
    StatsView,
    cached_result,
    clear_cache,
    get_cache,
    reset_cache,
)

MB = 1 << 20


def test_values_come_back_by_identity_and_misses_are_none_or_the_default():
    cache = LRUCache()
    value = object()
    assert cache.set("cup", value) is True
    assert cache.get("cup") is value
    assert cache["cup"] is value
    assert cache.get("vase") is None
    assert cache.get("vase", value) is value
    assert "cup" in cache
    assert "vase" not in cache
    with pytest.raises(KeyError, match="vase"):
        cache["vase"]


def test_any_hashable_is_a_key_and_what_is_none_says_so():
    cache = LRUCache()
    keys = ["a", 1, 2.5, (1, ("b",)), frozenset([1]), None, b"x", object(), int, 10**40]
    for number, key in enumerate(keys):
        cache.set(key, number)
    assert [cache.get(key) for key in keys] == list(range(len(keys)))
    assert cache.get(1.0) == 1, "equal keys are one key, as in a dict"
    with pytest.raises(TypeError, match="unhashable"):
        cache.get([])
    with pytest.raises(TypeError, match="unhashable"):
        cache.set({}, 1)


def test_the_oldest_use_leaves_first_and_only_for_its_cause():
    cache = LRUCache(max_size=2, max_memory_mb=10)
    cache.set("a", 1, size_mb=1)
    cache.set("b", 2, size_mb=1)
    cache.get("a")
    cache.peek("b")
    assert "b" in cache
    cache.set("c", 3, size_mb=1)
    assert cache.keys() == ["a", "c"]
    cache.set("d", 4, size_mb=9.5)
    assert cache.keys() == ["d"]
    stats = cache.get_stats()
    assert (stats["evictions_by_count"], stats["evictions_by_size"]) == (1, 2)
    assert stats["evictions"] == 3
    assert stats["current_memory_mb"] == 9.5
    assert stats["max_memory_seen_mb"] == 9.5


def test_a_value_larger_than_the_cache_is_refused_counted_and_told_once():
    cache = LRUCache(max_memory_mb=1)
    cache.set("a", 1)
    with pytest.warns(RuntimeWarning, match=r"2097152 bytes .* is not kept.*max_memory_mb=1"):
        assert cache.set("big", 1, size_mb=2) is False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cache.set("big", bytes(2 * MB)) is False
    assert cache.stats["rejected"] == 2
    assert cache.items() == [("a", 1)], "nobody left for it"


def test_replacing_evicts_nobody():
    cache = LRUCache(max_size=2, max_memory_mb=2)
    cache.set("a", 1, size_mb=1)
    cache.set("b", 2, size_mb=1)
    cache.set("a", 3, size_mb=1)
    assert cache.items() == [("b", 2), ("a", 3)]
    assert cache.stats["evictions"] == 0
    assert cache.stats["replacements"] == 1


def test_entries_end_with_their_time():
    cache = LRUCache(default_ttl_seconds=3600)
    cache.set("soon", 1, ttl_seconds=0.05)
    cache.set("later", 2)
    deadline = time.monotonic() + 10
    while "soon" in cache:
        assert time.monotonic() < deadline, "it never ended"
    assert cache.get("soon") is None
    assert cache.keys() == ["later"]
    assert cache.stats["expirations"] == 1
    (entry,) = cache.get_entries_summary()
    assert entry["expires_at"] - entry["timestamp"] == pytest.approx(3600, abs=0.01)


def test_removals_tell_what_there_was():
    cache = LRUCache()
    cache.set("a", 1)
    cache.set("b", None)
    cache["c"] = 3
    assert cache.delete("a") is True
    assert cache.delete("a") is False
    assert cache.pop("b") is None
    assert cache.pop("b", 5) == 5
    with pytest.raises(KeyError):
        cache.pop("b")
    with pytest.raises(TypeError, match="at most one default"):
        cache.pop("b", 1, 2)
    del cache["c"]
    with pytest.raises(KeyError):
        del cache["c"]
    assert len(cache) == 0
    assert cache.stats["removals"] == 3


def test_clear_keeps_counters_and_reset_stats_keeps_entries():
    cache = LRUCache()
    cache.set("a", 1)
    cache.get("a")
    cache.get("b")
    cache.clear()
    assert (len(cache), cache.stats["hits"], cache.stats["misses"]) == (0, 1, 1)
    cache.set("a", 1)
    cache.reset_stats()
    assert (len(cache), cache.stats["hits"], cache.stats["hit_rate_percent"]) == (1, 0, 0.0)


def test_listings_are_copies_in_the_order_of_use():
    cache = LRUCache()
    for key in "abc":
        cache.set(key, key.upper())
    cache.get("a")
    assert list(cache) == cache.keys() == ["b", "c", "a"]
    assert cache.values() == ["B", "C", "A"]
    for key in cache:
        cache.delete(key)
    assert cache.items() == []


def test_stats_are_a_live_read_only_mapping_with_all_that_get_stats_has():
    cache = LRUCache(max_size=10, max_memory_mb=2)
    stats = cache.stats
    cache.set("a", 1, size_mb=1)
    cache.get("a")
    assert isinstance(stats, StatsView)
    assert isinstance(stats, Mapping)
    assert stats["hits"] == 1
    assert dict(stats) == cache.get_stats() == stats
    assert {*stats} == {*stats.keys()}
    assert len(stats) == len(cache.get_stats())
    assert stats.get("hits") == 1
    assert stats.get("none", 7) == 7
    assert "hits" in stats
    with pytest.raises(TypeError):
        stats["hits"] = 5
    with pytest.raises(KeyError):
        stats["none"]
    named = {
        "hits": 1,
        "misses": 0,
        "hit_rate_percent": 100.0,
        "evictions": 0,
        "evictions_by_count": 0,
        "evictions_by_size": 0,
        "current_items": 1,
        "current_memory_mb": 1.0,
        "max_items": 10,
        "max_memory_mb": 2.0,
        "memory_utilization_percent": 50.0,
        "max_memory_seen_mb": 1.0,
    }
    assert named.items() <= cache.get_stats().items()


def test_summaries_describe_each_entry():
    cache = LRUCache()
    before = time.time()
    cache.set("a", 1, size_mb=0.5)
    cache.get("a")
    (entry,) = cache.get_entries_summary()
    assert entry["key"] == "a"
    assert entry["size_mb"] == 0.5
    assert entry["access_count"] == 1
    assert entry["cost_seconds"] == 0.0
    assert entry["expires_at"] is None
    assert entry["expired"] is False
    assert before - 0.1 <= entry["timestamp"] <= time.time() + 0.1
    assert 0 <= entry["age_seconds"] < 60


def test_limits_change_while_it_runs():
    cache = LRUCache(max_size=10, max_memory_mb=10)
    for key in range(10):
        cache.set(key, key, size_mb=1)
    cache.update_config(max_size=5)
    assert cache.keys() == [5, 6, 7, 8, 9]
    cache.update_config(max_memory_mb=2.0, default_ttl_seconds=60)
    assert cache.keys() == [8, 9]
    assert cache.get_config() == {
        "max_size": 5,
        "max_memory_mb": 2.0,
        "default_ttl_seconds": 60.0,
    }
    cache.update_config(max_size=6)
    assert cache.default_ttl_seconds == 60.0, "what is left out stays"
    cache.update_config(default_ttl_seconds=...)
    assert cache.default_ttl_seconds == 60.0
    cache.update_config(default_ttl_seconds=None)
    assert cache.default_ttl_seconds is None
    cache.max_size = 1
    assert (cache.max_size, cache.keys()) == (1, [9])
    cache.max_memory_mb = 0.5
    assert (cache.max_memory_mb, len(cache)) == (0.5, 0)
    assert repr(cache) == (
        "LRUCache(max_size=1, max_memory_mb=0.5, default_ttl_seconds=None, current_items=0, "
        "current_memory_mb=0.000)"
    )


@pytest.mark.parametrize(
    ("argument", "value", "kind", "message"),
    [
        ("max_size", -1, ValueError, "max_size must be 0 or more, not -1"),
        ("max_size", 1.5, TypeError, r"max_size must be an int, not 1.5 \(float\)"),
        ("max_size", True, TypeError, r"max_size must be an int, not True \(bool\)"),
        ("max_size", "10", TypeError, r"max_size must be an int, not '10' \(str\)"),
        ("max_memory_mb", -0.1, ValueError, "max_memory_mb must be 0 or more, not -0.1"),
        ("max_memory_mb", float("nan"), ValueError, "max_memory_mb must be 0 or more, not nan"),
        ("max_memory_mb", "1", TypeError, r"max_memory_mb must be a number, not '1' \(str\)"),
        ("default_ttl_seconds", 0, ValueError, "default_ttl_seconds must be above 0"),
        ("default_ttl_seconds", -5, ValueError, r"above 0 \(infinity is for ever\), not -5"),
        ("default_ttl_seconds", "5", TypeError, "default_ttl_seconds must be a number"),
    ],
)
def test_limits_that_are_none_are_named(argument, value, kind, message):
    for call in (LRUCache, LRUCache().update_config, get_cache):
        with pytest.raises(kind, match=message):
            call(**{argument: value})


def test_sizes_times_and_listeners_that_are_none_are_named():
    cache = LRUCache()
    with pytest.raises(ValueError, match="size_mb must be 0 or more, not -1"):
        cache.set("a", 1, size_mb=-1)
    with pytest.raises(ValueError, match=r"ttl_seconds must be above 0 .*, not 0"):
        cache.set("a", 1, ttl_seconds=0)
    with pytest.raises(TypeError, match=r"on_evict must be callable or None, not 5 \(int\)"):
        LRUCache(on_evict=5)
    assert len(cache) == 0


def test_extremes_of_the_limits_hold():
    nothing = LRUCache(max_size=0)
    assert nothing.set("a", 1) is False
    empty = LRUCache(max_memory_mb=0)
    assert empty.set("a", 1, size_mb=0) is True
    with pytest.warns(RuntimeWarning):
        assert empty.set("b", 1) is False
    endless = LRUCache(max_size=10**30, max_memory_mb=float("inf"), default_ttl_seconds=1e300)
    assert endless.set("a", 1, size_mb=1e300) is True
    assert endless.max_memory_mb == float("inf")
    assert endless.get("a") == 1


def test_the_process_has_one_cache_until_it_is_reset():
    first = get_cache(max_size=7)
    assert get_cache() is first is get_cache(max_size=9)
    assert first.max_size == 7
    first.set("a", 1)
    clear_cache()
    assert len(first) == 0
    reset_cache()
    assert get_cache() is not first
    assert get_cache().max_size == 1000


def test_departures_are_told_once_each_with_their_cause():
    told = []
    cache = LRUCache(max_size=2, max_memory_mb=4, on_evict=lambda *event: told.append(event))
    cache.set("a", 1, size_mb=1)
    cache.set("a", 2, size_mb=1)
    cache.set("b", 3, size_mb=1)
    cache.set("c", 4, size_mb=1)
    cache.set("d", 5, size_mb=3.5)
    cache.delete("d")
    cache.set("e", 6)
    cache.clear()
    assert told == [
        ("a", 1, "replaced"),
        ("a", 2, "size_count"),
        ("b", 3, "size_bytes"),
        ("c", 4, "size_bytes"),
        ("d", 5, "removed"),
        ("e", 6, "cleared"),
    ]


def test_a_listener_that_raises_is_told_of_and_goes_on(monkeypatch):
    seen = []
    monkeypatch.setattr("sys.unraisablehook", lambda it: seen.append(it.exc_value))

    def listener(key, value, cause):
        raise RuntimeError(key)

    cache = LRUCache(on_evict=listener)
    for key in "ab":
        cache.set(key, 1)
        cache.delete(key)
    assert [str(error) for error in seen] == ["a", "b"]
    assert cache.stats["listener_errors"] == 2


def test_a_cache_in_a_cycle_is_collected():
    class Service:
        pass

    for way in ("value", "key", "listener"):
        service = Service()
        service.cache = LRUCache(
            on_evict=(lambda *_, it=service: it) if way == "listener" else None
        )
        if way == "value":
            service.cache.set("me", service, size_mb=0)
        if way == "key":
            service.cache.set(service, 1)
        gone = weakref.ref(service)
        del service
        gc.collect()
        assert gone() is None, way


def test_the_collector_finds_values_that_only_the_cache_holds():
    cache = LRUCache()
    cache.set("a", ["kept"])
    gc.collect()
    assert cache.get("a") == ["kept"]
    assert any(it is cache.get("a") for it in gc.get_referents(cache))


def test_weak_references_generics_and_subclasses_work():
    class Counted(LRUCache[str, int]):
        def set(self, key, value, **more):
            return super().set(key, value + 1, **more)

    cache = Counted(max_size=5)
    assert weakref.ref(cache)() is cache
    cache.set("a", 1)
    assert cache.get("a") == 2
    assert repr(cache).startswith("Counted(max_size=5")
    assert LRUCache[str, bytes] is not None


def test_infinity_is_for_ever_whatever_the_default():
    cache = LRUCache(default_ttl_seconds=3600)
    cache.set("short", 1)
    cache.set("long", 1, ttl_seconds=float("inf"))
    ends = {it["key"]: it["expires_at"] for it in cache.get_entries_summary()}
    assert ends["short"] is not None
    assert ends["long"] is None
    cache.update_config(default_ttl_seconds=float("inf"))
    assert cache.default_ttl_seconds is None


def test_numbers_of_numpy_are_numbers():
    cache = LRUCache(numpy.int64(7), numpy.float32(1.5), numpy.int32(60))
    config = {"max_size": 7, "max_memory_mb": 1.5, "default_ttl_seconds": 60.0}
    assert cache.get_config() == config
    assert cache.set("a", 1, size_mb=numpy.float32(1), ttl_seconds=numpy.int64(5))


def test_summaries_can_be_sent_as_json_and_do_not_change_from_look_to_look():
    class Silent:
        def __repr__(self):
            raise RuntimeError("no words")

    cache = LRUCache()
    for key in ("text", 1, 1.5, None, b"bytes", ("a", 1), Silent(), math.nan, 10**5000):
        cache.set(key, 1)
    shown = [it["key"] for it in cache.get_entries_summary()]
    told = json.loads(json.dumps(shown, allow_nan=False))
    assert told[:4] == ["text", 1, 1.5, None]
    assert told[4:6] == ["b'bytes'", "('a', 1)"]
    assert "Silent" in told[6]
    assert told[7] == "nan"
    times = {cache.get_entries_summary()[0]["timestamp"] for _ in range(1000)}
    assert max(times) - min(times) < 0.001


def test_a_refusal_is_no_error_where_warnings_are_errors(monkeypatch):
    told = []
    monkeypatch.setattr("sys.unraisablehook", lambda it: told.append(it.exc_value))
    cache = LRUCache(max_memory_mb=1)
    made = cached_result(cache=cache, size=2)(lambda: "a model")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert made() == "a model"
    assert [type(it) for it in told] == [RuntimeWarning]


def test_an_entry_lives_as_long_as_it_was_asked_to():
    cache = LRUCache()
    for _ in range(20):
        before = time.monotonic()
        cache.set("a", 1, ttl_seconds=0.02)
        while "a" in cache:
            assert time.monotonic() - before < 10
        assert time.monotonic() - before >= 0.02
    assert cache.set("b", 1, ttl_seconds=1e-10)


def test_an_interruption_while_keys_are_compared_is_not_lost(monkeypatch):
    told = []
    monkeypatch.setattr("sys.unraisablehook", lambda it: told.append(it.exc_type))

    class Key:
        compared = 0

        def __hash__(self):
            return 1

        def __eq__(self, other):
            Key.compared += 1
            if Key.compared == 2:
                raise KeyboardInterrupt
            return True

    def set_twice():
        cache = LRUCache()
        cache.set(Key(), 1)
        cache.set(Key(), 2)
        for _ in range(1000):
            pass  # at the end of each turn Python looks for signals

    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            set_twice()
    finally:
        signal.signal(signal.SIGINT, handler)
    assert told == [KeyboardInterrupt]
