"""EOPatch folders: bands, dates, masks to reasons, the real patch in Slovenia."""

from __future__ import annotations

import gzip
import io
import json
import pickle

import numpy as np
import pytest

from swath.cube import eopatch
from swath.errors import FormatError


def patch(folder, dates=2, size=(3, 4)):
    (folder / "data").mkdir()
    (folder / "mask").mkdir()
    values = np.random.default_rng(0).random((dates, *size, 13), np.float32)
    np.save(folder / "data/BANDS-S2-L1C.npy", values)
    cloud = np.zeros((dates, *size, 1), np.uint8)
    cloud[0, 0, 0] = 1
    cloud[1, 1, 1] = 255
    packed = io.BytesIO()
    np.save(packed, cloud)
    (folder / "mask/CLM.npy.gz").write_bytes(gzip.compress(packed.getvalue()))
    times = ["2016-01-01T10:00:00", "2016-02-01T10:00:00"][:dates]
    (folder / "timestamps.json").write_text(json.dumps(times))
    ring = [[0, 0], [0, 30], [40, 30], [40, 0], [0, 0]]
    place = {
        "type": "Polygon",
        "coordinates": [ring],
        "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}},
    }
    (folder / "bbox.geojson").write_text(json.dumps(place))
    return str(folder), values


def test_bands_dates_grid_and_cloud_reasons(tmp_path):
    path, values = patch(tmp_path)
    assert eopatch.claims(path)
    (layer,) = eopatch.read(path)
    assert layer.sensor == "sentinel-2a-l1c"
    assert [b.name for b in layer.bands][:2] == ["B01", "B02"]
    assert layer.bands[0].quantity == "toa_reflectance"
    assert layer.geobox.affine[:6] == (10, 0, 0, 0, -10, 30)
    source, flag = pickle.loads(pickle.dumps((layer.source, layer.flag)))
    assert (source.read([1], [12, 0], slice(1, 3), slice(0, 2))[0] == values[1, 1:3, :2, [12, 0]]).all()
    assert flag.read([0, 1], [0], slice(0, 3), slice(0, 4))[:, 0].tolist() == [
        [[2, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
        [[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]],
    ]


def test_dates_that_do_not_fit_the_arrays_are_refused(tmp_path):
    path, _ = patch(tmp_path)
    (tmp_path / "timestamps.json").write_text('["2016-01-01"]')
    with pytest.raises(FormatError, match="one timestamp"):
        eopatch.read(path)


def test_pickled_dates_are_never_read(tmp_path):
    path, _ = patch(tmp_path)
    (tmp_path / "timestamps.json").rename(tmp_path / "timestamp.pkl")
    with pytest.raises(FormatError, match="pickle is never read"):
        eopatch.read(path)


def test_a_truncated_gzip_is_refused_in_one_line(tmp_path):
    path, _ = patch(tmp_path)
    packed = (tmp_path / "mask/CLM.npy.gz").read_bytes()
    (tmp_path / "mask/CLM.npy.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(FormatError, match="whole NumPy array") as caught:
        eopatch.read(path)
    assert "\n" not in str(caught.value)


def test_the_real_patch_has_68_dates_of_index_and_its_cloud_mask(shared):
    (layer,) = eopatch.read(str(shared / "eopatch/TestEOPatch"))
    assert [b.name for b in layer.bands] == ["NDVI", "DEM", "MAX_NDVI"]
    assert [b.quantity for b in layer.bands] == ["index", "elevation", "index"]
    assert layer.source.shape == (68, 3, 101, 100)
    flags = layer.flag.read(range(68), [0], slice(0, 101), slice(0, 100))
    assert int((flags.reshape(68, -1) == 2).all(1).sum()) == 20
    assert any("LULC" in note for note in layer.notes)


def test_the_real_five_dates_are_reflectances_of_sentinel_2(shared):
    (layer,) = eopatch.read(str(shared / "eopatch/FiveDates"))
    assert layer.source.shape == (5, 13, 101, 100)
    assert layer.sensor == "sentinel-2a-l1c"
    assert abs(layer.geobox.affine.a - 10) < 0.01
