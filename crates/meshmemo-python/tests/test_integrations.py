"""The management routes in applications of both frameworks, through their own test clients."""

from __future__ import annotations

import time
from typing import Any, NamedTuple
from urllib.parse import quote

import fastapi
import flask
import pytest
from fastapi.testclient import TestClient

import meshmemo.integrations.fastapi
import meshmemo.integrations.flask
from meshmemo import LRUCache, get_cache

SETTINGS = "max_size, max_memory_mb, default_ttl_seconds"


class Answered(NamedTuple):
    status: int
    media_type: str
    document: Any


class OfFlask:
    def __init__(self, *args: Any, **options: Any) -> None:
        app = flask.Flask(__name__)
        app.register_blueprint(meshmemo.integrations.flask.management(*args, **options))
        self._client = app.test_client()

    def __call__(self, method: str, path: str, **request: Any) -> Answered:
        answer = self._client.open(path, method=method, **request)
        return Answered(answer.status_code, answer.mimetype, answer.get_json())


class OfFastAPI:
    def __init__(self, *args: Any, **options: Any) -> None:
        app = fastapi.FastAPI()
        app.include_router(meshmemo.integrations.fastapi.management(*args, **options))
        self._client = TestClient(app, base_url="http://localhost")

    def __call__(self, method: str, path: str, data: Any = None, **request: Any) -> Answered:
        answer = self._client.request(method, path, content=data, **request)
        return Answered(answer.status_code, answer.headers["content-type"], answer.json())


@pytest.fixture(params=[OfFlask, OfFastAPI])
def mount(request):
    return request.param


def is_problem(answered: Answered, status: int, *words: str) -> bool:
    document = answered.document
    return (
        answered.status == status == document["status"]
        and answered.media_type == "application/problem+json"
        and all(it in document["detail"] for it in words)
    )


def test_stats_and_config_are_those_of_the_process_wide_cache(mount):
    call = mount()
    get_cache(max_size=7).set("a", 1, size_mb=2)
    get_cache().get("a")
    answered = call("GET", "/api/cache/stats")
    assert (answered.status, answered.media_type) == (200, "application/json")
    assert answered.document["status"] == "success"
    assert answered.document["cache_enabled"] is True
    assert answered.document["stats"] == get_cache().get_stats()
    assert answered.document["stats"]["hits"] == 1
    assert abs(answered.document["timestamp"] - time.time()) < 60
    config = {"max_size": 7, "max_memory_mb": 512.0, "default_ttl_seconds": None}
    assert call("GET", "/api/cache/config").document == {"config": config}


def test_it_may_stand_elsewhere_and_manage_another_cache(mount):
    cache = LRUCache(max_memory_mb=float("inf"))
    call = mount(cache, prefix="/admin/cache")
    cache.set("a", 1)
    stats = call("GET", "/admin/cache/stats").document["stats"]
    assert (stats["current_items"], stats["max_memory_mb"]) == (1, None)
    assert call("GET", "/admin/cache/config").document["config"]["max_memory_mb"] is None


def test_a_change_of_limits_takes_effect_before_the_answer(mount):
    cache = LRUCache()
    call = mount(cache)
    for key in "abc":
        cache.set(key, key)
    body = '{"max_size": 2, "default_ttl_seconds": 60}'
    answered = call("POST", "/api/cache/config", data=body)
    config = {"max_size": 2, "max_memory_mb": 512.0, "default_ttl_seconds": 60.0}
    assert answered.status == 200
    assert answered.document["config"] == config == cache.get_config()
    assert cache.keys() == ["b", "c"]
    answered = call("POST", "/api/cache/config", data='{"default_ttl_seconds": null}')
    assert answered.document["config"]["default_ttl_seconds"] is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", ["not JSON"]),
        ("[" * 60_000, ["not JSON"]),
        ("[1]", ["JSON object", SETTINGS]),
        ("{}", ["JSON object", SETTINGS]),
        ('{"max": 1}', ["`max`", SETTINGS]),
        ('{"max_size": -1}', ["max_size", "-1"]),
        ('{"max_size": "2"}', ["max_size", "'2'"]),
        ('{"max_size": null}', ["`max_size`", "null"]),
        ('{"max_size": 2, "max_memory_mb": NaN}', ["max_memory_mb", "nan"]),
        ('{"max_size": 2, "default_ttl_seconds": 0}', ["default_ttl_seconds", "0"]),
    ],
)
def test_a_change_that_is_none_is_refused_whole(mount, body, words):
    cache = LRUCache()
    before = cache.get_config()
    assert is_problem(mount(cache)("POST", "/api/cache/config", data=body), 400, *words)
    assert cache.get_config() == before


def test_a_body_that_is_too_long_is_refused(mount):
    body = '{"max_size": 1' + " " * 65536 + "}"
    assert is_problem(mount()("POST", "/api/cache/config", data=body), 413, "65536")


def test_clearing_says_what_has_gone(mount):
    cache = LRUCache()
    cache.set("a", 1, size_mb=1.5)
    cache.set("b", 1, size_mb=1)
    document = mount(cache)("POST", "/api/cache/clear").document
    assert (document["removed"], document["bytes"]) == (2, 5 << 19)
    assert document["message"] == "removed 2 entries (2.5 MB)"
    assert len(cache) == 0


def test_entries_are_listed_by_pages_and_found_by_a_part_of_their_key(mount):
    cache = LRUCache()
    call = mount(cache)

    class Silent:
        def __repr__(self):
            raise RuntimeError("no words")

    for key in ("a/1", "a/2", ("a", 3), Silent()):
        cache.set(key, 1, size_mb=1, ttl_seconds=60)
    cache.get("a/1")
    document = call("GET", "/api/cache/entries?limit=2").document
    first, second = document["entries"]
    assert (first["key"], first["size_mb"], first["access_count"]) == ("a/1", 1.0, 1)
    assert "Silent" in second["key"]
    assert (document["total"], document["next_cursor"]) == (4, "2")
    document = call("GET", "/api/cache/entries?limit=2&cursor=2").document
    assert [it["key"] for it in document["entries"]] == ["('a', 3)", "a/2"]
    assert document["next_cursor"] is None
    document = call("GET", "/api/cache/entries?q=a/").document
    assert [it["key"] for it in document["entries"]] == ["a/1", "a/2"]
    for limit in ("0", "1001", "-1", "x", "", "9" * 5000):
        assert is_problem(call("GET", f"/api/cache/entries?limit={limit}"), 400, "`limit`", "1000")
    assert is_problem(call("GET", "/api/cache/entries?cursor=x"), 400, "`cursor`", "'x'")


@pytest.mark.parametrize("key", ["a", "a/b", "http://host//photo.png", "ä b?&+", ("a", 1)])
def test_an_entry_is_removed_by_its_key_as_it_is_shown(mount, key):
    cache = LRUCache()
    call = mount(cache)
    cache.set(key, 1)
    cache.set("other", 1)
    path = f"/api/cache/entries/{quote(str(key), safe='')}"
    assert call("DELETE", path).document["removed"] == 1
    assert cache.keys() == ["other"]
    assert is_problem(call("DELETE", path), 404, str(key))


@pytest.mark.parametrize("key", ["", "/a", "a\nb", "caf\udce9.png", "a"])
def test_keys_that_no_path_can_have_are_removed_by_the_query(mount, key):
    cache = LRUCache()
    call = mount(cache)
    cache.set(key, 1)
    (entry,) = call("GET", "/api/cache/entries").document["entries"]
    assert entry["key"] == key
    if key.isprintable() or "\n" in key:
        removed = call("DELETE", f"/api/cache/entries?key={quote(key)}").document
        assert removed["removed"] == 1
        assert len(cache) == 0
    assert is_problem(call("DELETE", "/api/cache/entries"), 400, "`key`")


CHANGES = [("POST", "clear"), ("POST", "config"), ("DELETE", "entries/a")]


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_pages_of_other_origins_change_nothing(mount, method, path):
    path = f"/api/cache/{path}"
    cache = LRUCache()
    cache.set("a", 1)
    call = mount(cache, trusted_origins=["https://admin.example"])
    body = {"data": '{"max_size": 0}'} if path.endswith("config") else {}
    foreign = "https://evil.example null http://localhost.evil.example http://[ http://u@localhost"
    for origin in (*foreign.split(), ""):
        answered = call(method, path, headers={"Origin": origin}, **body)
        assert is_problem(answered, 403, repr(origin))
        assert cache.keys() == ["a"]
    assert call("GET", "/api/cache/stats", headers={"Origin": "https://evil.example"}).status == 200
    for origin in ("https://admin.example", "http://localhost"):
        cache.set("a", 1)
        assert call(method, path, headers={"Origin": origin}, **body).status == 200
        cache.update_config(max_size=10)


def test_what_is_no_cache_and_no_list_of_origins_is_refused(mount):
    with pytest.raises(TypeError, match=r"cache must be an LRUCache or None, not \{\}"):
        mount({})
    with pytest.raises(TypeError, match="trusted_origins must be a list of origins, not 'https:"):
        mount(trusted_origins="https://a.example")
    with pytest.raises(ValueError, match=r"as https://host .*, not 'a\.example/'"):
        mount(trusted_origins=["a.example/"])


def test_one_application_may_manage_several_caches():
    app = flask.Flask(__name__)
    for name in ("a", "b"):
        cache = LRUCache(max_size=ord(name))
        management = meshmemo.integrations.flask.management(cache, prefix=f"/{name}/cache")
        app.register_blueprint(management)
    answer = app.test_client().get("/b/cache/config")
    assert answer.get_json()["config"]["max_size"] == ord("b")


def test_openapi_tells_what_the_routes_take():
    app = fastapi.FastAPI()
    app.include_router(meshmemo.integrations.fastapi.management())
    paths = app.openapi()["paths"]
    assert {it["name"] for it in paths["/api/cache/entries"]["get"]["parameters"]} == {
        "limit",
        "cursor",
        "q",
    }
    body = paths["/api/cache/config"]["post"]["requestBody"]["content"]["application/json"]
    assert set(body["schema"]["properties"]) == set(SETTINGS.split(", "))
