"""The services of `examples/python`, through the test clients of their frameworks."""

from __future__ import annotations

import importlib
import io
import json
import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from meshmemo import reset_cache

_EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
PHOTO = (_EXAMPLES / "images/coffee.png").read_bytes()
OTHER = (_EXAMPLES / "images/rocket.jpg").read_bytes()


class Service:
    """One of the services; answers are a status, headers in lower case, and a body."""

    def __init__(self, name: str) -> None:
        self.module = importlib.import_module(name)
        self._is_flask = name.startswith("flask")

    def __call__(self, method: str, path: str, photo: bytes | None = None, **fields: str):
        app: Any = self.module.app
        if self._is_flask:
            files = {} if photo is None else {"image": (io.BytesIO(photo), "photo.png")}
            data = {**fields, **files} or None
            answer = app.test_client().open(path, method=method, data=data)
            body = answer.get_data()
        else:
            files = None if photo is None else {"image": ("photo.png", photo)}
            answer = TestClient(app).request(method, path, data=fields or None, files=files)
            body = answer.content
        return answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, body


@pytest.fixture(params=["flask_service", "fastapi_service"])
def service(request, monkeypatch):
    reset_cache()
    monkeypatch.syspath_prepend(str(_EXAMPLES / "python"))
    yield Service(request.param)
    for name in (request.param, "relief"):
        del sys.modules[name]
    reset_cache()


def test_a_photo_becomes_a_model_once(service):
    status, headers, model = service("POST", "/generate", PHOTO)
    assert (status, headers["cache-status"]) == (200, "meshmemo; fwd=miss")
    assert headers["content-type"] == "model/stl"
    (triangles,) = struct.unpack_from("<I", model, 80)
    assert triangles > 1000
    assert len(model) == 84 + 50 * triangles
    status, headers, again = service("POST", "/generate", PHOTO)
    assert (status, headers["cache-status"], again) == (200, "meshmemo; hit", model)
    for photo, fields in ((PHOTO, {"quality": "3"}), (OTHER, {})):
        status, headers, other = service("POST", "/generate", photo, **fields)
        assert (status, headers["cache-status"]) == (200, "meshmemo; fwd=miss")
        assert other != model
    assert service.module.model_of.cache_info().misses == 3


def test_many_at_once_run_it_once(service):
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: service("POST", "/generate", PHOTO), range(16)))
    assert {(status, body) for status, _, body in answers} == {(200, answers[0][2])}
    assert service.module.model_of.cache_info().misses == 1


def test_what_is_no_photo_is_refused_in_words_and_not_kept(service):
    for photo, fields, wanted in (
        (b"no photo", {}, [415]),
        (PHOTO, {"quality": "11"}, [422]),
        (None, {"quality": "7"}, [400, 422]),
    ):
        status, _, _ = service("POST", "/generate", photo, **fields)
        assert status in wanted
    assert len(service.module.get_cache()) == 0


def test_the_cache_is_managed_from_outside(service):
    service("POST", "/generate", PHOTO)
    service("POST", "/generate", PHOTO)
    status, _, body = service("GET", "/api/cache/stats")
    assert status == 200
    assert json.loads(body)["stats"]["hits"] == 1
    status, _, _ = service("POST", "/api/cache/clear")
    assert status == 200
    _, headers, _ = service("POST", "/generate", PHOTO)
    assert headers["cache-status"] == "meshmemo; fwd=miss"
