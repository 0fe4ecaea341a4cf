from collections.abc import Callable, Hashable, Iterator, Mapping
from types import EllipsisType
from typing import Any, Generic, TypeVar, overload

from meshmemo._cached import Options
from meshmemo._typing import CacheInfo

__version__: str

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
D = TypeVar("D")

class LRUCache(Generic[K, V]):
    """An exact LRU cache of any Python objects, bounded in entries and in bytes at every moment.

    Values come back by identity. It may be used by many threads, and by what it calls itself:
    ``__hash__``, ``__eq__``, destructors and ``on_evict`` run while no lock is held.
    """

    max_size: int
    max_memory_mb: float
    default_ttl_seconds: float | None
    def __init__(
        self,
        max_size: int = 1000,
        max_memory_mb: float = 512.0,
        default_ttl_seconds: float | None = None,
        *,
        on_evict: Callable[[K, V, str], object] | None = None,
    ) -> None:
        """Make an empty cache.

        ``max_size``: entries, 0 or more. ``max_memory_mb``: MB (1,048,576 bytes) that all values
        together may take, 0 or more. ``default_ttl_seconds``: how long an entry lives that brings
        no time of its own, above 0; ``None`` and infinity are for ever.
        ``on_evict(key, value, cause)`` is called once for each entry that leaves; ``cause`` is
        ``size_count``, ``size_bytes``, ``expired``, ``replaced``, ``removed`` or ``cleared``. What
        it raises goes to ``sys.unraisablehook``.

        Raises ``TypeError`` or ``ValueError`` that names the argument and the value.
        """

    @overload
    def get(self, key: K) -> V | None: ...
    @overload
    def get(self, key: K, default: D) -> V | D:
        """Return a value, which becomes the most recently used, or the default; counts either."""

    @overload
    def peek(self, key: K) -> V | None: ...
    @overload
    def peek(self, key: K, default: D) -> V | D:
        """Return a value or the default; changes neither order nor counters."""

    def set(
        self,
        key: K,
        value: V,
        size_mb: float | None = None,
        ttl_seconds: float | None = None,
    ) -> bool:
        """Keep a value, and evict first what must leave for it; return whether it is kept.

        ``size_mb``: what it weighs, measured if ``None``. ``ttl_seconds``: how long it lives, as
        the cache's default says if ``None``, for ever if infinite.

        A value larger than the whole cache is refused: ``False``, a count in ``stats["rejected"]``,
        and a ``RuntimeWarning`` for the first one. What stood under the key has left all the same.
        """

    def delete(self, key: K) -> bool:
        """Remove an entry, and return whether there was one."""

    @overload
    def pop(self, key: K) -> V: ...
    @overload
    def pop(self, key: K, default: D) -> V | D:
        """Remove an entry and return its value, or the default; without one raise ``KeyError``."""

    def clear(self) -> int:
        """Remove every entry, and return how many there were; counters stay."""

    def keys(self) -> list[K]:
        """List the keys, the least recently used first."""

    def values(self) -> list[V]:
        """List the values, the least recently used first."""

    def items(self) -> list[tuple[K, V]]:
        """List keys and values, the least recently used first."""

    def get_entries_summary(self) -> list[dict[str, Any]]:
        """Describe each entry, the least recently used first.

        ``key`` (text, a number or ``None`` as it is, all else as its ``repr()``), ``size_mb``,
        ``timestamp`` (Unix seconds), ``age_seconds``, ``access_count``,
        ``cost_seconds`` (what making it took, of a decorated function), ``expires_at`` (Unix
        seconds or ``None``), ``expired`` (``False``: what is over has left).
        """

    def get_stats(self) -> dict[str, Any]:
        """Return all counters, and what they are read against, at one moment."""

    @property
    def stats(self) -> StatsView:
        """The same as a live, read-only mapping."""

    def reset_stats(self) -> None:
        """Set all counters to zero; entries stay."""

    def get_config(self) -> dict[str, Any]:
        """Return ``max_size``, ``max_memory_mb`` and ``default_ttl_seconds``."""

    def update_config(
        self,
        max_size: int | None = None,
        max_memory_mb: float | None = None,
        default_ttl_seconds: float | EllipsisType | None = ...,
    ) -> None:
        """Change limits, and evict before returning what no longer fits them.

        What is left out stays as it is; ``default_ttl_seconds=None`` is no time to live, and holds
        for entries to come.
        """

    def __len__(self) -> int: ...
    def __contains__(self, key: object) -> bool: ...
    def __iter__(self) -> Iterator[K]: ...
    def __getitem__(self, key: K) -> V: ...
    def __setitem__(self, key: K, value: V) -> None: ...
    def __delitem__(self, key: K) -> None: ...

class StatsView(Mapping[str, Any]):
    """A live view of a cache's counters."""

    def __getitem__(self, name: str) -> Any: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...

def get_cache(
    max_size: int = 1000,
    max_memory_mb: float = 512.0,
    default_ttl_seconds: float | None = None,
) -> LRUCache[Any, Any]:
    """Return the process-wide cache; the first call makes it, with its arguments."""

def reset_cache() -> None:
    """Forget the process-wide cache: the next ``get_cache`` makes another one."""

def measure(value: object, /) -> int:
    """Return how many bytes a value takes, as ``LRUCache.set`` measures it."""

def shown(key: object, /) -> str | int | float | None: ...

class Marker:
    def __new__(cls, name: str, /) -> Marker: ...

class Parameters:
    def __new__(
        cls,
        *,
        names: list[str],
        positional_count: int,
        positional_only_count: int,
        defaults: list[tuple[Any] | None],
        ignored: list[bool],
        collects_positional: bool,
        collects_named: bool,
        is_typed: bool,
        content_key: Callable[[object], Hashable],
    ) -> Parameters: ...

class Function:
    function: Callable[..., Any]
    _options: Options
    cache_parameters: Callable[[], dict[str, Any]]
    __qualname__: str
    def __new__(
        cls,
        function: Callable[..., Any],
        *,
        identity: str,
        parameters: Parameters,
        key_fn: Callable[..., Hashable] | None,
        cache: LRUCache[Any, Any] | None,
        on_hit: Callable[[Any], Any] | None,
        on_miss: Callable[..., Any],
        is_enabled: bool,
        is_method: bool,
    ) -> Function: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    def begin(self, key: Hashable) -> tuple[Any] | Lead | Follow: ...
    @property
    def cache(self) -> LRUCache[Any, Any]: ...
    def cache_info(self) -> CacheInfo: ...

class Lead:
    flight: int
    def keep(
        self,
        value: Any,
        *,
        size_mb: float | None,
        ttl_seconds: float | None,
        cost_seconds: float | None,
    ) -> None: ...
    def give(self, value: Any) -> None: ...
    def fail(self, error: object) -> None: ...
    def hand_over(self) -> None: ...

class Follow:
    flight: int
    is_led_by_this_thread: bool
    def notify(self, callback: Callable[[], None]) -> bool: ...
    def settle(self) -> tuple[Any, Any] | None: ...
    def bypass(self) -> None: ...
