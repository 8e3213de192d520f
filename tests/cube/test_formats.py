"""The table of formats: every entry is a reader, claims never raises, outsiders come first."""

from __future__ import annotations

import importlib
import importlib.metadata
import types

import pytest

from swath.cube import formats
from swath.errors import FormatError


@pytest.mark.parametrize("module", formats.FORMATS.values())
def test_every_entry_has_claims_and_read_and_claims_never_raises(module, tmp_path):
    reader = importlib.import_module(module)
    (tmp_path / "empty").mkdir()
    (tmp_path / "nothing.zip").write_bytes(b"")
    (tmp_path / "nothing.json").write_bytes(b"")
    for path in ("nowhere/none", "s3://bucket/key.xyz", "https://host/key", *map(str, tmp_path.iterdir())):
        assert reader.claims(path) in (True, False)
    assert callable(reader.read)


def test_outsiders_readers_come_by_entry_point_and_go_first(monkeypatch):
    own = types.SimpleNamespace(claims=lambda path: path.endswith(".myf"), read=lambda path: ["layer"])
    point = types.SimpleNamespace(load=lambda: own)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [point] if group == "swath.readers" else [])
    assert formats.reader_of("a.myf").read("a.myf") == ["layer"]


def test_an_unknown_format_names_the_known_ones(tmp_path):
    (tmp_path / "a.xyz").write_text("nothing")
    with pytest.raises(FormatError, match=r"netcdf.*geotiff"):
        formats.reader_of(str(tmp_path / "a.xyz"))
