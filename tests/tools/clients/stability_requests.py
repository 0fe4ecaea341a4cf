"""Asks the API of Stability for a model, with one form.

python tests/tools/clients/stability_requests.py URL IMAGE OUTPUT [--key KEY] [--engine ENGINE]
    [--field NAME=VALUE ...] [--json]

It knows nothing of meshmemo. Takes everything but a 200 for a failure. Prints one line of JSON:
what was answered.
"""

import argparse
import base64
import json
import sys
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any


def form(boundary: str, image: Path, fields: list[str]) -> bytes:
    """Writes a form of an image and of fields like `seed=1`."""
    head = (
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="image"; filename="{image.name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    parts = [head.encode() + image.read_bytes()]
    for field in fields:
        name, _, value = field.partition("=")
        part = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}'
        parts.append(part.encode())
    return b"\r\n".join([*parts, f"--{boundary}--\r\n".encode()])


def generate(options: argparse.Namespace) -> tuple[dict[str, Any], bytes]:
    """Sends the form, and returns what was answered, and the model."""
    boundary = uuid.uuid4().hex
    request = urllib.request.Request(
        f"{options.url.rstrip('/')}/v2beta/3d/{options.engine}",
        data=form(boundary, options.image, options.field),
        headers={
            "Authorization": f"Bearer {options.key}",
            "Content-Type": f"multipart/form-data; boundary={boundary}",
        },
    )
    if options.json:
        request.add_header("Accept", "application/json")
    # The server is on the same host: no proxy of the environment is to come between.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request) as response:
        status: int = response.status
        headers = {name.lower(): value for name, value in response.getheaders()}
        content: bytes = response.read()
    if status != 200:
        raise SystemExit(f"Generation failed: {status}")
    if options.json:
        wrapped: dict[str, str] = json.loads(content)
        content = base64.b64decode(wrapped["model"])
    return {"status": status, "headers": headers, "bytes": len(content)}, content


def main(arguments: list[str]) -> int:
    """Writes the model, and returns the exit code."""
    parser = argparse.ArgumentParser(
        description="Asks the API of Stability for a model."
    )
    parser.add_argument(
        "url", help="where the server is, as in https://api.stability.ai"
    )
    parser.add_argument("image", type=Path)
    parser.add_argument("output", type=Path, help="where the .glb goes")
    parser.add_argument("--key", default="sk-test")
    parser.add_argument("--engine", default="stable-fast-3d")
    parser.add_argument("--field", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument(
        "--json", action="store_true", help="ask for JSON around the model"
    )
    options = parser.parse_args(arguments)
    try:
        answer, model = generate(options)
    except urllib.error.HTTPError as error:
        text = error.read().decode(errors="replace")
        print(f"Generation failed: {error.code} {text}", file=sys.stderr)
        return 1
    options.output.write_bytes(model)
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
