"""The scene that most tests here map."""

from __future__ import annotations

import pytest

from .scenes import scene


@pytest.fixture
def cubes():
    """One sensor, 300 x 260 pixels, a quarter of them missing."""
    return {"s": scene()}
