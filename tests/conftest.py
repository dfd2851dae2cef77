"""Fixtures shared by all tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests of several folders share modules that lie here


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real images and weights beside the checkout; a test that needs it is skipped where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real images and weights (../shared/data) are not here")
    return folder
