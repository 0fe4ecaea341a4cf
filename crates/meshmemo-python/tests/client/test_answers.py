"""Answers that the real server gives seldom or never, and what is judged without any."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Connect
from script import MODEL, MODEL_HEADERS, Reply, Script, model, problem, reply

import meshmemo
from meshmemo._client.answer import outcome_of, retry_after_of

IMAGE = b"\x89PNG and what follows"
HTML = {"Content-Type": "text/html"}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, meshmemo.BadRequest),
        (401, meshmemo.Unauthorized),
        (403, meshmemo.Forbidden),
        (404, meshmemo.NotFound),
        (408, meshmemo.Timeout),
        (413, meshmemo.TooLarge),
        (415, meshmemo.NotAnImage),
        (418, meshmemo.BadRequest),
        (422, meshmemo.Unprocessable),
        (429, meshmemo.OverQuota),
        (500, meshmemo.ServerFailed),
        (502, meshmemo.BackendFailed),
        (503, meshmemo.Busy),
        (504, meshmemo.Timeout),
        (599, meshmemo.ServerFailed),
    ],
)
def test_each_status_has_its_error(connect: Connect, status: int, error: type) -> None:
    document = {
        "type": "https://example.test/full",
        "title": "Full",
        "status": status,
        "detail": "the disk is full",
        "disk": {"free": 0},
    }
    with Script(problem(status, document)) as script, pytest.raises(error) as raised:
        connect(script.url, retries=0).stats()
    it = raised.value
    assert type(it) is error
    assert (it.status, it.title, it.detail) == (status, "Full", "the disk is full")
    assert (it.type, it.extras) == ("https://example.test/full", {"disk": {"free": 0}})
    again = pickle.loads(pickle.dumps(it))
    assert (type(again), str(again), again.problem) == (error, str(it), it.problem)


def test_another_server_is_not_taken_for_one_without_the_model(connect: Connect) -> None:
    answer = reply(404, b"<h1>Not found", **HTML)
    with Script(answer) as script, pytest.raises(meshmemo.UnexpectedAnswer) as raised:
        connect(script.url).generate(IMAGE)
    assert raised.value.status == 404
    assert "is it a meshmemo server" in str(raised.value)


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (reply(500, b"<h1>Oops", **HTML), "text/html"),
        (reply(500, b"out of cheese", **{"Content-Type": "text/plain"}), "out of cheese"),
        (
            reply(500, b'{"detail"', **{"Content-Type": "application/problem+json"}),
            "explains nothing",
        ),
        (reply(500, b'["detail"]', **{"Content-Type": "application/problem+json"}), "explains"),
        (reply(500, b"x" * 10_000_000, **{"Content-Type": "text/plain"}), "x" * 200 + "…"),
        (reply(500, b"cut off", 100, **{"Content-Type": "text/plain"}), "cut off"),
    ],
)
def test_what_explains_nothing_is_an_error_all_the_same(
    connect: Connect, answer: Reply, detail: str
) -> None:
    with Script(answer) as script, pytest.raises(meshmemo.ServerFailed) as raised:
        connect(script.url).generate(IMAGE)
    assert raised.value.status == 500
    assert detail in raised.value.detail


def headers_without(name: str) -> dict[str, str]:
    return {key: value for key, value in MODEL_HEADERS.items() if key != name}


def endless(handler: Any) -> None:
    """Answers without saying where the model ends."""
    handler.send_response(200)
    for name, value in MODEL_HEADERS.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(MODEL)
    handler.close_connection = True


@pytest.mark.parametrize(
    "answer",
    [
        reply(200, b"<h1>Welcome", **HTML),
        reply(200, MODEL, **headers_without("X-Meshmemo-Cache-Key")),
        reply(200, MODEL, **headers_without("Cache-Status")),
        reply(204),
        model(**{"Cache-Status": "squid; hit"}),
        model(b"not zipped", **{"Content-Encoding": "gzip"}),
        endless,
    ],
)
def test_no_model_is_taken_from_another_server(
    connect: Connect, tmp_path: Path, answer: Reply
) -> None:
    with Script(answer) as script:
        with pytest.raises(meshmemo.UnexpectedAnswer):
            connect(script.url).generate(IMAGE, output=tmp_path / "cup.glb")
        assert len(script.asked) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null"])
def test_no_report_is_taken_from_another_server(connect: Connect, body: bytes) -> None:
    with Script(reply(200, body)) as script, pytest.raises(meshmemo.UnexpectedAnswer):
        connect(script.url).stats()


@pytest.mark.parametrize("url", ["", "//evil.test/x", "https://evil.test/", None])
def test_a_model_is_fetched_from_its_own_server_only(connect: Connect, url: str | None) -> None:
    with Script(reply(200, json.dumps({"model_url": url}).encode())) as script:
        with pytest.raises(meshmemo.UnexpectedAnswer, match="model_url"):
            connect(script.url).get("a" * 64)
        assert len(script.asked) == 1


def test_a_timeout_is_told_from_what_is_not_cached(connect: Connect) -> None:
    with Script(problem(504)) as script, pytest.raises(meshmemo.NotCached):
        connect(script.url).generate(IMAGE, only_if_cached=True)
    with Script(reply(504, b"<h1>", **HTML)) as script, pytest.raises(meshmemo.Timeout):
        connect(script.url).generate(IMAGE, only_if_cached=True)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("meshmemo; hit; ttl=60; detail=memory", "hit"),
        ("meshmemo; hit; detail=derived", "hit"),
        ("meshmemo; fwd=uri-miss; stored", "miss"),
        ("meshmemo; fwd=uri-miss", "miss"),
        ("meshmemo; fwd=uri-miss; collapsed", "coalesced"),
        ("meshmemo; fwd=bypass; stored", "bypass"),
        ("meshmemo; fwd=bypass; detail=random-seed", "bypass"),
        ("meshmemo;hit, nginx; fwd=uri-miss", "hit"),
        ('nginx; hit, "meshmemo"; fwd=bypass', "bypass"),
    ],
)
def test_the_outcome_is_what_the_server_sends(status: str, outcome: str) -> None:
    assert outcome_of(status) == outcome


@pytest.mark.parametrize("text", ["", "soon", "-1", "1.5", "Sun, 99 Nov 1994", "9" * 5000])
def test_a_wait_that_can_not_be_read_is_none(text: str) -> None:
    assert retry_after_of({"retry-after": text}) is None


@pytest.mark.parametrize("client", [meshmemo.Client, meshmemo.AsyncClient])
def test_arguments_are_checked(client: Any) -> None:
    for url in ["", "127.0.0.1:8080", "ftp://x", "http://", "http://x?a=1", "http://me:pw@x"]:
        with pytest.raises(ValueError, match="url"):
            client(url)
    with pytest.raises(TypeError, match="url is a bytes"):
        client(b"http://x")
    with pytest.raises(ValueError, match="api_key") as refused:
        client("http://x", "secret\n")
    assert "secret" not in str(refused.value)
    for wrong in [{"retries": -1}, {"timeout": 0}, {"timeout": float("nan")}]:
        with pytest.raises(ValueError, match=next(iter(wrong))):
            client("http://x", **wrong)
    for name, value in [("retries", 1.5), ("timeout", "x"), ("api_key", 3)]:
        with pytest.raises(TypeError, match=name):
            client("http://x", **{name: value})


def test_without_httpx_only_a_client_can_not_be_made() -> None:
    code = """
import sys
sys.modules["httpx"] = None
import meshmemo
assert not [name for name in sys.modules if name.split(".")[0] in ("anyio", "numpy", "PIL")]
for client in (meshmemo.Client, meshmemo.AsyncClient):
    try:
        client("http://127.0.0.1:8080")
    except ImportError as error:
        assert "pip install meshmemo[client]" in str(error), error
    else:
        raise AssertionError("it was made")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_both_clients_have_the_same_calls() -> None:
    import inspect

    names = {name for name in vars(meshmemo.Client) if not name.startswith("_")}
    assert names == {name for name in vars(meshmemo.AsyncClient) if not name.startswith("_")}
    for name in names:
        blocking, awaited = getattr(meshmemo.Client, name), getattr(meshmemo.AsyncClient, name)
        assert inspect.signature(blocking) == inspect.signature(awaited), name
        assert blocking.__doc__, name
