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
from pathlib import Path
from typing import Any

import requests


def generate(options: argparse.Namespace) -> requests.Response:
    """Sends the form, and returns the answer."""
    headers = {"Authorization": f"Bearer {options.key}"}
    if options.json:
        headers["Accept"] = "application/json"
    parts = [field.partition("=") for field in options.field]
    fields = [(name, value) for name, _, value in parts]
    with requests.Session() as session, options.image.open("rb") as image:
        # The server is on the same host: no proxy of the environment is to come between.
        session.trust_env = False
        return session.post(
            f"{options.url.rstrip('/')}/v2beta/3d/{options.engine}",
            headers=headers,
            files={"image": image},
            data=fields,
        )


def model_of(answer: requests.Response) -> bytes:
    """Returns the model, which may have JSON around it."""
    if answer.headers["Content-Type"] != "application/json":
        return answer.content
    wrapped: dict[str, str] = answer.json()
    return base64.b64decode(wrapped["model"])


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
    answer = generate(options)
    if answer.status_code != 200:
        print(f"Generation failed: {answer.status_code} {answer.text}", file=sys.stderr)
        return 1
    model = model_of(answer)
    options.output.write_bytes(model)
    headers = {name.lower(): value for name, value in answer.headers.items()}
    said: dict[str, Any] = {"status": 200, "headers": headers, "bytes": len(model)}
    print(json.dumps(said))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
