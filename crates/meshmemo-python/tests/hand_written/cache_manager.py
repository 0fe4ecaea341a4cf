"""A cache as services write it by hand: an `OrderedDict`, an `RLock` and estimates in MB.

It is what the package takes the place of, and what it is measured beside.
"""

import sys
import threading
import time
from collections import OrderedDict

MB = 1024 * 1024


class Entry:
    def __init__(self, value, size_mb, ttl_seconds):
        self.value = value
        self.size_mb = size_mb
        self.timestamp = time.time()
        self.expires_at = None if ttl_seconds is None else self.timestamp + ttl_seconds
        self.access_count = 0

    def is_expired(self):
        return self.expires_at is not None and time.time() > self.expires_at


class LRUCache:
    def __init__(self, max_size=1000, max_memory_mb=512.0, default_ttl_seconds=None):
        self.max_size = max_size
        self.max_memory_mb = max_memory_mb
        self.default_ttl_seconds = default_ttl_seconds
        self.cache = OrderedDict()
        self.lock = threading.RLock()
        self.current_memory_mb = 0.0
        self.reset_stats()

    def reset_stats(self):
        with self.lock:
            self.stats = {
                "hits": 0,
                "misses": 0,
                "evictions": 0,
                "evictions_by_count": 0,
                "evictions_by_size": 0,
                "max_memory_seen_mb": self.current_memory_mb,
            }

    def get(self, key):
        with self.lock:
            entry = self.cache.get(key)
            if entry is not None and entry.is_expired():
                self._remove(key)
                entry = None
            if entry is None:
                self.stats["misses"] += 1
                return None
            self.cache.move_to_end(key)
            entry.access_count += 1
            self.stats["hits"] += 1
            return entry.value

    def set(self, key, value, size_mb=None, ttl_seconds=None):
        if size_mb is None:
            size_mb = sys.getsizeof(value) / MB
        if ttl_seconds is None:
            ttl_seconds = self.default_ttl_seconds
        with self.lock:
            if key in self.cache:
                self._remove(key)
            while self.cache and len(self.cache) >= self.max_size:
                self._evict("evictions_by_count")
            while self.cache and self.current_memory_mb + size_mb > self.max_memory_mb:
                self._evict("evictions_by_size")
            self.cache[key] = Entry(value, size_mb, ttl_seconds)
            self.current_memory_mb += size_mb
            if self.current_memory_mb > self.stats["max_memory_seen_mb"]:
                self.stats["max_memory_seen_mb"] = self.current_memory_mb
            return True

    def delete(self, key):
        with self.lock:
            if key not in self.cache:
                return False
            self._remove(key)
            return True

    def clear(self):
        with self.lock:
            self.cache.clear()
            self.current_memory_mb = 0.0

    def get_stats(self):
        with self.lock:
            lookups = self.stats["hits"] + self.stats["misses"]
            memory = self.current_memory_mb
            return {
                **self.stats,
                "hit_rate_percent": 100.0 * self.stats["hits"] / lookups if lookups else 0.0,
                "current_items": len(self.cache),
                "current_memory_mb": memory,
                "max_items": self.max_size,
                "max_memory_mb": self.max_memory_mb,
                "memory_utilization_percent": 100.0 * memory / self.max_memory_mb,
            }

    def get_entries_summary(self):
        with self.lock:
            now = time.time()
            return [
                {
                    "key": key,
                    "size_mb": entry.size_mb,
                    "timestamp": entry.timestamp,
                    "age_seconds": now - entry.timestamp,
                    "access_count": entry.access_count,
                    "expires_at": entry.expires_at,
                    "expired": entry.is_expired(),
                }
                for key, entry in self.cache.items()
            ]

    def get_config(self):
        return {
            "max_size": self.max_size,
            "max_memory_mb": self.max_memory_mb,
            "default_ttl_seconds": self.default_ttl_seconds,
        }

    def update_config(self, max_size=None, max_memory_mb=None):
        with self.lock:
            self.max_size = self.max_size if max_size is None else max_size
            self.max_memory_mb = self.max_memory_mb if max_memory_mb is None else max_memory_mb
            while len(self.cache) > self.max_size:
                self._evict("evictions_by_count")
            while self.current_memory_mb > self.max_memory_mb:
                self._evict("evictions_by_size")

    def _evict(self, cause):
        self._remove(next(iter(self.cache)))
        self.stats["evictions"] += 1
        self.stats[cause] += 1

    def _remove(self, key):
        self.current_memory_mb -= self.cache.pop(key).size_mb


_cache = None


def get_cache(max_size=1000, max_memory_mb=512.0, default_ttl_seconds=None):
    global _cache
    if _cache is None:
        _cache = LRUCache(max_size, max_memory_mb, default_ttl_seconds)
    return _cache


def clear_cache():
    get_cache().clear()
