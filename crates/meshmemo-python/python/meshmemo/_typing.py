"""What the decorators take and return, as type checkers see it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Literal,
    NamedTuple,
    ParamSpec,
    Protocol,
    TypedDict,
    TypeVar,
    overload,
)

if TYPE_CHECKING:
    from meshmemo._core import LRUCache

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")
R_co = TypeVar("R_co", covariant=True)


class CacheInfo(NamedTuple):
    """What became of a function's calls, in the form of ``functools``.

    ``hits`` counts the calls that did not run the function, those that waited for another call
    included; ``misses`` those that did. ``maxsize`` is the cache's limit on entries, ``currsize``
    how many of them this function has made.
    """

    hits: int
    misses: int
    maxsize: int
    currsize: int


class BoundFunction(Protocol[P, R_co]):
    """A cached method with its instance."""

    __name__: str
    __qualname__: str

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    def cache_key(self, *args: P.args, **kwargs: P.kwargs) -> Hashable: ...
    def cache_contains(self, *args: P.args, **kwargs: P.kwargs) -> bool: ...
    def cache_invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool: ...
    def cache_info(self) -> CacheInfo: ...
    def cache_clear(self) -> None: ...
    def cache_parameters(self) -> dict[str, Any]: ...
    @property
    def cache(self) -> LRUCache[Any, Any]: ...


class CachedFunction(Protocol[P, R_co]):
    """A function whose results are kept."""

    __name__: str
    __qualname__: str

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    def cache_key(self, *args: P.args, **kwargs: P.kwargs) -> Hashable:
        """Return the key under which the result of such a call stands in ``cache``."""
        ...

    def cache_contains(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Return whether such a call would be a hit now; counts and uses nothing."""
        ...

    def cache_invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Remove the result of such a call, and return whether there was one.

        A run that is under way will not bring it back.
        """
        ...

    def cache_info(self) -> CacheInfo:
        """Return what became of the calls since the last ``cache_clear``."""
        ...

    def cache_clear(self) -> None:
        """Remove what this function has made, and set its counters to zero.

        Runs that are under way will not bring theirs back.
        """
        ...

    def cache_parameters(self) -> dict[str, Any]:
        """Return the arguments that the decorator was given."""
        ...

    @property
    def cache(self) -> LRUCache[Any, Any]:
        """The cache that the results are in now."""
        ...

    @property
    def __wrapped__(self) -> Callable[P, R_co]: ...
    @overload
    def __get__(
        self, instance: None, owner: type[Any] | None = None, /
    ) -> CachedFunction[P, R_co]: ...
    @overload
    def __get__(
        self: CachedFunction[Concatenate[S, Q], R], instance: S, owner: type[Any] | None = None, /
    ) -> BoundFunction[Q, R]: ...


class Decorator(Protocol):
    """What ``cached_result(...)`` returns."""

    def __call__(self, function: Callable[P, R], /) -> CachedFunction[P, R]: ...


class Keywords(TypedDict, total=False):
    """What is given to the decorators by name only."""

    key: Callable[..., Hashable] | None
    cache: LRUCache[Any, Any] | None
    typed: bool
    ignore: str | Iterable[str]
    condition: Callable[[Any], object] | None
    cache_none: bool
    size: float | Callable[[Any], float] | None
    cost: float | Callable[[Any], float] | None
    version: str | int | Literal["code"] | None


class Settings(Keywords, total=False):
    """What is given to the decorators by name."""

    cache_key_fn: Callable[..., Hashable] | None
    ttl_seconds: float | None
    enabled: bool
