"""Has an ORFEAS studio make a model: upload, generate, poll, download, and once more in base64.

python tests/tools/clients/orfeas_requests.py URL IMAGE OUTPUT [--format FORMAT] [--quality N]

It knows nothing of meshmemo. Like the studio's own page it makes the path of the file itself, of
the job and the name that the status has. Takes everything but a 200, a job that fails, and two
downloads that differ for a failure. Prints one line of JSON: what each step answered.
"""

import argparse
import base64
import json
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

POLL_PAUSE_SECONDS = 0.05
# What the studio says of a job that has ended.
ENDS = ("completed", "failed")


class Studio:
    """A studio under a URL."""

    def __init__(self, url: str) -> None:
        self.api = f"{url.rstrip('/')}/api"
        # The server is on the same host: no proxy of the environment is to come between.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def fetch(
        self, request: str | urllib.request.Request
    ) -> tuple[dict[str, str], bytes]:
        """Sends a request, and returns the headers and the body of the answer."""
        with self.opener.open(request) as response:
            status: int = response.status
            headers = {name.lower(): value for name, value in response.getheaders()}
            content: bytes = response.read()
        if status != 200:
            raise SystemExit(f"Unexpected answer: {status}")
        return headers, content

    def upload(self, image: Path) -> dict[str, Any]:
        """Uploads an image, and returns the answer."""
        boundary = uuid.uuid4().hex
        head = (
            f"--{boundary}\r\n"
            f'Content-Disposition: form-data; name="image"; filename="{image.name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        form = head.encode() + image.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        request = urllib.request.Request(f"{self.api}/upload-image", data=form)
        request.add_header("Content-Type", f"multipart/form-data; boundary={boundary}")
        return read_object(self.fetch(request)[1])

    def generate(self, job: str, kind: str, quality: int) -> dict[str, Any]:
        """Has a job begun, and returns the answer."""
        fields = {
            "job_id": job,
            "format": kind,
            "dimensions": {"width": 100, "height": 100, "depth": 20},
            "quality": quality,
        }
        request = urllib.request.Request(
            f"{self.api}/generate-3d",
            data=json.dumps(fields).encode(),
            headers={"Content-Type": "application/json"},
        )
        return read_object(self.fetch(request)[1])

    def end_of(self, job: str) -> list[dict[str, Any]]:
        """Asks until a job has ended, and returns all answers."""
        said = [read_object(self.fetch(f"{self.api}/job-status/{job}")[1])]
        while said[-1]["status"] not in ENDS:
            time.sleep(POLL_PAUSE_SECONDS)
            said.append(read_object(self.fetch(f"{self.api}/job-status/{job}")[1]))
        return said


def read_object(content: bytes) -> dict[str, Any]:
    """Reads a JSON object."""
    answer: dict[str, Any] = json.loads(content)
    return answer


def make(studio: Studio, options: argparse.Namespace) -> dict[str, Any]:
    """Goes through all steps, writes the file, and returns what was answered."""
    uploaded = studio.upload(options.image)
    job: str = uploaded["job_id"]
    begun = studio.generate(job, options.format, options.quality)
    said = studio.end_of(job)
    if said[-1]["status"] != "completed":
        raise SystemExit(f"Generation failed: {said[-1].get('error', said[-1])}")
    name: str = said[-1]["output_file"]
    headers, model = studio.fetch(f"{studio.api}/download/{job}/{name}")
    wrapped = read_object(studio.fetch(f"{studio.api}/download-base64/{job}/{name}")[1])
    if base64.b64decode(wrapped.pop("data")) != model:
        raise SystemExit("The two downloads differ")
    options.output.write_bytes(model)
    return {
        "upload": uploaded,
        "generate": begun,
        "progress": [status.get("progress") for status in said],
        "status": said[-1],
        "download": {"headers": headers, "bytes": len(model)},
        "base64": wrapped,
    }


def main(arguments: list[str]) -> int:
    """Writes the model, and returns the exit code."""
    parser = argparse.ArgumentParser(description="Has an ORFEAS studio make a model.")
    parser.add_argument("url", help="where the studio is, as in http://127.0.0.1:5000")
    parser.add_argument("image", type=Path)
    parser.add_argument("output", type=Path, help="where the model goes")
    parser.add_argument("--format", default="glb", choices=("stl", "obj", "glb", "ply"))
    parser.add_argument("--quality", type=int, default=7)
    options = parser.parse_args(arguments)
    try:
        answers = make(Studio(options.url), options)
    except urllib.error.HTTPError as error:
        text = error.read().decode(errors="replace")
        print(f"Generation failed: {error.code} {text}", file=sys.stderr)
        return 1
    print(json.dumps(answers))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
