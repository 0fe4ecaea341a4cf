"""The decorators that go with a cache written by hand."""

import functools

from cache_manager import get_cache


def _key(function, cache_key_fn, args, kwargs):
    if cache_key_fn is not None:
        return cache_key_fn(*args, **kwargs)
    return f"{function.__name__}:{args!r}:{sorted(kwargs.items())!r}"


def cached_result(cache_key_fn=None, ttl_seconds=None, enabled=True):
    def decorate(function):
        @functools.wraps(function)
        async def wrapper(*args, **kwargs):
            if not enabled:
                return await function(*args, **kwargs)
            cache = get_cache()
            key = _key(function, cache_key_fn, args, kwargs)
            found = cache.get(key)
            if found is not None:
                return found
            result = await function(*args, **kwargs)
            if result is not None:
                cache.set(key, result, ttl_seconds=ttl_seconds)
            return result

        return wrapper

    return decorate


def cached_result_sync(cache_key_fn=None, ttl_seconds=None, enabled=True):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            if not enabled:
                return function(*args, **kwargs)
            cache = get_cache()
            key = _key(function, cache_key_fn, args, kwargs)
            found = cache.get(key)
            if found is not None:
                return found
            result = function(*args, **kwargs)
            if result is not None:
                cache.set(key, result, ttl_seconds=ttl_seconds)
            return result

        return wrapper

    return decorate
