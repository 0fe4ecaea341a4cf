"""Three gateways, one Redis, one server: a load whose every model must be made exactly once."""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from server import ROUTE, Backend, Failed, Work, free_port, name_key

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "examples" / "images"
GATEWAYS = 3
START_MAX_SECONDS = 30
CLIENTS = 60

CONFIGURATION = f"""\
[generic]
path = "{ROUTE}"
images = ["image"]
irrelevant = ["request_id"]
seed = "seed"
"""


# ---- Redis and the gateways


def environment() -> dict[str, str]:
    """Return the environment without settings of meshmemo, which are for another gateway."""
    foreign = ("MESHMEMO_", "CACHE_", "REDIS_NODES", "DISABLE_RESULT_CACHE")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


class Process:
    """A process of this example, with a log."""

    def __init__(self, name: str, command: list[str], directory: Path) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        with self.log.open("wb") as log:
            # Ctrl-C is for this process, which then ends the others.
            self.process = subprocess.Popen(
                command,
                cwd=directory,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_until(self, is_ready: Callable[[], bool]) -> None:
        """Wait until it is ready for work."""
        end = time.monotonic() + START_MAX_SECONDS
        while not is_ready():
            if self.process.poll() is not None or time.monotonic() > end:
                lines = self.log.read_text(errors="replace").splitlines()[-15:]
                raise Failed("\n".join([f"{self.name} does not start:", *lines]))
            time.sleep(0.05)

    def ask_to_end(self) -> None:
        """Ask it to end, and do not wait for that."""
        self.process.terminate()

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_redis(binary: str, directory: Path, port: int) -> Process:
    """Start Redis, which keeps nothing on disk, and does not wait for it."""
    command = [binary, "--port", str(port), "--bind", "127.0.0.1"]
    command += ["--save", "", "--appendonly", "no"]
    command += ["--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lfu"]
    return Process("redis", command, directory)


def accepts(port: int) -> bool:
    """Return whether somebody listens at a port."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@dataclass
class Gateway:
    """One of the gateways."""

    name: str
    binary: str
    url: str
    process: Process

    def is_ready(self) -> bool:
        """Return whether it answers, and shares."""
        try:
            with urllib.request.urlopen(f"{self.url}/-/meshmemo/api/health", timeout=5) as answer:
                health = json.load(answer)
        except (OSError, ValueError):
            return False
        return bool(health["tiers"].get("redis") == "ok")

    def redis_line(self) -> str:
        """Return what it says of Redis."""
        command = [self.binary, "stats", "--url", self.url]
        said = subprocess.run(
            command, env=environment(), capture_output=True, text=True, timeout=30, check=False
        )
        lines = [line for line in said.stdout.splitlines() if line.startswith("redis ")]
        return lines[0] if lines else said.stderr.strip()


def start_gateway(binary: str, directory: Path, flags: list[str]) -> Gateway:
    """Start a gateway with a data directory of its own."""
    directory.mkdir()
    (directory / "meshmemo.toml").write_text(CONFIGURATION)
    port = free_port()
    command = [binary, "serve", "--config", "meshmemo.toml", "--data-dir", "data"]
    command += ["--listen", f"127.0.0.1:{port}", "--drain-timeout", "1s", *flags]
    process = Process(directory.name, command, directory)
    return Gateway(directory.name, binary, f"http://127.0.0.1:{port}", process)


# ---- the load


@dataclass(frozen=True)
class Key:
    """What is asked for."""

    photo: Path
    seed: int

    def __str__(self) -> str:
        return f"{self.photo.name} seed {self.seed}"

    def body(self, number: int) -> bytes:
        """Return a request for it; its number reaches no result."""
        image = base64.b64encode(self.photo.read_bytes()).decode()
        return json.dumps({"image": image, "seed": self.seed, "request_id": number}).encode()

    def server_name(self) -> str:
        """Return what the server calls it."""
        return name_key(self.photo.read_bytes(), self.seed)


@dataclass(frozen=True)
class Answer:
    """What came of a request."""

    key: Key
    digest: str = ""
    how: str = ""
    error: str = ""


def ask(url: str, key: Key, number: int) -> Answer:
    """Ask a gateway for a model."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url + ROUTE, key.body(number), headers)
    try:
        with urllib.request.urlopen(request, timeout=600) as answer:
            model = answer.read()
            status = answer.headers.get("Cache-Status", "no Cache-Status")
    except urllib.error.HTTPError as error:
        return Answer(key, error=f"{error.code}: {error.read().decode(errors='replace')[:200]}")
    except OSError as error:
        return Answer(key, error=str(error))
    # Of the key and the age, each request has its own.
    parts = [part.strip() for part in status.split(";")]
    parts = [part for part in parts if not part.startswith(("key=", "ttl="))]
    return Answer(key, digest=hashlib.sha256(model).hexdigest(), how="; ".join(parts))


def load(gateways: list[Gateway], keys: list[Key], requests: int) -> list[Answer]:
    """Ask for all keys in turn, at all gateways in turn, many at a time."""
    asked = [keys[number % len(keys)] for number in range(requests)]
    # Each gateway is asked for each key: the numbers may have a common divisor.
    random.shuffle(asked)
    urls = [gateways[number % len(gateways)].url for number in range(requests)]
    pool = ThreadPoolExecutor(min(CLIENTS, requests))
    try:
        return list(pool.map(ask, urls, asked, range(requests)))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def report(keys: list[Key], answers: list[Answer], work: Work) -> bool:
    """Print what came of it; return whether all is as it should be."""
    print(f"\n{'key':<24}{'requests':>10}{'generations':>13}{'answers':>9}")
    is_right = work.most_at_once == 1
    for key in keys:
        own = [answer for answer in answers if answer.key == key and not answer.error]
        generations = work.generations[key.server_name()]
        different = len({answer.digest for answer in own})
        print(f"{key!s:<24}{len(own):>10}{generations:>13}{different:>9}")
        is_right = is_right and generations == different == 1
    print("\nhow they came")
    for how, count in Counter(answer.how for answer in answers if not answer.error).most_common():
        print(f"{count:>6}  {how}")
    for error, count in Counter(answer.error for answer in answers if answer.error).most_common():
        print(f"{count:>6}  failed: {error}")
        is_right = False
    print(f"\nmost generations at once at the server: {work.most_at_once}")
    return is_right


# ---- the whole


def find_binary(given: str | None, name: str, places: list[str | None], flag: str) -> str:
    """Return where a program is: where it was said to be, or the first place that has it."""
    if given is not None:
        found = shutil.which(given)
        if found is None:
            raise Failed(f"{given} is no program that can be run ({flag})")
        return str(Path(found).absolute())
    for place in places:
        if place is not None and (found := shutil.which(place)) is not None:
            return str(Path(found).absolute())
    raise Failed(f"there is no {name}: say where it is with {flag} PATH")


def positive(text: str) -> int:
    """Read a number of things."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def run(arguments: argparse.Namespace) -> bool:
    """Start everything, put the load on it, and stop everything."""
    target = ROOT / "target"
    built = [str(target / profile / "meshmemo") for profile in ("release", "debug")]
    meshmemo = find_binary(arguments.meshmemo, "meshmemo", [*built, "meshmemo"], "--meshmemo")
    own_redis = str(target / "tools" / "redis" / "redis-server")
    redis_server = find_binary(
        arguments.redis_server, "redis-server", ["redis-server", own_redis], "--redis-server"
    )
    photos = sorted(path for path in IMAGES.iterdir() if path.suffix in (".png", ".jpg"))
    if not photos:
        raise Failed(f"there are no photos in {IMAGES}")
    count = arguments.keys
    keys = [Key(photos[at % len(photos)], 1 + at // len(photos)) for at in range(count)]

    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="meshmemo-")))
        work = Work(arguments.seconds)
        backend = Backend(work)
        stack.callback(backend.stop)
        redis_port = free_port()
        redis = start_redis(redis_server, directory, redis_port)
        stack.callback(redis.stop)
        redis.wait_until(lambda: accepts(redis_port))
        flags = ["--redis", f"redis://127.0.0.1:{redis_port}", "--backend", backend.url]
        flags += ["--adapter", "generic", "--model-id", "triangle-1"]
        flags += ["--queue", str(max(64, arguments.keys))]
        gateways = []
        for number in range(1, GATEWAYS + 1):
            gateway = start_gateway(meshmemo, directory / f"gateway-{number}", flags)
            stack.callback(gateway.process.stop)
            gateways.append(gateway)
        for gateway in gateways:
            # All end at the same time.
            stack.callback(gateway.process.ask_to_end)
        for gateway in gateways:
            gateway.process.wait_until(gateway.is_ready)
            print(f"{gateway.name} at {gateway.url}")
        print(
            f"{arguments.requests} requests for {len(keys)} keys, {arguments.seconds:g} s for each"
            f" generation: about {len(keys) * arguments.seconds:.0f} s"
        )
        started_at = time.monotonic()
        answers = load(gateways, keys, arguments.requests)
        took = time.monotonic() - started_at
        is_right = report(keys, answers, work)
        print(f"took {took:.1f} s\n")
        for gateway in gateways:
            print(f"{gateway.name}: {gateway.redis_line()}")
    return is_right


def interrupt(_number: int, _frame: object) -> NoReturn:
    """End as Ctrl-C does."""
    raise KeyboardInterrupt


def main() -> int:
    """Run the example; 0 if every model was made once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=positive, default=300, help="default: 300")
    parser.add_argument("--keys", type=positive, default=10, help="default: 10")
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="how long a generation takes; default: 2"
    )
    parser.add_argument("--meshmemo", metavar="PATH", help="default: that of target/, or of PATH")
    parser.add_argument("--redis-server", metavar="PATH", help="default: that of PATH")
    arguments = parser.parse_args()
    if arguments.requests < arguments.keys:
        parser.error("--requests must be at least as many as --keys")
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        is_right = run(arguments)
    except Failed as failed:
        print(f"error: {failed}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    print("\nevery model was made once" if is_right else "\nNOT AS IT SHOULD BE")
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
