"""What mypy and pyright, both strict, see of the installed package."""

import subprocess
import sys
from pathlib import Path

import pytest

USES = Path(__file__).parent / "typed"
CHECKERS = {
    "mypy": ["mypy", "--strict", "--python-version", "3.10", "--config-file=", "uses.py"],
    "pyright": ["pyright", "--pythonpath", sys.executable, "--project", "pyrightconfig.json"],
}


@pytest.mark.parametrize("checker", CHECKERS)
def test_good_uses_are_taken_and_bad_ones_refused(checker, tmp_path):
    command = [sys.executable, "-m", *CHECKERS[checker]]
    if checker == "mypy":
        command += ["--cache-dir", str(tmp_path)]
    checked = subprocess.run(command, cwd=USES, capture_output=True, text=True, timeout=300)
    assert checked.returncode == 0, checked.stdout + checked.stderr
