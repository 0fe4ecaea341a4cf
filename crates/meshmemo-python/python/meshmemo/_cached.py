"""The decorators ``cached_result`` and ``cached_result_sync``."""

from __future__ import annotations

import functools
import hashlib
import inspect
import itertools
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from types import CodeType, NoneType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast, overload

from meshmemo import _flights
from meshmemo._content import content_key
from meshmemo._core import Function, LRUCache, Parameters

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from meshmemo._typing import CachedFunction, Decorator, Keywords, Settings

P = ParamSpec("P")
R = TypeVar("R")

#: How many settings may be given by position.
_POSITIONAL_MAX = 3


@dataclass(frozen=True)
class Options:
    """What a decorator is given, as far as it concerns results."""

    ttl_seconds: float | None
    condition: Callable[[Any], object] | None
    cache_none: bool
    size: float | Callable[[Any], float] | None
    cost: float | Callable[[Any], float] | None


@overload
def cached_result(function: Callable[P, R], /) -> CachedFunction[P, R]: ...
@overload
def cached_result(**settings: Unpack[Settings]) -> Decorator: ...
@overload
def cached_result(
    cache_key_fn: Callable[..., Hashable] | None,
    ttl_seconds: float | None,
    enabled: bool = True,
    **keywords: Unpack[Keywords],
) -> Decorator: ...
def cached_result(*given: Any, **settings: Any) -> CachedFunction[..., Any] | Decorator:
    """Keep the results of a function, ``def`` or ``async def``: it runs once per key at a time.

    A function alone is decorated at once; everything else is given first:

    - ``cache_key_fn`` (or ``key``): makes the key of the arguments. Without it the key is made of
      the function's name and of the arguments, those without a hash by their contents.
    - ``ttl_seconds``: how long a result is kept; as the cache's default says if ``None``.
    - ``enabled``: ``False`` calls the function each time.
    - ``cache``: where results are kept, ``get_cache()`` if ``None``.
    - ``typed``: whether ``1`` and ``1.0`` are two keys.
    - ``ignore``: the names of parameters that make no difference.
    - ``condition(result)``: whether to keep it. ``cache_none``: whether to keep ``None``.
    - ``size``: what a result weighs in MB, or a function of it; measured if ``None``.
    - ``cost``: what making it costs in seconds, or a function of it; measured if ``None``.
    - ``version``: part of the key; ``"code"`` is a digest of the function's code.

    An exception reaches every caller that waits, and is not kept.
    """
    return _decorate(_cached, given, settings)


@overload
def cached_result_sync(function: Callable[P, R], /) -> CachedFunction[P, R]: ...
@overload
def cached_result_sync(**settings: Unpack[Settings]) -> Decorator: ...
@overload
def cached_result_sync(
    cache_key_fn: Callable[..., Hashable] | None,
    ttl_seconds: float | None,
    enabled: bool = True,
    **keywords: Unpack[Keywords],
) -> Decorator: ...
def cached_result_sync(*given: Any, **settings: Any) -> CachedFunction[..., Any] | Decorator:
    """Do what ``cached_result`` does, and refuse what is no plain ``def``."""
    return _decorate(_cached_sync, given, settings)


def _decorate(
    decorate: Callable[..., Any], given: tuple[Any, ...], settings: dict[str, Any]
) -> CachedFunction[..., Any] | Decorator:
    """Decorate at once where a function is all that is given."""
    if len(given) == 1 and not settings and given[0] is not None:
        return cast("CachedFunction[..., Any]", decorate(given[0], *_settings()))
    _check_names(given, settings)
    checked = _settings(*given, **settings)
    return cast("Decorator", functools.partial(_apply, decorate, checked))


def _apply(decorate: Callable[..., Any], checked: tuple[Any, ...], function: Any, /) -> Any:
    return decorate(function, *checked)


@dataclass(frozen=True)
class _Keying:
    """What a decorator is given, as far as it concerns keys and where they are."""

    key: Callable[..., Hashable] | None
    cache: LRUCache[Any, Any] | None
    enabled: bool
    typed: bool
    ignore: frozenset[str]
    version: str | int | None


def _settings(
    cache_key_fn: Callable[..., Hashable] | None = None,
    ttl_seconds: float | None = None,
    enabled: bool = True,
    *,
    key: Callable[..., Hashable] | None = None,
    cache: LRUCache[Any, Any] | None = None,
    typed: bool = False,
    ignore: str | Iterable[str] = (),
    condition: Callable[[Any], object] | None = None,
    cache_none: bool = False,
    size: float | Callable[[Any], float] | None = None,
    cost: float | Callable[[Any], float] | None = None,
    version: str | int | None = None,
) -> tuple[_Keying, Options]:
    """Check everything that can be checked before there is a function."""
    for name, flag in (("enabled", enabled), ("typed", typed), ("cache_none", cache_none)):
        _check_flag(name, flag)
    if cache_key_fn is not None and key is not None:
        raise TypeError("cache_key_fn and key are two names of one argument: give one of them")
    key = key if cache_key_fn is None else cache_key_fn
    _check_callable("cache_key_fn", key)
    if inspect.iscoroutinefunction(key):
        raise TypeError(f"cache_key_fn must be `def`, and {_name_of(key)} is `async def`")
    _check_callable("condition", condition)
    _check_cache(cache)
    _check_number("ttl_seconds", ttl_seconds, above_zero=True)
    if not callable(size):
        _check_number("size", size)
    if not callable(cost):
        _check_number("cost", cost)
    names = _names(ignore)
    if isinstance(version, bool) or not isinstance(cast("object", version), (str, int, NoneType)):
        raise TypeError(f"version must be a str, an int or None, not {version!r}")
    keying = _Keying(key, cache, enabled, typed, names, version)
    return keying, Options(ttl_seconds, condition, cache_none, size, cost)


def _check_names(given: tuple[Any, ...], settings: dict[str, Any]) -> None:
    known = list(inspect.signature(_settings).parameters)
    unknown = [name for name in settings if name not in known]
    if unknown:
        raise TypeError(f"{unknown[0]} is no setting: there are {', '.join(known)}")
    if len(given) > _POSITIONAL_MAX:
        raise TypeError(
            f"cache_key_fn, ttl_seconds and enabled may be given by position, but {len(given)} "
            "arguments are"
        )


def _check_flag(name: str, given: object) -> None:
    if not isinstance(given, bool):
        raise TypeError(f"{name} must be a bool, not {given!r} ({type(given).__name__})")


def _names(ignore: object) -> frozenset[str]:
    names = [ignore] if isinstance(ignore, str) else ignore
    if isinstance(names, Iterable):
        names = frozenset(cast("Iterable[object]", names))
        if all(isinstance(name, str) for name in names):
            return cast("frozenset[str]", names)
    raise TypeError(f"ignore must be names of parameters, not {ignore!r}")


def _check_cache(given: object) -> None:
    if given is not None and not isinstance(given, LRUCache):
        raise TypeError(
            f"cache must be an LRUCache or None, not {given!r} ({type(given).__name__})"
        )


def _check_callable(name: str, given: object) -> None:
    if given is not None and not callable(given):
        raise TypeError(f"{name} must be callable or None, not {given!r} ({type(given).__name__})")


def _check_number(name: str, given: object, *, above_zero: bool = False) -> None:
    if given is None:
        return
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise TypeError(f"{name} must be a number or None, not {given!r} ({type(given).__name__})")
    try:
        float(given)
    except OverflowError:
        raise ValueError(f"{name} is too large") from None
    if not (given > 0 if above_zero else given >= 0):
        raise ValueError(
            f"{name} must be {'above 0' if above_zero else '0 or more'}, not {given!r}"
        )


def _cached_sync(function: Callable[..., Any], keying: _Keying, options: Options) -> Function:
    if _is_async(function):
        raise TypeError(
            f"cached_result_sync is for `def`, and {_name_of(function)} is `async def`: "
            "use cached_result"
        )
    return _cached(function, keying, options)


def _cached(function: Callable[..., Any], keying: _Keying, options: Options) -> Function:
    _refuse_what_can_not_be_kept(function)
    is_async = _is_async(function)
    cached = Function(
        function,
        identity=_identity(function, keying),
        parameters=_parameters(function, keying),
        key_fn=keying.key,
        cache=keying.cache,
        on_hit=_ready if is_async else None,
        on_miss=_flights.run_async if is_async else _flights.run,
        is_enabled=keying.enabled,
        is_method=_is_method(function),
    )
    functools.update_wrapper(cached, function)
    cached.__qualname__ = _name_of(function)
    cached._options = options
    cached.cache_parameters = lambda: {**vars(keying), **vars(options)}
    # What `inspect` goes by where it asks whether a function is a coroutine function.
    for name in ("__code__", "__defaults__", "__kwdefaults__"):
        if hasattr(function, name):
            setattr(cached, name, getattr(function, name))
    return cached


def _is_async(function: Any) -> bool:
    """Return whether calls are to be awaited, those of objects with a `__call__` too."""
    is_object = not inspect.isroutine(function) and not inspect.isclass(function)
    return inspect.iscoroutinefunction(function) or (
        is_object and callable(function) and inspect.iscoroutinefunction(function.__call__)
    )


def _is_method(function: Any) -> bool:
    """Return whether the first argument is an instance, as far as can be told from here.

    What stands in a class under its own name is told so by the class.
    """
    owner = _name_of(function).rpartition("<locals>.")[2].rpartition(".")[0]
    return bool(owner) and next(iter(_signature(function).parameters), None) == "self"


async def _ready(value: R) -> R:
    return value


def _refuse_what_can_not_be_kept(function: Any) -> None:
    kind = type(function).__name__
    if kind in ("classmethod", "staticmethod", "property"):
        raise TypeError(f"write @{kind} above the decorator of the cache, so that it comes last")
    if not callable(function):
        raise TypeError(
            f"a function is needed to decorate, not {function!r}; settings are given by name"
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(
            f"{_name_of(function)} is a generator function, and what it yields can be used only "
            "once: return a list, or cache the function that makes each item"
        )


#: Numbers for the functions of each name: several may have one (lambdas, functions that functions
#: make or wrap, those of a module that is loaded again).
_numbers: dict[str, itertools.count[int]] = {}


def _identity(function: Callable[..., Any], keying: _Keying) -> str:
    """Return what tells the function from all others in the cache."""
    name = f"{getattr(function, '__module__', None)}.{_name_of(function)}"
    number = next(_numbers.setdefault(name, itertools.count(1)))
    parts = [name if number == 1 else f"{name}#{number}"]
    if keying.ignore:
        parts.append("-" + ",".join(sorted(keying.ignore)))
    if keying.version is not None:
        is_code = keying.version == "code"
        parts.append(f"@{_code_digest(function) if is_code else keying.version!r}")
    return "".join(parts)


def _name_of(function: Any) -> str:
    return str(getattr(function, "__qualname__", None) or type(function).__qualname__)


def _code_digest(function: Callable[..., Any]) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None)
    if not isinstance(code, CodeType):
        raise TypeError(f'version="code" is for functions written in Python, not {function!r}')
    digest = hashlib.blake2b(digest_size=8)
    codes = [code]
    while codes:
        code = codes.pop()
        constants = [it for it in code.co_consts if not isinstance(it, CodeType)]
        digest.update(repr((code.co_code, constants, code.co_names)).encode())
        codes.extend(it for it in code.co_consts if isinstance(it, CodeType))
    return digest.hexdigest()


def _parameters(function: Callable[..., Any], keying: _Keying) -> Parameters:
    # What a wrapper is called with need not be what it calls with, unless the caller says so by the
    # names of what is called.
    signature = _signature(function, follow_wrapped=bool(keying.ignore))
    parameters = list(signature.parameters.values())
    kinds = inspect.Parameter
    named = [it for it in parameters if it.kind not in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)]
    unknown = keying.ignore - {it.name for it in named}
    if unknown:
        has = ", ".join(it.name for it in named) or "none"
        raise ValueError(
            f"ignore names {', '.join(sorted(unknown))}, but the parameters are: {has}"
        )
    return Parameters(
        names=[it.name for it in named],
        positional_count=sum(it.kind is not kinds.KEYWORD_ONLY for it in named),
        positional_only_count=sum(it.kind is kinds.POSITIONAL_ONLY for it in named),
        defaults=[None if it.default is kinds.empty else (it.default,) for it in named],
        ignored=[it.name in keying.ignore for it in named],
        collects_positional=any(it.kind is kinds.VAR_POSITIONAL for it in parameters),
        collects_named=any(it.kind is kinds.VAR_KEYWORD for it in parameters),
        is_typed=keying.typed,
        content_key=content_key,
    )


def _signature(function: Callable[..., Any], *, follow_wrapped: bool = False) -> inspect.Signature:
    """Return what the function itself takes, or what the one that it wraps takes."""
    try:
        return inspect.signature(function, follow_wrapped=follow_wrapped)
    except (TypeError, ValueError):
        return inspect.signature(_anything)


def _anything(*_args: Any, **_kwargs: Any) -> None:
    """Has the signature of functions that tell none."""


def bound_signature(function: Callable[..., Any]) -> inspect.Signature:
    """Return a method's signature as its instance shows it."""
    signature = inspect.signature(function)
    return signature.replace(parameters=list(signature.parameters.values())[1:])
