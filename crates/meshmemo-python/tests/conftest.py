"""Each test begins without a process-wide cache."""

import pytest

from meshmemo import reset_cache


@pytest.fixture(autouse=True)
def _no_process_wide_cache():
    reset_cache()
    yield
    reset_cache()
