"""NumPy files with their JSON: shapes that must agree, no pickles, lazy windows."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.cube import npy
from swath.errors import FormatError

FACTS = {
    "sensor": "naip",
    "quantity": "digital_number",
    "units": "1",
    "shape": {"band": 2, "y": 3, "x": 4},
    "bands": [{"name": "red", "wavelength_nm": 650, "nodata": 0}, {"name": "nir", "wavelength_nm": None, "scale": 0.5}],
    "dates": ["2020-05-01T00:00:00Z"],
    "crs": "EPSG:32633",
    "transform": [10, 0, 500000, 0, -10, 5000000],
}
VALUES = np.arange(24, dtype="u1").reshape(2, 3, 4)


def write(folder, values=VALUES, **changes):
    np.save(folder / "a.npy", values)
    (folder / "a.json").write_text(json.dumps({**FACTS, **changes}))
    return str(folder / "a.npy")


def test_array_and_json_open_together(tmp_path):
    (layer,) = npy.read(write(tmp_path))
    assert [b.name for b in layer.bands] == ["red", "nir"]
    assert (layer.bands[0].wavelength, layer.bands[0].nodata, layer.bands[1].scale) == (650, 0, 0.5)
    assert layer.sensor == "naip"
    assert str(layer.time[0])[:10] == "2020-05-01"
    assert layer.geobox.crs.to_epsg() == 32633
    source = pickle.loads(pickle.dumps(layer.source))
    assert (source.read([0], [1, 0], slice(1, 3), slice(0, 2))[0] == VALUES[[1, 0], 1:3, :2]).all()


@given(st.permutations(["time", "band", "y", "x"]).map(lambda p: [n for n in ("time", "band", "y", "x") if n in p[:4]]))
def test_axes_of_one_may_be_missing_from_the_array(names):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), shape={"time": 1, "band": 2, "y": 3, "x": 4})
        assert npy.read(path)[0].source.shape == (1, 2, 3, 4)


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": {"band": 3, "y": 3, "x": 4}},
        {"shape": {"band": 2, "y": 4, "x": 3}},
        {"shape": [2, 3, 4]},
        {"shape": {"y": "many", "x": 4}},
        {"bands": ["red"]},
        {"bands": [{"name": "red"}, {"wavelength_nm": 3}]},
        {"bands": [{"name": "red"}, {"name": "nir", "scale": "big"}]},
        {"dates": ["2020-01-01", "2020-02-01"]},
        {"dates": ["yesterday"]},
        {"transform": [0, 0, 0, 0, 0, 0]},
        {"transform": "north up"},
        {"crs": "EPSG:0"},
    ],
)
def test_a_json_that_does_not_fit_is_refused_in_one_line(tmp_path, changes):
    with pytest.raises(FormatError, match=r"must agree") as caught:
        npy.read(write(tmp_path, **changes))
    assert "\n" not in str(caught.value)


def test_a_pickled_array_is_refused_and_never_run(tmp_path):
    class Harm:
        def __reduce__(self):
            return (open, (str(tmp_path / "harm"), "w"))

    np.save(tmp_path / "a.npy", np.array([Harm()], dtype=object), allow_pickle=True)
    with pytest.raises(FormatError, match="pickled"):
        npy.read(str(tmp_path / "a.npy"))
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Harm()))
    with pytest.raises(FormatError, match="pickled"):
        npy.read(str(tmp_path / "b.npy"))
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("keep", [0, 4, 40, 130])
def test_a_truncated_array_is_refused(tmp_path, keep):
    path = write(tmp_path)
    with open(path, "rb") as file:
        start = file.read()[:keep]
    with open(path, "wb") as file:
        file.write(start)
    with pytest.raises(FormatError):
        npy.read(path)


def test_a_header_that_claims_more_than_the_file_holds_is_refused(tmp_path):
    path = write(tmp_path)
    with open(path, "rb") as file:
        content = file.read()
    with open(path, "wb") as file:
        file.write(content.replace(b"(2, 3, 4)", b"(9**9,4,)"[:9]))
    with pytest.raises(FormatError):
        npy.read(path)


def test_without_json_only_one_band_is_understood(tmp_path):
    np.save(tmp_path / "a.npy", VALUES[0])
    (layer,) = npy.read(str(tmp_path / "a.npy"))
    assert layer.source.shape == (1, 1, 3, 4)
    np.save(tmp_path / "b.npy", VALUES)
    with pytest.raises(FormatError, match=r"b\.json"):
        npy.read(str(tmp_path / "b.npy"))
