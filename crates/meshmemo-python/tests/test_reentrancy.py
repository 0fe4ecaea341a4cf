"""Python code that the cache runs may use it; what could hang runs in a process of its own."""

import subprocess
import sys
import textwrap

import pytest

from meshmemo import LRUCache

SECONDS = 60


def run(program: str) -> str:
    command = [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(program)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_keys_may_use_the_cache_while_they_are_hashed_and_compared():
    run(
        """
        from meshmemo import LRUCache
        cache = LRUCache(max_size=3)
        class Key:
            def __init__(self, name): self.name = name
            def __hash__(self):
                cache.set("hashed", 1)
                return 7
            def __eq__(self, other):
                cache.set(("compared", self.name), 1)
                cache.get("hashed")
                cache.clear() if self.name == "clears" else None
                return isinstance(other, Key) and self.name == other.name
        for name in ("a", "b", "a", "clears", "c", "a"):
            cache.set(Key(name), name)
            assert cache.get(Key(name)) in (name, None)
            cache.delete(Key("b"))
        """
    )


def test_destructors_and_listeners_may_use_the_cache():
    run(
        """
        from meshmemo import LRUCache
        told = []
        def listen(key, value, cause):
            told.append(key)
            if isinstance(key, int) and key < 100:
                cache.set(("told", key), key)
                cache.get(key)
        cache = LRUCache(max_size=5, on_evict=listen)
        class Value:
            def __init__(self, number): self.number = number
            def __del__(self):
                cache.get(self.number)
                cache.set("last", self.number)
        for number in range(200):
            cache.set(number, Value(number))
            cache.set(number, Value(number))
        cache.update_config(max_size=1)
        cache.clear()
        assert told
        """
    )


def test_sizes_may_use_the_cache():
    run(
        """
        from meshmemo import LRUCache
        cache = LRUCache()
        class Value:
            @property
            def nbytes(self):
                cache.set("inner", 1)
                return 1024
        cache.set("outer", Value())
        assert cache.stats["current_items"] == 2
        """
    )


def test_the_collector_may_run_at_any_time():
    run(
        """
        import gc
        from meshmemo import LRUCache
        gc.set_threshold(1)
        cache = LRUCache(max_size=50)
        class Node:
            def __init__(self, number): self.number, self.me = number, self
            def __del__(self): cache.set(("gone", self.number), [self.number])
        for number in range(2000):
            cache.set((number, str(number)), Node(number))
            cache.get((number // 2, str(number // 2)))
            cache.items()
        """
    )


def test_a_destructor_at_the_end_of_the_interpreter_does_not_hang():
    run(
        """
        import meshmemo
        class Value:
            def __del__(self):
                meshmemo.get_cache().get("a")
        meshmemo.get_cache().set("a", Value())
        @meshmemo.cached_result
        def made(): return Value()
        made()
        """
    )


def test_a_forked_child_uses_its_copy_and_waits_for_nobody():
    assert "child: 2" in run(
        """
        import os, sys, threading
        from meshmemo import cached_result, get_cache
        started, go_on = threading.Event(), threading.Event()
        pid = os.getpid()
        @cached_result
        def slow(x):
            if os.getpid() == pid:
                started.set()
                go_on.wait(30)
            return x + 1
        busy = [threading.Thread(target=lambda: [get_cache().set(n, n) for n in range(20000)])]
        busy += [threading.Thread(target=slow, args=(1,)) for _ in range(3)]
        [thread.start() for thread in busy]
        started.wait(30)
        child = os.fork()
        if child == 0:
            get_cache().set("in child", 1)
            print("child:", slow(1), flush=True)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        go_on.set()
        [thread.join() for thread in busy]
        assert status == 0 and get_cache().get("in child") is None
        assert slow(1) == 2
        """
    )


def test_other_interpreters_are_refused_in_words():
    interpreters = pytest.importorskip("_xxsubinterpreters", reason="of CPython 3.10 to 3.12")
    inside = "\n".join(
        [
            "try:",
            "    import meshmemo",
            "except ImportError as error:",
            "    assert 'subinterpreter' in str(error), error",
            "else:",
            "    raise SystemExit('it was imported')",
        ]
    )
    assert interpreters
    program = f"""
        import _xxsubinterpreters as interpreters
        import meshmemo
        interpreters.run_string(interpreters.create(), {inside!r})
        print("refused")
    """
    assert "refused" in run(program)


def test_what_hash_and_eq_raise_is_passed_on_and_nothing_is_changed():
    class Broken:
        def __init__(self, number):
            self.number = number

        def __hash__(self):
            return 7

        def __eq__(self, other):
            raise RuntimeError(f"{self.number} is not compared")

    class Unhashable:
        def __hash__(self):
            raise RuntimeError("no hash")

    cache = LRUCache()
    first, second = Broken(1), Broken(2)
    cache.set(first, 1)
    assert cache.get(first) == 1, "the same object is not compared"
    for use in (cache.get, cache.peek, cache.delete, cache.pop, cache.__contains__):
        with pytest.raises(RuntimeError, match="not compared"):
            use(second)
    with pytest.raises(RuntimeError, match="not compared"):
        cache.set(second, 2)
    assert cache.items() == [(first, 1)]
    for use in (cache.get, cache.delete, lambda key: cache.set(key, 1)):
        with pytest.raises(RuntimeError, match="no hash"):
            use(Unhashable())
