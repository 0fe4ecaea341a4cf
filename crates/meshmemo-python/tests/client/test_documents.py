"""What the documents show runs as it stands there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from house import PHOTO, House

import meshmemo

_ROOT = Path(__file__).resolve().parents[4]
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SERVER = "http://127.0.0.1:8080"


def blocks(document: str) -> list[str]:
    return _BLOCK.findall((_ROOT / document).read_text())


@pytest.mark.parametrize("document", ["README.md", "docs/python.md"])
def test_every_block_of_python_runs(
    document: str, house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shutil.copy(PHOTO, tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    meshmemo.reset_cache()
    for number, block in enumerate(blocks(document), 1):
        code = compile(block.replace(_SERVER, house.url), f"{document}, block {number}", "exec")
        exec(code, {"__name__": "__main__"})


def test_the_document_names_every_public_name_and_keyword():
    told = (_ROOT / "docs/python.md").read_text()
    assert len(blocks("docs/python.md")) >= 3
    from meshmemo._typing import Settings

    of_types_only = {
        "BoundFunction",
        "CachedFunction",
        "CacheInfo",
        "Outcome",
        "Problem",
        "StatsView",
    }
    names = [*meshmemo.__all__, *Settings.__annotations__, *dir(meshmemo.LRUCache)]
    public = {it for it in names if not it.startswith("_")} - of_types_only
    assert {it for it in public if it not in told} == set()
