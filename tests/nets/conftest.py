from __future__ import annotations

import os
from pathlib import Path

import pytest

# Read at once, because settings from outside are taken away while a test runs.
FOLDER = os.environ.get("SHITU_TEST_MODELS")


@pytest.fixture
def official_models() -> Path:
    """A folder of the vendor's exported models, which are no part of the product."""
    if not FOLDER:
        pytest.skip("set SHITU_TEST_MODELS to a folder with the official models to compare with")
    return Path(FOLDER)
