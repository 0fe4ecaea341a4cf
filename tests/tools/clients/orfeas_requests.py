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
from pathlib import Path
from typing import Any

import requests

POLL_PAUSE_SECONDS = 0.05
# What the studio says of a job that has ended.
ENDS = ("completed", "failed")


class Studio:
    """A studio under a URL."""

    def __init__(self, url: str) -> None:
        self.api = f"{url.rstrip('/')}/api"
        self.session = requests.Session()
        # The server is on the same host: no proxy of the environment is to come between.
        self.session.trust_env = False

    def upload(self, image: Path) -> dict[str, Any]:
        """Uploads an image, and returns the answer."""
        with image.open("rb") as file:
            answer = self.session.post(
                f"{self.api}/upload-image", files={"image": file}
            )
        return object_of(answer)

    def generate(self, job: str, kind: str, quality: int) -> dict[str, Any]:
        """Has a job begun, and returns the answer."""
        fields: dict[str, Any] = {
            "job_id": job,
            "format": kind,
            "dimensions": {"width": 100, "height": 100, "depth": 20},
            "quality": quality,
        }
        return object_of(self.session.post(f"{self.api}/generate-3d", json=fields))

    def end_of(self, job: str) -> list[dict[str, Any]]:
        """Asks until a job has ended, and returns all answers."""
        said = [self.status(job)]
        while said[-1]["status"] not in ENDS:
            time.sleep(POLL_PAUSE_SECONDS)
            said.append(self.status(job))
        return said

    def status(self, job: str) -> dict[str, Any]:
        """Asks how a job stands."""
        return object_of(self.session.get(f"{self.api}/job-status/{job}"))

    def download(self, how: str, job: str, name: str) -> requests.Response:
        """Asks for the file of a job."""
        return checked(self.session.get(f"{self.api}/{how}/{job}/{name}"))


def checked(answer: requests.Response) -> requests.Response:
    """Ends the program unless an answer is a 200."""
    if answer.status_code != 200:
        raise SystemExit(f"Generation failed: {answer.status_code} {answer.text}")
    return answer


def object_of(answer: requests.Response) -> dict[str, Any]:
    """Returns the JSON object of an answer."""
    said: dict[str, Any] = checked(answer).json()
    return said


def make(studio: Studio, options: argparse.Namespace) -> dict[str, Any]:
    """Goes through all steps, writes the file, and returns what was answered."""
    uploaded = studio.upload(options.image)
    job: str = uploaded["job_id"]
    begun = studio.generate(job, options.format, options.quality)
    said = studio.end_of(job)
    if said[-1]["status"] != "completed":
        raise SystemExit(f"Generation failed: {said[-1].get('error', said[-1])}")
    name: str = said[-1]["output_file"]
    downloaded = studio.download("download", job, name)
    headers = {name.lower(): value for name, value in downloaded.headers.items()}
    model = downloaded.content
    wrapped = object_of(studio.download("download-base64", job, name))
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
    print(json.dumps(make(Studio(options.url), options)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
