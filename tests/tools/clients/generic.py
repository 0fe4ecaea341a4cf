"""Asks a server for a model with one JSON request to `/v1/3d/generations`.

python tests/tools/clients/generic.py URL IMAGE OUTPUT [--texture]

It knows nothing of meshmemo. Takes everything but a 200 for a failure. Prints how many bytes
were written, and in how many seconds.
"""

import argparse
import base64
import json
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path


def generate(url: str, image: Path, texture: bool) -> bytes:
    """Sends an image, and returns the file that comes back."""
    fields = {
        "image": base64.b64encode(image.read_bytes()).decode("ascii"),
        "texture": texture,
    }
    request = urllib.request.Request(
        f"{url.rstrip('/')}/v1/3d/generations",
        data=json.dumps(fields).encode(),
        headers={"Content-Type": "application/json"},
    )
    # The server is on the same host: no proxy of the environment is to come between.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request) as response:
        status: int = response.status
        content: bytes = response.read()
    if status != 200:
        raise SystemExit(f"Generation failed: {status}")
    return content


def main(arguments: list[str]) -> int:
    """Writes the model, and returns the exit code."""
    parser = argparse.ArgumentParser(description="Asks a server for a model.")
    parser.add_argument("url", help="where the server is, as in http://127.0.0.1:8081")
    parser.add_argument("image", type=Path)
    parser.add_argument("output", type=Path, help="where the .glb goes")
    parser.add_argument("--texture", action="store_true")
    options = parser.parse_args(arguments)
    start = time.monotonic()
    try:
        model = generate(options.url, options.image, options.texture)
    except urllib.error.HTTPError as error:
        text = error.read().decode(errors="replace")
        print(f"Generation failed: {error.code} {text}", file=sys.stderr)
        return 1
    options.output.write_bytes(model)
    print(f"{len(model)} bytes in {time.monotonic() - start:.3f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
