"""What a cached function is besides its key: what it keeps, tells, and how it is bound."""

import asyncio
import copy
import dataclasses
import gc
import inspect
import pickle
import weakref

import numpy
import pytest

from meshmemo import LRUCache, cached_result, cached_result_sync, get_cache


@cached_result
def module_level(x, y=1):
    """Add."""
    return x + y


@cached_result
async def module_level_async(x):
    return x


def test_a_function_is_decorated_bare_and_with_arguments():
    for decorate in (
        cached_result,
        cached_result(),
        cached_result_sync,
        cached_result(ttl_seconds=9),
    ):
        assert decorate(lambda x: [x])(1) == [1]
    value = module_level(1)
    assert module_level(1) is value


def test_it_looks_like_the_function():
    assert module_level.__name__ == "module_level"
    assert module_level.__qualname__ == "module_level"
    assert module_level.__module__ == __name__
    assert module_level.__doc__ == "Add."
    assert str(inspect.signature(module_level)) == "(x, y=1)"
    assert module_level.__wrapped__(2, 3) == 5
    assert not inspect.iscoroutinefunction(module_level)
    assert inspect.iscoroutinefunction(module_level_async)
    assert asyncio.iscoroutinefunction(module_level_async)
    assert "module_level" in repr(module_level)


def test_it_is_pickled_and_copied_by_reference():
    for function in (module_level, module_level_async):
        assert pickle.loads(pickle.dumps(function)) is function
        assert copy.copy(function) is function is copy.deepcopy(function)


def test_it_tells_and_forgets_what_it_has_made():
    get_cache().set("another's", 1)
    module_level.cache_clear()
    for x in (1, 1, 2):
        module_level(x)
    assert module_level.cache_info() == (1, 2, 1000, 2)
    hits, misses, maxsize, currsize = module_level.cache_info()
    assert (hits, misses, maxsize, currsize) == (1, 2, 1000, 2)
    assert module_level.cache_contains(1)
    assert module_level.cache_contains(x=1, y=1)
    assert not module_level.cache_contains(3)
    assert get_cache().get(module_level.cache_key(1)) == 2
    assert module_level.cache_invalidate(1) is True
    assert module_level.cache_invalidate(1) is False
    module_level.cache_clear()
    assert module_level.cache_info() == (0, 0, 1000, 0)
    assert get_cache().keys() == ["another's"]


def test_a_cleared_function_forgets_verbatim_keys_too():
    cached = cached_result(cache_key_fn=lambda x: f"k{x}")(lambda x: x)
    cached(1)
    get_cache().set("k2", 2)
    cached.cache_clear()
    assert get_cache().keys() == ["k2"]


def test_parameters_are_told():
    cached = cached_result(ttl_seconds=5, typed=True, ignore="x")(lambda x: x)
    told = cached.cache_parameters()
    assert (told["ttl_seconds"], told["typed"], told["ignore"]) == (5, True, frozenset({"x"}))


def test_none_is_kept_where_it_is_asked_for():
    runs = []
    plain = cached_result(lambda x: runs.append(x))
    keeps = cached_result(cache_none=True)(lambda x: runs.append(x))
    for _ in range(2):
        assert plain(1) is None
        assert keeps(2) is None
    assert runs == [1, 2, 1]


def test_conditions_sizes_costs_and_times_are_of_the_result():
    cache = LRUCache(max_memory_mb=10)
    cached = cached_result(
        cache=cache, condition=lambda it: it > 1, size=lambda it: it / 2, cost=3
    )(lambda x: x)
    assert (cached(1), cached(1), cached(4)) == (1, 1, 4)
    (entry,) = cache.get_entries_summary()
    assert entry["size_mb"] == 2.0
    assert entry["cost_seconds"] == 3.0
    fixed = cached_result(cache=cache, size=0.5, ttl_seconds=60)(lambda x: x)
    fixed(1)
    entry = cache.get_entries_summary()[-1]
    assert entry["size_mb"] == 0.5
    assert entry["expires_at"] - entry["timestamp"] == pytest.approx(60, abs=0.01)


def test_callbacks_that_raise_are_the_calls_error_and_keep_nothing():
    def broken(_):
        raise RuntimeError("broken")

    for name in ("condition", "size", "cost"):
        cached = cached_result(**{name: broken})(lambda x: x)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="broken"):
                cached(1)
    assert len(get_cache()) == 0


def test_a_result_too_large_to_keep_is_still_returned():
    cache = LRUCache(max_memory_mb=1)
    cached = cached_result(cache=cache, size=2)(lambda x: x)
    with pytest.warns(RuntimeWarning, match="not kept"):
        assert cached(1) == 1
    assert cached(1) == 1
    assert cache.stats["rejected"] == 2


def test_it_can_be_switched_off():
    runs = []
    cached = cached_result(enabled=False)(lambda x: runs.append(x) or [x])
    assert cached(1) == cached(1) == [1]
    assert runs == [1, 1]
    assert cached.cache_info().misses == 0


class Service:
    made = 0

    @cached_result
    def method(self, x, y=1):
        Service.made += 1
        return (id(self), x, y)

    @cached_result
    async def method_async(self, x):
        Service.made += 1
        return (id(self), x)

    @classmethod
    @cached_result
    def of_class(cls, x):
        return (cls, x)

    @staticmethod
    @cached_result
    def of_none(x):
        return ("none", x)

    @cached_result(ignore="self")
    def shared(self, x):
        return x


class Child(Service):
    pass


def test_methods_are_kept_for_each_instance():
    one, two = Service(), Service()
    assert one.method(1) == (id(one), 1, 1)
    assert one.method(1) is one.method(x=1) is Service.method(one, 1)
    assert two.method(1) == (id(two), 1, 1)
    assert one.method.cache_key(1) != two.method.cache_key(1)
    assert one.method.cache_contains(1)
    assert one.method.cache_invalidate(1)
    assert not Service.method.cache_contains(one, 1)
    assert two.method.cache_contains(1)
    assert str(inspect.signature(one.method)) == "(x, y=1)"
    assert one.method == one.method
    assert one.method != two.method
    assert len({one.method, two.method, one.method}) == 2
    assert one.method.__self__ is one
    assert one.method.__name__ == "method"
    assert "Service.method" in repr(one.method)
    assert Service.of_class(1) == (Service, 1)
    assert Child.of_class(1) == (Child, 1)
    assert one.of_none(1) == Service.of_none(1) == ("none", 1)
    assert one.shared.cache_key(1) == two.shared.cache_key(1)


def test_async_methods_are_too():
    one, two = Service(), Service()

    async def use():
        first = await one.method_async(1)
        assert await one.method_async(1) is first
        assert await two.method_async(1) == (id(two), 1)
        assert one.method_async.cache_contains(1)
        assert inspect.iscoroutinefunction(one.method_async)

    asyncio.run(use())


def test_methods_do_not_keep_their_instance_alive_and_no_other_one_gets_its_results():
    keys = set()
    for _ in range(100):
        service = Service()
        gone = weakref.ref(service)
        assert service.method(1)[0] == id(service)
        keys.add(service.method.cache_key(1))
        del service
        assert gone() is None
    assert len(keys) == 100
    gc.collect()


def test_an_instance_no_weak_reference_points_at_stands_for_itself():
    class Point(tuple):
        __slots__ = ()

        @cached_result
        def total(self):
            return sum(self)

    class Other(Point):
        __slots__ = ()

    assert Point((1, 2)).total() == Point((1, 2)).total() == 3
    assert Point.total.cache_info().hits == 1
    assert Other((1, 2)).total() == 3
    assert Point.total.cache_info().hits == 1, "another class is another value"

    @dataclasses.dataclass(slots=True)
    class Plain:
        items: list

        @cached_result
        def total(self):
            return sum(self.items)

    one, equal = Plain([1]), Plain([1])
    assert one.total() == equal.total() == one.total() == 1
    assert Plain.total.cache_info()[:2] == (1, 2)


def test_a_function_that_becomes_an_attribute_stays_a_function():
    @cached_result
    def total(numbers):
        return sum(numbers)

    class Settings:
        fn = total

    assert total([1, 2]) == 3
    assert Settings.fn([1, 3]) == 4
    numbers = numpy.array([1, 2])
    assert total(numbers) == 3
    numbers[0] = 100
    assert total(numbers) == 102


def test_a_property_is_kept_for_each_instance():
    class Photo:
        def __init__(self, name):
            self.name = name

        def __eq__(self, other):
            return True

        __hash__ = None

        @property
        @cached_result
        def title(self):
            return self.name.title()

    one, other = Photo("cup"), Photo("shoe")
    assert (one.title, other.title, one.title) == ("Cup", "Shoe", "Cup")
    gone = weakref.ref(one)
    del one
    gc.collect()
    assert gone() is None


class Pickled:
    @cached_result
    def method(self):
        return type(self).__name__

    def __eq__(self, other):
        return type(self) is type(other)

    __hash__ = None


def test_a_bound_method_is_pickled_by_its_instance_and_name():
    method = pickle.loads(pickle.dumps(Pickled().method))
    assert method() == "Pickled"
    assert isinstance(method.__self__, Pickled)


def test_a_subclass_may_take_other_arguments():
    left = []

    class Named(LRUCache):
        def __init__(self, name, **limits):
            super().__init__(on_evict=lambda *told: left.append((self.name, *told)), **limits)
            self.name = name

    cache = Named("models", max_size=1)
    cache.set("a", 1)
    cache.set("b", 2)
    assert cache.get_config()["max_size"] == 1
    assert left == [("models", "a", 1, "size_count")]
    with pytest.raises(ValueError, match="max_size must be 0 or more"):
        Named("models", max_size=-1)
    with pytest.raises(TypeError, match="argument 'size'"):
        LRUCache(size=5)
    with pytest.raises(TypeError, match="on_evict must be given when the cache is made"):
        LRUCache().__init__(on_evict=print)
