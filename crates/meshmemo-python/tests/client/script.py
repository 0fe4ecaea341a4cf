"""A server that does what a test says, for what the real one does not do on command."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

MODEL = b"glTF" + bytes(range(256)) * 64
MODEL_HEADERS = {
    "Content-Type": "model/gltf-binary",
    "X-Meshmemo-Cache-Key": "ab" * 32,
    "Cache-Status": "meshmemo; fwd=uri-miss; stored",
    "ETag": f'"{"cd" * 32}"',
}


@dataclass
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.script.asked.append(Asked(self.command, self.path, headers, body))
        self.server.script.next_reply()(self)

    do_GET = do_POST = do_DELETE = do

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    script: Script


Reply: TypeAlias = Callable[[Handler], None]


class Script:
    """A running server that gives these replies, one for each request; the last one ever again."""

    def __init__(self, *replies: Reply) -> None:
        self.asked: list[Asked] = []
        self._replies = list(replies)
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.script = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def next_reply(self) -> Reply:
        return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]

    def __enter__(self) -> Script:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def reply(status: int, body: bytes = b"", length: int | None = None, **headers: str) -> Reply:
    """Answers; with a `length` beyond that of the body, the connection breaks off in it."""

    def send(handler: Handler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            if name == "Date":  # `send_response` has sent one already.
                handler._headers_buffer = [  # type: ignore[attr-defined]
                    line
                    for line in handler._headers_buffer  # type: ignore[attr-defined]
                    if not line.startswith(b"Date:")
                ]
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        handler.wfile.write(body)
        if length is not None:
            handler.close_connection = True

    return send


def model(body: bytes = MODEL, length: int | None = None, **headers: str) -> Reply:
    return reply(200, body, length, **{**MODEL_HEADERS, **headers})


def problem(status: int, document: dict[str, Any] | None = None, **headers: str) -> Reply:
    document = document or {"type": "about:blank", "title": "T", "status": status, "detail": "D"}
    body = json.dumps(document).encode()
    return reply(status, body, **{"Content-Type": "application/problem+json"}, **headers)


def hang_up(handler: Handler) -> None:
    """Ends the connection without an answer."""
    handler.close_connection = True
