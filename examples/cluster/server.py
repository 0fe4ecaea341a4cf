"""A server that makes models, as slowly as real ones do, and counts what it was asked for."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import socket
import struct
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROUTE = "/v1/3d/generations"
# Below those that systems give to who asks for none.
PORTS = range(23000, 24000)


class Failed(Exception):
    """What keeps the example from running, in words for who started it."""


def triangle(generation: int) -> bytes:
    """Return a GLB with one triangle; no two generations have the same bytes."""
    positions = struct.pack("<9f", 0, 0, 0, 1, 0, 0, 0, 1, 0)
    document = {
        "asset": {"version": "2.0", "extras": {"generation": generation}},
        "buffers": [{"byteLength": len(positions)}],
        "bufferViews": [{"buffer": 0, "byteLength": len(positions)}],
        "accessors": [
            {
                "bufferView": 0,
                "componentType": 5126,
                "count": 3,
                "type": "VEC3",
                "min": [0, 0, 0],
                "max": [1, 1, 0],
            }
        ],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "nodes": [{"mesh": 0}],
        "scenes": [{"nodes": [0]}],
        "scene": 0,
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(positions), b"BIN\0") + positions
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


@dataclass
class Work:
    """What the server has done."""

    seconds: float
    lock: threading.Lock = field(default_factory=threading.Lock)
    generations: Counter[str] = field(default_factory=Counter)
    now: int = 0
    most_at_once: int = 0

    def generate(self, key: str) -> bytes:
        """Make a model, as slowly as a real one is made."""
        with self.lock:
            self.generations[key] += 1
            self.now += 1
            self.most_at_once = max(self.most_at_once, self.now)
            number = self.generations.total()
        try:
            time.sleep(self.seconds)
            return triangle(number)
        finally:
            with self.lock:
                self.now -= 1


class Backend(ThreadingHTTPServer):
    """The server that makes models."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, work: Work) -> None:
        super().__init__(("127.0.0.1", free_port()), Handler)
        self.work = work
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Return where it is."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a gateway that has hung up."""

    def stop(self) -> None:
        """End it."""
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    """One connection of a gateway."""

    server: Backend
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer with a model."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != ROUTE:
            self.send_error(404)
            return
        request = json.loads(body)
        key = name_key(base64.b64decode(request["image"]), request.get("seed", 0))
        model = self.server.work.generate(key)
        self.send_response(200)
        self.send_header("Content-Type", "model/gltf-binary")
        self.send_header("Content-Length", str(len(model)))
        self.end_headers()
        self.wfile.write(model)

    def log_message(self, format: str, *args: object) -> None:
        """Write no log."""


def name_key(image: bytes, seed: int) -> str:
    """Return what the server calls what is asked of it."""
    return f"{hashlib.sha256(image).hexdigest()} {seed}"


def is_free(port: int) -> bool:
    """Return whether nobody listens at a port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Find a port that nobody listens at."""
    for port in random.sample(PORTS, len(PORTS)):
        if is_free(port):
            return port
    raise Failed(f"no port from {PORTS[0]} to {PORTS[-1]} is free")
