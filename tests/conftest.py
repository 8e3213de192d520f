"""What many tests share: the folder of real data, a fixed Hypothesis profile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("swath", deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("swath")


def shared_folder() -> Path:
    """The folder that holds `data` and `systems` (SWATH_SHARED, by default beside the checkout)."""
    return Path(os.environ.get("SWATH_SHARED", Path(__file__).resolve().parents[2] / "shared"))


@pytest.fixture(scope="session", autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What swath keeps of a person lies in a folder of the tests, not in the home of who runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data; the test is skipped, and says so, where it is absent."""
    folder = shared_folder() / "data"
    if not folder.is_dir():
        pytest.skip(f"real data not present: {folder} (set SWATH_SHARED)")
    return folder
