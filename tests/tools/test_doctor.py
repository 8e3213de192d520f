"""`swath doctor` names what is slow or broken and the way to mend it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from swath.errors import SwathError
from swath.tools.doctor import doctor


def write(path: Path, *, side: int = 2100, crs: str | None = "EPSG:32632", **options: object) -> Path:
    values = np.random.default_rng(0).integers(0, 255, (1, side, side)).astype(np.uint8)
    profile = {"crs": crs, "transform": Affine(10, 0, 5e5, 0, -10, 5e6), **options}
    with rasterio.open(path, "w", driver="GTiff", width=side, height=side, count=1, dtype="uint8", **profile) as out:
        out.write(values)
    return path


def test_strips_without_overviews_are_named_with_the_cure(tmp_path: Path) -> None:
    found = doctor(write(tmp_path / "strips.tif", compress="deflate"))
    assert any("strips" in text and "swath prepare" in text for text in found.advice)
    assert any("overviews" in text for text in found.advice)
    assert found.facts["windows against blocks"] > 0
    json.dumps(found.to_json(), allow_nan=False)


def test_a_small_tiled_file_needs_nothing(tmp_path: Path) -> None:
    found = doctor(write(tmp_path / "good.tif", side=512, tiled=True, blockxsize=256, blockysize=256))
    assert found.healthy
    assert "nothing to mend" in str(found)


def test_a_missing_crs_is_named(tmp_path: Path) -> None:
    found = doctor(write(tmp_path / "nocrs.tif", side=64, crs=None))
    assert any("no CRS" in text for text in found.advice)


def test_mixed_crs_in_a_folder_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", side=64)
    write(tmp_path / "b.tif", side=64, crs="EPSG:32633")
    assert any("several CRSs" in text for text in doctor(tmp_path).advice)


def test_the_installation_names_stray_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDAL_DATA", "/elsewhere")
    found = doctor()
    assert found.facts["packages"]["rasterio"] != "missing"
    assert found.facts["proj"] == "transforms"
    assert any("unset GDAL_DATA" in text for text in found.advice)
    json.dumps(found.to_json(), allow_nan=False)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"II*\0nonsense")
    with pytest.raises(SwathError):
        doctor(tmp_path / "a.tif")
