"""A workspace that came with a stranger's files: it does not say what is trusted, and opens no page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import builders
import pytest
from canary import SECRET

from conftest import Home

pytest.importorskip("starlette")


def rows(path: Path) -> str:
    return json.dumps([{"paths": [str(path)], "options": {}, "trusted": True, "name": "gift"}])


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    from swath.doors.web.session import start

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "root").mkdir()
    return lambda: start([tmp_path / "root"], tmp_path / "work")


@pytest.mark.parametrize("seal", ["", "0" * 64, None])
def test_trust_that_is_not_sealed_is_not_believed(home: Home, tmp_path: Path, begin: Any, seal: str | None) -> None:
    (tmp_path / "root" / "v.vrt").parent.mkdir(exist_ok=True)
    (tmp_path / "root" / "v.vrt").write_text(builders.vrt(f"/vsicurl/http://127.0.0.1:{home.canary.port}/x.tif"))
    (tmp_path / "work" / "cache").mkdir(parents=True)
    for path in (tmp_path / "root" / "v.vrt", home.out / "secret.tif"):
        (tmp_path / "work" / "cache" / "scenes.json").write_text(rows(path))
        if seal is not None:
            (tmp_path / "work" / "cache" / "scenes.seal").write_text(seal)
        session = begin()
        assert not session.scenes.restore()
        assert SECRET not in json.dumps([s.record() for s in session.scenes.all()])
        assert session.scenes.own == set()
    assert home.canary.hits == []


def test_what_the_person_named_is_opened_again(tmp_path: Path, begin: Any) -> None:
    first = begin()
    first.scenes.open([builders.tif(tmp_path / "elsewhere" / "a.tif")], trusted=True)
    assert begin().scenes.restore()
    kept = tmp_path / "work" / "cache" / "scenes.json"
    kept.write_text(kept.read_text().replace("a.tif", "b.tif"))
    builders.tif(tmp_path / "elsewhere" / "b.tif")
    assert not begin().scenes.restore()
