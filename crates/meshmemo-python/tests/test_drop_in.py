"""A service that was written for a cache module of its own runs on this one: its imports change."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent
SERVICE = HERE / "drop_in/service.py"


def run(source: str) -> list[object]:
    service = ModuleType("service")
    exec(compile(source, str(SERVICE), "exec"), service.__dict__)
    return list(service.use())


def test_a_service_runs_unchanged_but_for_its_imports(monkeypatch: pytest.MonkeyPatch):
    source = SERVICE.read_text()
    monkeypatch.syspath_prepend(str(HERE / "hand_written"))
    by_hand = run(source)
    for module in ("cache_manager", "cache_decorator"):
        del sys.modules[module]
        assert source.count(f"from {module} import") == 1
        source = source.replace(f"from {module} import", "from meshmemo import")
    ours = run(source)
    assert "cache_manager" not in sys.modules
    assert ours == by_hand
