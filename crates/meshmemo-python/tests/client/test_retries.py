"""When a request is sent again, and when not; and that no broken download leaves anything."""

from __future__ import annotations

import asyncio
import io
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from conftest import Connect
from script import MODEL, Asked, Handler, Reply, Script, hang_up, model, problem, reply

import meshmemo

IMAGE = b"\x89PNG and what follows"


def image_of(asked: Asked) -> bytes:
    """Returns the image of a form."""
    boundary = asked.headers["content-type"].partition("boundary=")[2].encode()
    part = asked.body.partition(b'; name="image"')[2].partition(b"\r\n\r\n")[2]
    return part.partition(b"\r\n--" + boundary + b"--")[0]


def busy(**headers: str) -> Reply:
    return problem(503, **headers)


def test_a_busy_server_is_asked_again_when_it_says(connect: Connect, tmp_path: Path) -> None:
    photo = tmp_path / "cup.png"
    photo.write_bytes(IMAGE)
    with Script(busy(**{"Retry-After": "7"}), busy(**{"Retry-After": "0"}), model()) as script:
        made = connect(script.url).generate(photo)
        assert (made.bytes, made.key, made.outcome) == (MODEL, "ab" * 32, "miss")
        assert connect.waits == [7, 0]
        assert [image_of(asked) for asked in script.asked] == [IMAGE] * 3


@pytest.mark.parametrize("kind", ["file object", "stream", "bytes"])
def test_what_is_sent_again_is_the_whole_image(connect: Connect, kind: str) -> None:
    class Stream:
        left = IMAGE

        def read(self, size: int) -> bytes:
            piece, self.left = self.left[:3], self.left[3:]
            return piece

    file = io.BytesIO(b"before" + IMAGE)
    file.seek(len(b"before"))
    image = {"file object": file, "stream": Stream(), "bytes": IMAGE}[kind]
    with Script(busy(**{"Retry-After": "1"}), model()) as script:
        connect(script.url).generate(image)
        assert [image_of(asked) for asked in script.asked] == [IMAGE] * 2


def test_a_date_counts_from_the_servers_own_clock(connect: Connect) -> None:
    dates = {
        "Date": "Sun, 06 Nov 1994 08:49:37 GMT",
        "Retry-After": "Sun, 06 Nov 1994 08:50:07 GMT",
    }
    past = {**dates, "Retry-After": "Sun, 06 Nov 1994 08:00:00 GMT"}
    with Script(busy(**dates), busy(**past), model()) as script:
        connect(script.url).generate(IMAGE)
    assert connect.waits == [30, 0]


def test_it_is_asked_so_often_and_no_more(connect: Connect) -> None:
    with Script(busy(**{"Retry-After": "5"})) as script:
        with pytest.raises(meshmemo.Busy) as gave_up:
            connect(script.url, retries=2).generate(IMAGE)
        assert gave_up.value.retry_after == 5
        assert connect.waits == [5, 5]
        assert len(script.asked) == 3


@pytest.mark.parametrize(
    ("retry_after", "timeout", "waits"),
    [("10", 5.0, []), ("301", None, []), ("200", None, [200.0]), ("4000000000000", None, None)],
)
def test_no_call_waits_for_longer_than_it_has(
    connect: Connect, retry_after: str, timeout: float | None, waits: list[float] | None
) -> None:
    with Script(busy(**{"Retry-After": retry_after})) as script:
        with pytest.raises(meshmemo.Busy):
            connect(script.url, timeout=timeout).generate(IMAGE)
        # What can not be read is as if it were not there.
        assert (connect.waits == waits) if waits is not None else (0 < sum(connect.waits) < 10)


def test_who_does_not_say_when_is_asked_again_for_what_may_be_done_twice(
    connect: Connect,
) -> None:
    with Script(busy(), busy(), model()) as script:
        connect(script.url).generate(IMAGE)
    first, second = connect.waits
    assert 0.125 <= first <= 0.25 <= second <= 0.5
    for call in [lambda it: it.clear(), lambda it: it.generate(IMAGE, refresh=True)]:
        with Script(busy()) as script:
            with pytest.raises(meshmemo.Busy):
                call(connect(script.url))
            assert len(script.asked) == 1


@pytest.mark.parametrize("trouble", [hang_up, model(MODEL[:5000], len(MODEL))])
def test_a_broken_connection_is_mended_for_what_may_be_done_twice(
    connect: Connect, tmp_path: Path, trouble: Reply
) -> None:
    with Script(trouble, model()) as script:
        connect(script.url).generate(IMAGE, output=tmp_path / "cup.glb")
        assert len(script.asked) == 2
    assert os.listdir(tmp_path) == ["cup.glb"]
    assert (tmp_path / "cup.glb").read_bytes() == MODEL
    with Script(trouble) as script:
        with pytest.raises(meshmemo.ConnectionFailed) as failed:
            connect(script.url).generate(IMAGE, refresh=True)
        assert failed.value.was_sent
        assert isinstance(failed.value, ConnectionError)
        assert len(script.asked) == 1


def test_what_changes_something_is_not_done_twice(connect: Connect) -> None:
    calls = [
        lambda it: it.clear(),
        lambda it: it.remove("a" * 64),
        lambda it: it.update_config(max_size=1),
        lambda it: it.purge(model_id="x"),
    ]
    for call in calls:
        with Script(hang_up) as script:
            with pytest.raises(meshmemo.ConnectionFailed):
                call(connect(script.url))
            assert len(script.asked) == 1


def test_a_broken_download_leaves_what_was_there(connect: Connect, tmp_path: Path) -> None:
    target = tmp_path / "cup.glb"
    target.write_bytes(b"as it was")
    # Longer than what is collected before it is written: a part of it was on disk.
    long = MODEL * 200
    with Script(model(long, len(long) + 1)) as script:
        with pytest.raises(meshmemo.ConnectionFailed):
            connect(script.url, retries=1).generate(IMAGE, output=target)
        assert len(script.asked) == 2
    assert os.listdir(tmp_path) == ["cup.glb"]
    assert target.read_bytes() == b"as it was"


def test_without_a_server_nothing_was_sent(connect: Connect) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # It does not listen.
        client = connect(f"http://127.0.0.1:{taken.getsockname()[1]}", retries=2)
        with pytest.raises(meshmemo.ConnectionFailed) as failed:
            client.clear()
    assert not failed.value.was_sent
    assert len(connect.waits) == 2


def test_a_server_that_comes_is_found(connect: Connect) -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    answering = threading.Thread(target=_answer_once, args=(listener,))

    def begin() -> None:
        listener.listen()
        answering.start()

    connect.on_wait = begin
    client = connect(f"http://127.0.0.1:{listener.getsockname()[1]}")
    assert client.clear() == {"removed": 3}
    assert len(connect.waits) == 1
    answering.join()
    listener.close()


def _answer_once(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"removed":3}')


@pytest.mark.parametrize("does_answer", [False, True])
def test_a_silent_server_ends_the_call(connect: Connect, tmp_path: Path, does_answer: bool) -> None:
    is_over = threading.Event()

    def keep_silent(handler: Handler) -> None:
        if does_answer:
            model(MODEL[:10], len(MODEL))(handler)
        is_over.wait(60)

    with Script(keep_silent) as script:
        with pytest.raises(meshmemo.Timeout) as late:
            connect(script.url, timeout=0.3).generate(IMAGE, output=tmp_path / "cup.glb")
        is_over.set()
        assert isinstance(late.value, TimeoutError)
        assert len(script.asked) == 1
    assert os.listdir(tmp_path) == []


def test_a_trickle_ends_too(connect: Connect) -> None:
    is_over = threading.Event()

    def trickle(handler: Handler) -> None:
        model(MODEL[:10], len(MODEL))(handler)
        # It ends at last, so that a client that waits for its end is told from one that does not.
        for _ in range(500):
            if is_over.wait(0.02):
                return
            handler.wfile.write(b"x")

    with Script(trickle) as script:
        with pytest.raises(meshmemo.Timeout):
            connect(script.url, timeout=0.3, retries=0).generate(IMAGE)
        is_over.set()


def test_who_is_cancelled_leaves_no_part_of_a_file(tmp_path: Path) -> None:
    is_over = threading.Event()

    def half(handler: Handler) -> None:
        model(MODEL[:10], len(MODEL))(handler)
        is_over.wait(60)

    async def leave(url: str) -> None:
        async with meshmemo.AsyncClient(url) as client:
            asking = asyncio.create_task(client.generate(IMAGE, output=tmp_path / "cup.glb"))
            while not os.listdir(tmp_path):
                assert not asking.done()
                await asyncio.sleep(0)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking

    with Script(half) as script:
        asyncio.run(leave(script.url))
        is_over.set()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("status", [400, 401, 404, 422, 500, 502, 504])
def test_an_answer_is_an_answer(connect: Connect, status: int) -> None:
    with Script(problem(status, **{"Retry-After": "1"})) as script:
        with pytest.raises(meshmemo.MeshmemoError):
            connect(script.url).generate(IMAGE)
        assert len(script.asked) == 1
    assert connect.waits == []


def test_a_key_follows_no_redirection(connect: Connect) -> None:
    with Script(model()) as other, Script(reply(307, Location=other.url)) as script:
        with pytest.raises(meshmemo.UnexpectedAnswer, match=other.url):
            connect(script.url, "mm_secret").generate(IMAGE)
        assert script.asked[0].headers["x-meshmemo-api-key"] == "mm_secret"
        assert other.asked == []


def test_what_the_backend_is_shown_goes_with_models_only(connect: Connect) -> None:
    entry = b'{"model_url": "/elsewhere/api/models/' + b"cd" * 32 + b'.glb"}'
    with Script(model(), reply(200, entry), model(), reply(200, b"{}")) as script:
        client = connect(script.url, backend_authorization="Bearer sk")
        client.generate(IMAGE)
        client.get("ab" * 32)
        client.stats()
        shown: list[Any] = [
            it.headers.get("x-meshmemo-backend-authorization") for it in script.asked
        ]
        assert shown == ["Bearer sk", None, "Bearer sk", None]
        assert script.asked[2].path == f"/-/meshmemo/api/models/{'cd' * 32}.glb"
