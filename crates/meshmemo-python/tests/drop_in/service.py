"""A service as they are: it imports a cache of its own, keeps its results there and tells of it."""

import asyncio
import hashlib
import threading

from cache_decorator import cached_result, cached_result_sync
from cache_manager import clear_cache, get_cache

cache = get_cache(max_size=4, max_memory_mb=64.0, default_ttl_seconds=3600)
ran = []


def model_key(photo, quality=7, **_options):
    return f"model_{hashlib.md5(photo).hexdigest()}_{quality}"


class Processor:
    def __init__(self):
        self.cache = get_cache()
        self.lock = threading.Lock()

    @cached_result(cache_key_fn=lambda self, photo, quality=7: model_key(photo, quality))
    async def generate(self, photo, quality=7):
        await asyncio.sleep(0)
        with self.lock:
            ran.append(("generate", photo, quality))
        return {"model": photo * quality, "quality": quality}

    def store(self, name, model):
        self.cache.set(name, model, size_mb=len(model) / (1024 * 1024), ttl_seconds=60)


@cached_result_sync(ttl_seconds=60)
def preview(name, size=64):
    ran.append(("preview", name, size))
    return f"{name} at {size}" if name != "missing" else None


@cached_result(ttl_seconds=60, enabled=False)
async def describe(name):
    ran.append(("describe", name))
    return f"a {name}"


def report():
    """What the management routes of such a service answer."""
    stats = cache.get_stats()
    return {
        "cache_enabled": cache is not None,
        "hits": cache.stats["hits"],
        "misses": cache.stats["misses"],
        "evictions": cache.stats["evictions"],
        "evictions_by_count": stats["evictions_by_count"],
        "evictions_by_size": stats["evictions_by_size"],
        "hit_rate": round(stats["hit_rate_percent"], 2),
        "items": f"{stats['current_items']} of {cache.max_size}",
        "limits": (cache.max_size, cache.max_memory_mb, cache.default_ttl_seconds),
        "config": cache.get_config(),
        "entries": [
            (it["key"], it["access_count"], it["expires_at"] is not None, it["expired"])
            for it in cache.get_entries_summary()
        ],
        "is_within": 0 <= stats["memory_utilization_percent"] <= 100,
        "has_grown": stats["max_memory_seen_mb"] >= stats["current_memory_mb"] > 0,
    }


def use():
    """Uses all of it, and yields what may be seen on the way."""
    processor = Processor()
    for photo, quality in ((b"cup", 7), (b"cup", 7), (b"shoe", 3), (b"cup", 7)):
        yield asyncio.run(processor.generate(photo, quality=quality))
    yield cache.get(model_key(b"cup"))["quality"]
    yield report()
    yield [preview("cup"), preview("cup"), preview("missing"), preview("missing")]
    yield [asyncio.run(describe("cup")), asyncio.run(describe("cup"))]
    yield list(ran)
    cache.clear()
    cache.reset_stats()
    for number in range(6):
        processor.store(f"kept {number}", b"m" * 1024)
    yield cache.get("kept 0"), cache.get("kept 5"), cache.delete("kept 5"), cache.delete("kept 5")
    yield report()
    cache.update_config(max_size=2)
    yield report()
    cache.delete("kept 4")
    cache.set("large", b"", size_mb=63.9995)
    yield report()
    clear_cache()
    yield cache.get_stats()["current_items"], get_cache() is cache
