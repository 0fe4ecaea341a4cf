"""A real server of a test's own, on a port and in a directory of its own."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest

START_SECONDS = 60
_ROOT = Path(__file__).resolve().parents[4]
BINARY = Path(os.environ.get("MESHMEMO_BIN") or _ROOT / "target/debug/meshmemo").resolve()
IMAGES = Path(os.environ.get("MESHMEMO_IMAGES") or _ROOT / "examples/images").resolve()
PHOTO = IMAGES / "coffee.png"


class House:
    """A running server; the end of `with` ends it."""

    def __init__(self, directory: Path, *flags: str, keys: dict[str, str] | None = None) -> None:
        """Starts it; `keys` has for each name what `meshmemo keys add` takes."""
        if not BINARY.is_file():
            pytest.fail(
                f"there is no server to test with at {BINARY}: build it, or set MESHMEMO_BIN"
            )
        self._directory = directory
        self.keys = {name: self._add_key(name, how) for name, how in (keys or {}).items()}
        protection = ["--api-keys", "keys.json"] if keys else []
        listen = ["--listen", "127.0.0.1:0", "--data-dir", "data"]
        self._log = (directory / "log").open("wb")
        self._process = subprocess.Popen(
            [BINARY, "serve", *listen, *protection, *flags],
            cwd=directory,
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.url = self._said().removeprefix("meshmemo listens on ")

    def _said(self) -> str:
        """Returns the first line that it says; one that says nothing is ended."""
        assert self._process.stdout is not None
        guard = threading.Timer(START_SECONDS, self._process.kill)
        guard.start()
        line = self._process.stdout.readline().strip()
        guard.cancel()
        if not line.startswith("meshmemo listens on "):
            self.close()
            pytest.fail(f"the server did not start: {(self._directory / 'log').read_text()}")
        return line

    def _add_key(self, name: str, how: str) -> str:
        command = [BINARY, "keys", "add", name, "--api-keys", "keys.json", *how.split()]
        added = subprocess.run(
            command, cwd=self._directory, env=_environment(), capture_output=True, text=True
        )
        assert added.returncode == 0, added.stderr
        return next(word for word in added.stdout.split() if word.startswith("mm_"))

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()

    def __enter__(self) -> House:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _environment() -> dict[str, str]:
    """Returns the environment without what would configure the server."""
    foreign = ("MESHMEMO_", "CACHE_", "DISABLE_RESULT_CACHE", "REDIS_NODES")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
