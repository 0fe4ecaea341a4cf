"""Asks a Hunyuan3D-2 server for a model by way of a job: `/send`, then `/status/{uid}`.

python tests/tools/clients/hunyuan3d_2_send.py URL IMAGE OUTPUT [--texture]

It knows nothing of meshmemo. Exits with 1 and the message of the server if the job ends as
anything but completed. Prints how many bytes were written, and in how many seconds.
"""

import argparse
import base64
import json
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

POLL_PAUSE_SECONDS = 0.05
# What a server says of a job while there is reason to ask again.
UNDER_WAY = ("processing", "texturing")


def ask(url: str, fields: dict[str, Any] | None = None) -> dict[str, Any]:
    """Sends fields, if there are any, and returns the JSON object that comes back."""
    request = urllib.request.Request(url)
    if fields is not None:
        request.data = json.dumps(fields).encode()
        request.add_header("Content-Type", "application/json")
    # The server is on the same host: no proxy of the environment is to come between.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


def generate(url: str, image: Path, texture: bool) -> bytes:
    """Has a job done for an image, and returns the model."""
    fields = {
        "image": base64.b64encode(image.read_bytes()).decode("ascii"),
        "octree_resolution": 256,
        "num_inference_steps": 20,
        "guidance_scale": 5.5,
        "texture": texture,
    }
    server = url.rstrip("/")
    uid: str = ask(f"{server}/send", fields)["uid"]
    answer = ask(f"{server}/status/{uid}")
    while answer["status"] in UNDER_WAY:
        time.sleep(POLL_PAUSE_SECONDS)
        answer = ask(f"{server}/status/{uid}")
    if answer["status"] != "completed":
        raise SystemExit(f"{answer['status']}: {answer.get('message', answer)}")
    return base64.b64decode(answer["model_base64"])


def main(arguments: list[str]) -> int:
    """Writes the model, and returns the exit code."""
    parser = argparse.ArgumentParser(description="Has a Hunyuan3D-2 server do a job.")
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
