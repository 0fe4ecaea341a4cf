"""Which calls of cached functions are one, and which are not."""

import functools
import io
import math
import subprocess
import sys

import pytest

from meshmemo import LRUCache, cached_result, cached_result_sync, get_cache


def runs(function):
    """Counts the runs of a function in its attribute `runs`."""

    @functools.wraps(function)
    def counted(*args, **kwargs):
        counted.runs += 1
        return function(*args, **kwargs)

    counted.runs = 0
    return counted


def identity(x):
    return x


def other(x):
    return ("other", x)


async def later(x):
    return x


def test_functions_with_the_same_arguments_never_collide():
    made = [cached_result(it) for it in (identity, other, lambda x: (1, x), lambda x: (2, x))]

    def factory(number):
        @cached_result
        def inner(x):
            return (number, x)

        return inner

    made += [
        factory(3),
        factory(4),
        cached_result(functools.partial(other)),
        cached_result(math.sqrt),
    ]
    assert [it(4) for it in made] == [
        4,
        ("other", 4),
        (1, 4),
        (2, 4),
        (3, 4),
        (4, 4),
        ("other", 4),
        2,
    ]
    assert [it(4) for it in made] == [
        4,
        ("other", 4),
        (1, 4),
        (2, 4),
        (3, 4),
        (4, 4),
        ("other", 4),
        2,
    ]
    assert len(get_cache()) == len(made)
    assert len({it.cache_key(4) for it in made}) == len(made)


def test_arguments_mean_what_the_signature_says():
    ran = []

    @cached_result
    def call(a, b=2, *, c=3):
        ran.append((a, b, c))
        return (a, b, c)

    for args, kwargs in (
        ((1,), {}),
        ((1, 2), {}),
        ((1,), {"b": 2}),
        ((), {"c": 3, "b": 2, "a": 1}),
    ):
        assert call(*args, **kwargs) == (1, 2, 3)
    assert len(ran) == 1
    assert call(1, 3) == (1, 3, 3)
    assert call(1, c=4) == (1, 2, 4)
    assert len(ran) == 3


def test_a_wrapper_is_keyed_by_what_it_is_called_with():
    def finer(function):
        @functools.wraps(function)
        def call(*args, **kwargs):
            kwargs.setdefault("quality", 9)
            return function("database", *args, **kwargs)

        return call

    @cached_result
    @finer
    def render(database, photo, *, quality=7):
        return database, photo, quality

    assert render("cup") == ("database", "cup", 9)
    assert render("cup", quality=7) == ("database", "cup", 7)
    assert render.cache_info()[:2] == (0, 2)
    assert render("cup") == ("database", "cup", 9)
    assert render.cache_info()[:2] == (1, 2)


def test_collected_arguments_are_part_of_the_key_and_named_ones_have_no_order():
    @cached_result
    @runs
    def call(a, *args, b=1, **kwargs):
        return (a, args, b, kwargs)

    different = [
        call.cache_key(1),
        call.cache_key(1, 2),
        call.cache_key(1, 2, 3),
        call.cache_key(1, (2, 3)),
        call.cache_key(1, b=2),
        call.cache_key(1, x=2),
        call.cache_key(1, x=2, y=3),
        call.cache_key(1, x=3, y=2),
        call.cache_key(1, ("x", 2)),
    ]
    assert len(set(different)) == len(different)
    assert call.cache_key(1, x=2, y=3) == call.cache_key(1, y=3, x=2)


def test_calls_that_do_not_fit_raise_as_the_function_does():
    @cached_result
    def call(a, /, b):
        return (a, b)

    for args, kwargs in (((), {}), ((1, 2, 3), {}), ((1,), {"a": 1, "b": 2}), ((1, 2), {"b": 2})):
        with pytest.raises(TypeError, match=r"call\(\)"):
            call(*args, **kwargs)
        with pytest.raises(TypeError):
            call.cache_key(*args, **kwargs)
    assert len(get_cache()) == 0


def test_types_are_told_apart_where_they_count():
    plain, typed = cached_result(identity), cached_result(typed=True)(identity)
    assert plain.cache_key(1) == plain.cache_key(1.0) == plain.cache_key(True)
    assert len({typed.cache_key(1), typed.cache_key(1.0), typed.cache_key(True)}) == 3
    assert typed.cache_key(1) != plain.cache_key(1)


def test_what_is_ignored_makes_no_difference_and_must_be_there():
    @cached_result(ignore=("log", "verbose"))
    @runs
    def call(image, log, verbose=False):
        return image

    assert call(1, "a") == call(1, "b", verbose=True) == call(1, log="c") == 1
    assert call.__wrapped__.runs == 1
    assert cached_result(ignore="x")(lambda x, y: 0).cache_key(1, 2)[1:] == (2,)
    with pytest.raises(ValueError, match="ignore names noise, but the parameters are: x"):
        cached_result(ignore="noise")(identity)


def test_two_decorations_that_ignore_different_parameters_do_not_collide():
    def pair(a, b):
        return (a, b)

    one, two = cached_result(ignore="a")(pair), cached_result(ignore="b")(pair)
    assert one(1, 2) == (1, 2)
    assert two(2, 1) == (2, 1)


def test_versions_are_part_of_the_key():
    def of_code(source):
        scope = {"__name__": "module"}
        exec(source, scope)
        return scope["call"]

    first, same = (of_code("def call(x): return x + 1") for _ in range(2))
    changed = of_code("def call(x): return x + 2")
    keys = [cached_result(version="code")(it).cache_key(1) for it in (first, same, changed)]
    digests = [identity.split("@")[1] for identity, _ in keys]
    assert digests[0] == digests[1] != digests[2]
    assert len(set(keys)) == 3, "functions of one name are still not the same"
    versions = {cached_result(version=it)(identity).cache_key(1) for it in (None, 1, 2, "1")}
    assert len(versions) == 4


def test_functions_of_one_name_do_not_collide():
    def of_a_mode(mode, function):
        @functools.wraps(function)
        def call(x):
            return mode, function(x)

        return call

    fast, slow = (cached_result(of_a_mode(mode, identity)) for mode in ("fast", "slow"))
    assert (fast(1), slow(1), fast(1)) == (("fast", 1), ("slow", 1), ("fast", 1))
    handlers = []
    for number in range(2):
        scope = {"__name__": "handlers", "number": number}
        exec("def _(x): return number", scope)
        handlers.append(cached_result(scope["_"]))
    assert [it(1) for it in handlers] == [0, 1]


def test_what_a_key_function_returns_is_the_key_verbatim():
    @cached_result(cache_key_fn=lambda image, quality=5: f"{image}-{quality}")
    @runs
    def generate(image, quality=5):
        return {"image": image}

    assert generate("cup") is generate("cup", quality=5) is get_cache().get("cup-5")
    assert generate.cache_key("cup") == "cup-5"
    get_cache().set("vase-7", "kept")
    assert generate("vase", 7) == "kept"
    by_key = cached_result(key=lambda x: ("k", x))(identity)
    assert by_key.cache_key(1) == ("k", 1)
    assert cached_result(lambda x: "positional", 60)(identity).cache_key(5) == "positional"
    with pytest.raises(TypeError, match="two names of one argument"):
        cached_result(cache_key_fn=identity, key=identity)


@pytest.mark.parametrize("decorate", [cached_result, cached_result_sync])
@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"ttl_seconds": 0}, ValueError, "ttl_seconds must be above 0, not 0"),
        (
            {"ttl_seconds": "1h"},
            TypeError,
            r"ttl_seconds must be a number or None, not '1h' \(str\)",
        ),
        ({"cache": {}}, TypeError, r"cache must be an LRUCache or None, not \{\} \(dict\)"),
        ({"condition": 5}, TypeError, "condition must be callable or None, not 5"),
        ({"cache_key_fn": "k"}, TypeError, "cache_key_fn must be callable or None, not 'k'"),
        ({"size": -1}, ValueError, "size must be 0 or more, not -1"),
        ({"cost": "x"}, TypeError, "cost must be a number or None, not 'x'"),
        ({"tll": 5}, TypeError, "tll is no setting: there are cache_key_fn, ttl_seconds, "),
        ({"enabled": "false"}, TypeError, r"enabled must be a bool, not 'false' \(str\)"),
        ({"typed": 1}, TypeError, "typed must be a bool, not 1"),
        ({"ignore": 3}, TypeError, "ignore must be names of parameters, not 3"),
        ({"ignore": ["x", 3]}, TypeError, r"ignore must be names of parameters, not \['x', 3\]"),
        ({"version": 1.5}, TypeError, "version must be a str, an int or None, not 1.5"),
        ({"key": later}, TypeError, "cache_key_fn must be `def`, and later is `async def`"),
    ],
)
def test_settings_that_are_none_are_named(decorate, settings, kind, message):
    with pytest.raises(kind, match=message):
        decorate(**settings)


def test_functions_whose_results_can_not_be_kept_are_refused_in_words():
    def generator():
        yield 1

    async def stream():
        yield 1

    async def coroutine():
        return 1

    for function in (generator, stream):
        with pytest.raises(TypeError, match=r"is a generator function.*return a list"):
            cached_result(function)
    for used_up in (generator, stream, lambda: iter([1]), lambda: map(str, [1])):
        returns = cached_result(lambda used_up=used_up: used_up())
        with pytest.raises(TypeError, match="which can be used only once"):
            returns()
    assert cached_result(lambda: io.BytesIO(b"x"))().read() == b"x"
    with pytest.raises(TypeError, match=r"`async def`: use cached_result"):
        cached_result_sync(coroutine)
    for wrapped in (classmethod(identity), staticmethod(identity), property(identity)):
        with pytest.raises(TypeError, match=f"write @{type(wrapped).__name__} above"):
            cached_result(wrapped)
    for decorate in (lambda: cached_result()(5), lambda: cached_result(5)):
        with pytest.raises(TypeError, match="decorate, not 5; settings are given by name"):
            decorate()
    with pytest.raises(TypeError, match="may be given by position, but 4"):
        cached_result(identity, 5, True, False)


def test_each_decorator_may_have_a_cache_of_its_own():
    own = LRUCache(max_size=1)
    cached = cached_result(cache=own)(identity)
    cached(1)
    cached(2)
    assert cached.cache is own
    assert (len(own), len(get_cache())) == (1, 0)


def test_text_and_bytes_are_told_apart_without_a_warning():
    program = """
import warnings
from meshmemo import LRUCache
cache = LRUCache()
warnings.simplefilter("always")
warnings.showwarning = lambda *a, **k: cache.get("other")
for key in ("abc", ("abc", 1)):
    cache.set(key, 1)
assert cache.get(b"abc") is None and cache.get((b"abc", 1)) is None
assert cache.get("abc") == cache.get(("abc", 1)) == 1
"""
    ended = subprocess.run(
        [sys.executable, "-b", "-c", program], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr


def test_tuples_of_any_depth_are_keys():
    cache = LRUCache()
    for depth in (1, 16, 17, 200):
        one, other = ((functools.reduce(lambda it, _: (it,), range(depth), "x")) for _ in range(2))
        cache.set(one, depth)
        assert cache.get(other) == depth
        assert cache.get((other, 1)) is None
    assert [cache.get(it) for it in ((1, "a"), (1.0, "a"))] == [None, None]
    cache.set((True, None, b"", 2**70), "numbers")
    assert cache.get((1.0, None, b"", float(2**70))) == "numbers"
    assert cache.get((1, None, "", 2**70)) is None


def test_an_argument_is_never_an_instance():
    class Photo:
        pass

    title = cached_result(lambda self: type(self).__name__)
    Photo.title = title
    photo = Photo()
    assert photo.title() == "Photo"
    stand_in = photo.title.cache_key()[1]
    assert title(stand_in[1]) == "int"
    assert title(stand_in) == "tuple"
